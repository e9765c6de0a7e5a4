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
LABELS = ("model", "model_version", "tokenizer_version")


def run(*events):
    return decode(
        "application/json", None, json.dumps([{"model": "e5"} | event for event in events]).encode(), Limits(), NOW
    )


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


def test_labels_are_counted_once_an_event():
    """None is a slice label yet; an empty object says nothing."""
    assert 1 == run({"labels": {"a": "x", "b": "y"}}, {"labels": {}}, {}).batch.unknown_labels


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
