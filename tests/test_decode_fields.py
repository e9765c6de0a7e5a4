"""The rules of the scalar fields: what is taken, converted or refused, and with which reason."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decode import Limits, decode
from app.decode.labels import clean_label
from app.model import Reason

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
LIMITS = Limits(slice_labels=frozenset({"locale", "cohort"}), input_key=b"secret of these tests")
LABELS = ("model", "model_version", "tokenizer_version", "space", "probe")


def run(*events, limits=LIMITS):
    body = json.dumps([{"model": "e5"} | event for event in events]).encode()
    return decode("application/json", None, body, limits, NOW)


def refusal(**fields):
    """The single error of an event, whose neighbour must be taken."""
    decoded = run(fields, {})
    assert [1] == decoded.batch.index.tolist()
    (error,) = decoded.errors
    assert 0 == error.index
    return error


# Labels


@pytest.mark.parametrize("field", LABELS)
@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "\x00",
        "\x7f",
        "\x85",
        "\x9f",
        "\u2028",
        "\u2029",
        "\ud800",
        "a\udfffb",
        "x" * 129,
        "é" * 65,
        "__other__",
    ],
)
def test_text_that_is_no_fit_label_is_refused(field, text):
    """Control characters (C1 too), line separators, lone surrogates, too long, or the reserved value."""
    error = refusal(**{field: text})

    assert (field, Reason.LABEL) == (error.field, error.reason)
    assert error.message.startswith(f"{field} must")


@pytest.mark.parametrize("text", ["x" * 128, "é" * 64, "名前", 'a"b\\c', "a b", "😀", "\u202e"])
def test_other_text_is_a_label_as_it_is(text):
    """Quotes, spaces and every script are the exposition's business."""
    assert text == run({"model": text}).batch.keys[0].model


def test_two_spellings_of_one_name_are_one_series():
    """Labels are composed (NFC)."""
    batch = run({"model": "Cafe\u0301"}, {"model": "Caf\u00e9"}).batch

    assert ["Caf\u00e9"] == [key.model for key in batch.keys]
    assert [0, 0] == batch.key_index.tolist()


@given(text=st.text(st.characters(exclude_categories=()), max_size=140))
def test_a_clean_label_is_short_composed_and_stays_clean(text):
    """Cleaning is idempotent, and what it yields can be encoded."""
    try:
        label = clean_label(text, 128)
    except ValueError:
        return
    assert len(label.encode()) <= 128
    assert label == clean_label(label, 128)


def test_a_long_run_of_combining_marks_is_refused_before_it_is_composed():
    """Composing sorts them in quadratic time."""
    with pytest.raises(ValueError, match="128 bytes"):
        clean_label("a" + "\u0301\u0327" * 1_000_000, 128)


@pytest.mark.parametrize("model", [None, ""])
def test_a_model_is_required(model):
    """Absent, null or empty."""
    error = refusal(model=model)

    assert ("model", Reason.MISSING_FIELD) == (error.field, error.reason)


@pytest.mark.parametrize(
    ("field", "values", "reason"),
    [
        *((field, [5, True, [], {}], Reason.FIELD_TYPE) for field in LABELS),
        ("kind", ["passage", "", "__other__", 5], Reason.FIELD_TYPE),
        ("timestamp", [True, [], {}, "now", ""], Reason.TIMESTAMP),
        ("sample_rate", [0, -0.5, 1.01, 1e-300, True, "0.5", math.nan, math.inf], Reason.SAMPLE_RATE),
        ("event_id", [1.5, True, [], "x" * 257, "é" * 129, "\ud800", 10**300, 10**4000], Reason.FIELD_TYPE),
        ("input_hash", [5, True, [], {}, "x" * 257, "é" * 129, "\ud800"], Reason.FIELD_TYPE),
        ("norm", [-1, -1e-9, 1e300, math.nan, math.inf, -math.inf, True, "1", [1]], Reason.NORM),
        ("similarity_metric", ["euclidean", "", 1, "Cosine"], Reason.SIMILARITY_METRIC),
        ("result_count", [-1, 1.5, True, "1", math.nan], Reason.FIELD_TYPE),
        ("error", [5, True, []], Reason.FIELD_TYPE),
        ("latency_seconds", [-0.1, math.nan, math.inf, True, "1"], Reason.FIELD_TYPE),
        ("labels", [5, [], {"a": 1}, {"a": None}], Reason.FIELD_TYPE),
    ],
)
def test_a_value_out_of_its_rule_is_refused_by_name(field, values, reason):
    """Each with the reason of its field, and a message that says what would be right."""
    for value in values:
        error = refusal(**{field: value})
        assert (field, reason) == (error.field, error.reason)
        assert "must" in error.message


# Times


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (NOW - 5, NOW - 5),
        (int(NOW) - 5, NOW - 5),
        (0, 0),
        (-5, -5),
        (NOW + 600, NOW),
        ("2025-12-31T23:59:59Z", NOW - 1),
        ("2025-12-31t23:59:59.5z", NOW - 0.5),
        ("2026-01-01T01:00:00.123456789+02:00", NOW - 3600 + 0.123456),
        ("2026-01-01 00:00:00Z", NOW),
        ("2026-01-01T00:09:00Z", NOW),
        ("0001-01-01T00:00:00+23:59", -62135596800 - 86340),
    ],
)
def test_times_are_seconds_and_never_later_than_now(sent, seconds):
    """Numbers and RFC 3339; a clock a little ahead is set to ours, and how old is too old the store says."""
    assert run({"timestamp": sent}).batch.timestamp[0] == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "sent",
    [
        NOW + 600.5,
        1e308,
        math.nan,
        math.inf,
        -math.inf,
        "2026-01-01T00:10:01Z",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00+24:00",
        "\uff12026-01-01T00:00:00Z",
        "2026-01-01T00:00:00." + "1" * 100 + "Z",
        "1767225600",
    ],
)
def test_a_time_that_is_none_or_too_far_ahead_is_refused(sent):
    """Ten minutes are a clock; more is a mistake."""
    assert ("timestamp", Reason.TIMESTAMP) == (refusal(timestamp=sent).field, refusal(timestamp=sent).reason)


def test_milliseconds_are_called_by_their_name():
    """The usual mistake; the message names the unit that is wanted."""
    assert "milliseconds, unix seconds are wanted" in refusal(timestamp=NOW * 1000).message
    assert "milliseconds" not in refusal(timestamp=NOW + 1000).message


# Numbers and ids


def test_events_stand_for_what_they_were_sampled_from():
    """The weight is the inverse of the rate, 1 where none was sent."""
    assert [1, 10, 1, 1e9] == pytest.approx(
        run({"sample_rate": 1}, {"sample_rate": 0.1}, {}, {"sample_rate": 1e-9}).batch.weight
    )


def test_an_integer_id_is_its_decimal_text():
    """So 5 and "5" are one event; an empty id is none."""
    ids = run(
        {"event_id": 5}, {"event_id": "5"}, {"event_id": -(10**38)}, {"event_id": ""}, {"event_id": "é" * 128}
    ).batch.event_ids

    assert ["5", "5", "-1" + "0" * 38, None, "é" * 128] == ids


def test_no_ids_and_no_errors_are_no_columns():
    """Also where all that was sent is empty."""
    batch = run({"event_id": "", "error": ""}, {}).batch

    assert (None, None) == (batch.event_ids, batch.errors)
    assert not batch.query.any()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("timeout", "timeout"), ("x" * 129, "other"), ("a\nb", "other"), ("\ud800", "other"), ("__other__", "other")],
)
def test_an_odd_error_type_is_other(sent, kept):
    """A failed query is worth more than its words."""
    batch = run({"error": sent}).batch

    assert [kept] == batch.errors
    assert (True, True, False) == (batch.query[0], batch.failed[0], batch.empty[0])


# Slices


def test_unknown_labels_are_counted_once_an_event():
    """However many it carries; an empty object says nothing. With and without names in the settings."""
    sent = {"labels": {"a": "x", "b": "y"}}, {"labels": {}}, {}, {"labels": {"a": "\x00", "locale": "de"}}

    known, none = run(*sent).batch, run(*sent, limits=Limits()).batch

    assert (2, [None, None, None, {"locale": "de"}]) == (known.unknown_labels, known.labels)
    assert (2, None) == (none.unknown_labels, none.labels)


def test_known_labels_are_kept_composed_and_without_empty_values():
    """As Prometheus has it, an empty value is no label."""
    sent = {"locale": "Cafe\u0301", "cohort": ""}, {"locale": "", "cohort": ""}, {"cohort": "x" * 128}

    batch = run(*({"labels": labels} for labels in sent)).batch

    assert [{"locale": "Caf\u00e9"}, None, {"cohort": "x" * 128}] == batch.labels
    assert 0 == batch.unknown_labels
    assert run({"labels": {"locale": ""}}).batch.labels is None


@pytest.mark.parametrize("value", ["x" * 129, "é" * 65, "a\nb", "\x85", "\u2028", "\ud800", "__other__"])
def test_the_value_of_a_slice_label_is_fit_for_a_label(value):
    """Else the event is refused, without a word of the value; who carries it under another name is not."""
    error = refusal(labels={"locale": value})

    assert ("labels", Reason.LABEL) == (error.field, error.reason)
    assert error.message.startswith("labels: a value must ")
    assert 1 == run({"labels": {"elsewhere": value}}).batch.unknown_labels


# Spaces


def test_a_space_is_of_model_and_version_unless_named():
    """A new tokenizer, and the other side of the index, stay in it."""
    sent = {}, {"model_version": "2"}, {"model_version": "2", "tokenizer_version": "t"}, {"kind": "document"}

    assert ("e5", "e5@2", "e5@2", "e5") == run(*sent).batch.spaces
    assert ("e5",) == run({"space": ""}, {"space": None}).batch.spaces


def test_the_last_event_that_names_a_space_tells_for_its_series():
    """Events that name none say nothing against it."""
    sent = {"space": "a"}, {"space": "Cafe\u0301"}, {}, {"model_version": "2"}, {"model_version": "3", "space": "c"}

    assert ("Caf\u00e9", "e5@2", "c") == run(*sent).batch.spaces
    assert ("a",) == run({"space": "a"}, {"space": "b", "norm": -1}).batch.spaces


# Inputs and probes


def test_the_same_input_has_the_same_hash_under_one_key():
    """In every batch, alone or beside others, on the short way and the long; another key gives another hash."""
    alone = run({"input_hash": "h"}).batch.inputs
    plain = run({"input_hash": "other"}, {"input_hash": "h"}).batch.inputs
    mixed = run({"input_hash": "é"}, {"input_hash": "h"}, {}).batch.inputs

    assert alone[0] == plain[1] == mixed[1]
    assert 4 == len({0, *plain.tolist(), *mixed.tolist()})
    assert alone[0] != run({"input_hash": "h"}, limits=Limits(input_key=b"another")).batch.inputs[0]


def test_without_a_key_every_set_of_limits_has_a_secret_of_its_own():
    """A key that stands in the code would be none; and it is in no text of the limits."""
    first, second = Limits(), Limits()

    assert len(first.input_key) >= 16
    assert first.input_key != second.input_key
    assert "input_key" not in repr(first)


def test_an_empty_input_hash_or_probe_is_none():
    """Or all inputs of a careless sender would be one."""
    batch = run({"input_hash": "", "probe": ""}, {}).batch

    assert (None, None) == (batch.inputs, batch.probe)
    assert [True, False] == (run({"input_hash": "h"}, {"input_hash": ""}).batch.inputs != 0).tolist()


def test_a_probe_goes_before_an_input_hash_and_is_hashed_apart():
    """A probe and an input of the same text are not taken for each other; its name is composed as labels are."""
    batch = run(
        {"probe": "p", "input_hash": "x"},
        {"probe": "p"},
        {"input_hash": "p"},
        {"probe": "e\u0301"},
        {"probe": "\u00e9"},
    ).batch

    assert [True, True, False, True, True] == batch.probe.tolist()
    assert batch.inputs[0] == batch.inputs[1] != batch.inputs[2]
    assert batch.inputs[3] == batch.inputs[4]
    assert run({"input_hash": "p"}).batch.inputs[0] == batch.inputs[2]


@given(
    st.lists(st.tuples(st.sampled_from([None, "", "a", "b", "é"]), st.sampled_from([None, "", "a", "é"])), min_size=1)
)
def test_inputs_are_equal_exactly_where_the_events_say_so(sent):
    """Whatever mix of hashes and probes: 0 for neither, one key for each thing embedded."""
    said = [("probe", probe) if probe else ("input", name) if name else None for name, probe in sent]

    batch = run(*({"input_hash": name, "probe": probe} for name, probe in sent)).batch
    inputs = [0] * len(sent) if batch.inputs is None else batch.inputs.tolist()

    assert [each is None for each in said] == [each == 0 for each in inputs]
    assert len(set(said)) == len(set(inputs)) == len(set(zip(said, inputs, strict=True)))
    flags = [False] * len(sent) if batch.probe is None else batch.probe.tolist()
    assert [bool(probe) for _, probe in sent] == flags


def test_the_digest_that_would_read_as_no_input_is_another(monkeypatch):
    """One in 2^64 is 0; an input is never taken for none."""

    class Zero:
        def copy(self):
            return self

        def update(self, text):
            pass

        def digest(self):
            return bytes(8)

    monkeypatch.setattr("app.decode.id_digests._started", lambda key, purpose: Zero())

    assert [1, 0] == run({"input_hash": "h"}, {}).batch.inputs.tolist()


def test_latency_is_kept_from_zero_up():
    """Zero is a measurement, absence is NaN."""
    np.testing.assert_array_equal(
        run({"latency_seconds": 0}, {"latency_seconds": 2}, {}).batch.latency_seconds, [0, 2, np.nan]
    )


def test_the_first_fault_of_an_event_is_its_error():
    """One refused event is one error, however much is wrong with it."""
    assert Reason.LABEL is refusal(model="\n", timestamp=1e300, norm=-1, scores=[5]).reason


def test_errors_come_in_the_order_of_the_events():
    """Found by type or by value, a client reads them from the top."""
    decoded = run({"norm": -1}, {"kind": 5}, {"model": "\n"}, {"norm": "x"}, {"timestamp": 1e300})

    assert [0, 1, 2, 3, 4] == [error.index for error in decoded.errors]
