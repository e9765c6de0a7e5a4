"""What every decoder promises, run over the table; and what JSON alone promises."""

from __future__ import annotations

import base64
import contextlib
import json
import pickle
from collections import Counter
from hashlib import blake2b
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.decode import DECODERS, DecodeError, Limits, Malformed, TooLarge, UnsupportedMediaType, decode
from app.model import Reason, SeriesKey
from tests.forms import FORMS, JSON, LINES, says, writable

NOW = 1_767_225_600.0
LIMITS = Limits()
VECTOR = np.random.default_rng(7).normal(size=8).astype(np.float32)
CANARY = "canary-Zq9"

every = pytest.mark.parametrize("form", FORMS)
every_type = pytest.mark.parametrize("media_type", DECODERS)


def event(**fields):
    return {"model": "e5", **fields}


def b64(vector):
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def run(form, events, limits=LIMITS):
    return decode(FORMS[form].media_type, None, FORMS[form].encode(events), limits, NOW)


def spoilt(name, value):
    """An event whose field has this value, and another bad one."""
    return [event() | {name: value}, event(labels={CANARY: 5})]


def run_json(body, limits=LIMITS):
    return decode("application/json", None, body if isinstance(body, bytes) else json.dumps(body).encode(), limits, NOW)


def rows(ragged):
    return [ragged.values[a:b].tolist() for a, b in zip(ragged.offsets, ragged.offsets[1:], strict=False)]


# Every decoder


@every
def test_every_column_of_an_event_comes_back(form):
    """What was sent stands in the columns, an event a row."""
    sent = event(
        model_version="2",
        tokenizer_version="t",
        kind="document",
        timestamp=NOW - 5,
        sample_rate=0.25,
        event_id="a",
        embedding=VECTOR.tolist(),
        scores=[0.875, 0.5],
        latency_seconds=0.25,
        labels={"locale": "de", "shard": "7"},
        input_hash="h",
        space="s",
    )
    others = [event(norm=2.0), event(error="timeout", event_id="7", probe="p"), event(result_count=0)]

    decoded = run(form, [sent, *others], Limits(slice_labels=frozenset({"locale", "cohort"})))
    batch = decoded.batch

    assert () == decoded.errors
    assert (SeriesKey("e5", "2", "t", "document"), SeriesKey("e5", "", "", "query")) == batch.keys
    assert [0, 1, 1, 1] == batch.key_index.tolist()
    assert [0, 1, 2, 3] == batch.index.tolist()
    assert [NOW - 5, NOW, NOW, NOW] == batch.timestamp.tolist()
    assert [4, 1, 1, 1] == batch.weight.tolist()
    assert [VECTOR.tolist(), [], [], []] == rows(batch.vectors)
    np.testing.assert_allclose(batch.norm, [np.linalg.norm(VECTOR.astype(np.float64)), 2.0, np.nan, np.nan], rtol=1e-6)
    assert [0, 0, 0, 0] == batch.fault.tolist()
    assert [[0.875, 0.5], [], [], []] == rows(batch.scores)
    assert [0, -1, -1, -1] == batch.metric.tolist()
    assert [True, False, True, True] == batch.query.tolist()
    assert [False, False, False, True] == batch.empty.tolist()
    assert [False, False, True, False] == batch.failed.tolist()
    np.testing.assert_array_equal(batch.latency_seconds, [0.25, np.nan, np.nan, np.nan])
    assert ["a", None, "7", None] == batch.event_ids
    assert [None, None, "timeout", None] == batch.errors
    assert ("s", "e5") == batch.spaces
    assert [True, False, True, False] == (batch.inputs != 0).tolist()
    assert [False, False, True, False] == batch.probe.tolist()
    assert [{"locale": "de"}, None, None, None] == batch.labels
    assert 1 == batch.unknown_labels


@every
def test_an_id_may_be_an_integer(form):
    """As databases number their rows: 7 is "7"."""
    assert ["7", None] == run(form, [event(event_id=7), event()]).batch.event_ids


@every
def test_all_columns_have_one_entry_an_event(form):
    """Columns that no event carries are as long as the others."""
    batch = run(form, [event(), event(), event()]).batch

    for column in ("index", "timestamp", "weight", "norm", "fault", "metric", "query", "empty", "failed"):
        assert 3 == len(getattr(batch, column)), column
    assert 3 == len(batch.latency_seconds) == len(batch.vectors.lengths) == len(batch.scores.lengths)
    for column in ("event_ids", "errors", "inputs", "probe", "labels"):
        assert getattr(batch, column) is None, column


@every
def test_a_vector_is_the_same_as_numbers_and_as_base64(form):
    """Both ways of writing a vector give the same bits."""
    numbers, text = (run(form, [event(embedding=each)]).batch for each in (VECTOR.tolist(), b64(VECTOR)))

    assert [VECTOR.tolist()] == rows(numbers.vectors) == rows(text.vectors)


GOOD = event(embedding=VECTOR.tolist(), scores=[0.9])
BAD = [{"kind": 5}, {"model": ""}, {"scores": [0.1, 0.9]}, {"embedding": "*"}, {"norm": -1}]


@pytest.mark.parametrize(
    ("form", "bad"), [(form, bad) for form, bad in product(FORMS, BAD) if says(form, [GOOD, event() | bad])]
)
def test_a_bad_event_costs_none_of_its_neighbours(form, bad):
    """The others are kept with their positions, whether the fault shows in a type or in a value."""
    decoded = run(form, [GOOD, event() | bad, GOOD])

    assert [0, 2] == decoded.batch.index.tolist()
    assert [VECTOR.tolist(), VECTOR.tolist()] == rows(decoded.batch.vectors)
    assert [1] == [error.index for error in decoded.errors]
    assert next(iter(bad)) == decoded.errors[0].field


@every
def test_nothing_acceptable_is_an_empty_batch_with_errors(form):
    """A body of bad events alone is well-formed: no exception, no rows."""
    decoded = run(form, [{}, {"model": 5}])

    assert 0 == len(decoded.batch)
    assert () == decoded.batch.keys
    assert [Reason.MISSING_FIELD, Reason.FIELD_TYPE] == [error.reason for error in decoded.errors]


@every_type
@pytest.mark.parametrize("body", [b"", b" \n\t\r\n "])
def test_an_empty_body_is_malformed(media_type, body):
    """Nothing at all is no batch of nothing."""
    with pytest.raises(Malformed, match="empty"):
        decode(media_type, None, body, LIMITS, NOW)


@every
def test_as_many_events_as_allowed_are_taken_and_one_more_is_too_large(form):
    """The limit itself is within the limit; past it the message says what to do."""
    limits = Limits(events=3)

    assert 3 == len(run(form, [event()] * 3, limits).batch)
    with pytest.raises(TooLarge, match=r"more than 3 .*several requests"):
        run(form, [event()] * 4, limits)
    with pytest.raises(TooLarge, match=r"more than 3 .*several requests"):
        run(form, [event(kind=5)] * 4, limits)


@every
def test_unknown_and_later_fields_are_skipped(form):
    """Whatever they hold: their rules come with their step."""
    extra = event(ids=["b", "a"], relevant={"a": 2}, outcome={"clicked": True}, query_id="q", x=[{}])

    assert 1 == len(run(form, [extra]).batch)


@every
def test_a_null_is_no_field(form):
    """Senders write None for what they do not have."""
    fields = (
        "model_version",
        "kind",
        "timestamp",
        "embedding",
        "norm",
        "scores",
        "top_k",
        "event_id",
        "error",
        "labels",
        "space",
        "input_hash",
        "probe",
    )

    decoded = run(form, [event(**dict.fromkeys(fields)), event(bad=1, **dict.fromkeys(fields), sample_rate="x")])

    assert [0] == decoded.batch.index.tolist()
    assert not decoded.batch.query.any()
    assert "sample_rate" == decoded.errors[0].field


@every_type
@settings(max_examples=150)
@given(body=st.binary(max_size=300))
@example(body=b"[" * 100_000)
@example(body=b'{"x":' * 100_000)
@example(body=b'{"model":"a","timestamp":' + b"1" * 5000 + b"}")
@example(body=b'{"model":"a","embedding":[' + b"1" * 5000 + b"]}")
@example(body=b'{"model":"a","event_id":' + b"1" * 5000 + b"}")
@example(body=b'{"model":"a","event_id":-' + b"1" * 4000 + b"}")
@example(body=b"\xff\xfe{\x00}\x00")
@example(body=b"\xef\xbb\xbf[]")
@example(body=b'{"model":"\xff"}')
@example(body=b'{"model":"a","embedding":[\xff]}')
@example(body=b'{"events":5}')
@example(body=b'{"events":{}}')
@example(body=b'"embedding":[1]')
@example(body=b'{"model":"a","embedding":[1')
@example(body=b'{"model":"a","embedding":[[1],"x":5}')
@example(body=b'{"model":"a","timestamp":"9999-99-99T00:00:00Z"}')
@example(body=b'{"model":"a","timestamp":"0001-01-01T00:00:00+23:59"}')
@example(body=b"5")
@example(body=b"null")
def test_no_bytes_raise_anything_but_a_decode_error(media_type, body):
    """Whatever comes in: a batch, or an exception of the one family."""
    with contextlib.suppress(DecodeError):
        decode(media_type, None, body, LIMITS, NOW)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ["\ud800", "__other__", "query", "l2", "2026-01-01T00:00:00Z", "AAAAPw==", "\u2028", "", 0, 1, -1.0]
    ),
    st.sampled_from([NOW, NOW + 1, NOW + 1e6, 1e308, 10**400, 1e-40]),
)
values = st.one_of(scalars, st.lists(scalars, max_size=4), st.dictionaries(st.text(max_size=3), scalars, max_size=2))
NAMES = [
    *("model", "model_version", "tokenizer_version", "kind", "timestamp", "sample_rate", "event_id", "embedding"),
    *("norm", "scores", "top_k", "similarity_metric", "result_count", "error", "latency_seconds", "labels"),
    *("space", "input_hash", "probe", "events"),
]
events = st.builds(
    lambda fields, model: fields | {"model": model} if model else fields,
    st.dictionaries(st.sampled_from(NAMES), values, max_size=6),
    st.sampled_from(["e5", None]),
)


anything = st.lists(st.one_of(events, scalars), max_size=2)


@every
@settings(max_examples=300)
@given(before=anything, one=events, after=anything)
def test_any_event_is_taken_whole_or_refused_with_its_position(form, before, one, after):
    """Accepted and refused together are all that was sent, and no accepted column is out of its range."""
    sent = writable(form, [*before, one, *after])  # one at least that every form can say

    decoded = run(form, sent, Limits(slice_labels=frozenset({"", "a", "0"})))
    batch = decoded.batch

    assert list(range(len(sent))) == sorted([*batch.index.tolist(), *(error.index for error in decoded.errors)])
    assert np.isfinite(batch.timestamp).all()
    assert (batch.timestamp <= NOW).all()
    assert (batch.weight >= 1).all()
    assert np.isfinite(batch.weight).all()
    assert np.isfinite(batch.vectors.values).all()
    assert np.isfinite(batch.scores.values).all()
    assert not (batch.norm <= 0).any()
    assert not np.isinf(batch.norm).any()
    assert (batch.vectors.lengths[batch.fault > 0] == 0).all()
    assert not (batch.empty & batch.failed).any()
    assert ((batch.metric >= 0) == (batch.scores.lengths > 0)).all()
    for key in batch.keys:
        assert key.model
        assert all(part.encode() is not None and "\n" not in part for part in key)
    assert set(range(len(batch.keys))) == set(batch.key_index.tolist())
    assert len(batch.keys) == len(batch.spaces)
    assert all(space and space.encode() is not None for space in batch.spaces)
    assert batch.inputs is None or (len(batch) == len(batch.inputs) and batch.inputs.any())
    if batch.probe is not None:
        assert batch.probe.any()
        assert (batch.inputs[batch.probe] > 0).all()
    if batch.labels is not None:
        assert any(batch.labels)
        assert all(labels is None or (labels and all(labels.values())) for labels in batch.labels)


@every
@pytest.mark.parametrize("spoiler", [{}, {"kind": 5}], ids=["typed", "one by one"])
@pytest.mark.parametrize("fields", [{"input_hash": CANARY}, {"probe": CANARY}, {"input_hash": CANARY, "probe": "p"}])
def test_neither_input_hash_nor_probe_is_anywhere_in_the_batch(form, spoiler, fields):
    """What is kept is a keyed hash: nobody can look up in it which queries came."""
    key = b"secret of this test"

    decoded = run(form, [event(**fields), event(**fields, norm=2.0), event() | spoiler], Limits(input_key=key))
    kept = pickle.dumps(decoded)

    assert decoded.batch.inputs[0] == decoded.batch.inputs[1] != 0
    assert CANARY.encode() not in kept
    assert CANARY.encode().hex().encode() not in kept
    assert blake2b(CANARY.encode(), digest_size=8).digest() not in kept
    assert key not in kept


TOLD = [CANARY, [CANARY], {CANARY: CANARY}, [{"score": CANARY}], CANARY * 50, CANARY + "\x00", [CANARY, 1e999]]
SPOILT = [
    (form, name, value) for form, name, value in product(FORMS, NAMES[:-1], TOLD) if says(form, spoilt(name, value))
]


def test_nearly_all_forms_can_say_nearly_all_of_what_is_told():
    """Columns of one type cannot hold a list of a text and a number, nor an object beside a text."""
    said = Counter(form for form, _, _ in SPOILT)

    assert said.keys() == FORMS.keys()
    assert all(count > 0.7 * len(NAMES[:-1]) * len(TOLD) for count in said.values())


@pytest.mark.parametrize(("form", "name", "value"), SPOILT)
def test_no_message_holds_any_of_the_input(form, name, value):
    """An error that quotes its cause would put a user's text into logs and replies."""
    decoded = run(form, spoilt(name, value))

    assert decoded.errors
    for error in decoded.errors:
        assert CANARY not in repr(error)


@every_type
@pytest.mark.parametrize("body", [CANARY, f'"{CANARY}"', f'{{"events": "{CANARY}"}}', f'{{"{CANARY}": {CANARY}}}'])
def test_a_refused_body_is_not_quoted_either(media_type, body):
    """Neither in the exception of the whole nor in the error of a line."""
    told = ""
    try:
        told = repr(decode(media_type, None, body.encode(), LIMITS, NOW).errors)
    except Malformed as error:
        told = error.message

    assert "must" in told or "is not valid" in told or "is required" in told
    assert CANARY not in told


@pytest.mark.parametrize("headers", [(CANARY, None), ("application/json", CANARY)])
def test_headers_are_not_quoted_either(headers):
    """They are input as well."""
    with pytest.raises(UnsupportedMediaType) as raised:
        decode(*headers, b"{}", LIMITS, NOW)

    assert CANARY not in raised.value.message


# The headers


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonx", "\udcff"])
def test_an_unknown_media_type_is_refused_with_the_list_of_known_ones(content_type):
    """The message lists what the table holds."""
    with pytest.raises(UnsupportedMediaType) as raised:
        decode(content_type, None, b"{}", LIMITS, NOW)

    assert all(media_type in raised.value.message for media_type in DECODERS)
    assert raised.value.reason is Reason.MEDIA_TYPE


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", " Application/JSON ", "application/json;"])
def test_parameters_and_case_of_the_media_type_do_not_matter(content_type):
    """As RFC 9110 has it."""
    assert 1 == len(decode(content_type, None, b'{"model":"e5"}', LIMITS, NOW).batch)


# JSON documents


def test_one_event_a_list_and_an_object_are_the_same():
    """Three forms of the body, one meaning."""
    one = event(norm=2.0)

    for body in (one, [one], {"events": [one]}, {"events": None} | one):
        assert [2.0] == run_json(body).batch.norm.tolist()


def test_an_empty_list_of_events_is_a_batch_of_nothing():
    """Well-formed, and no event in it."""
    for body in ([], {"events": []}):
        decoded = run_json(body)
        assert (0, ()) == (len(decoded.batch), decoded.errors)


@pytest.mark.parametrize("spoiler", [{}, {"kind": 5}], ids=["typed", "one by one"])
def test_a_field_beside_the_events_is_their_default(spoiler):
    """Any field may be; an event's own goes before it, and a null is none. Alike on the fast path and the other."""
    body = {
        "model": "e5",
        "sample_rate": 0.5,
        "space": "shared",
        "probe": "golden",
        "embedding": [3.0, 4.0],
        "scores": [0.5],
        "events": [{}, {"model": "bge", "embedding": [1.0], "sample_rate": None}, event() | spoiler],
    }

    batch = run_json(body).batch

    assert ["e5", "bge"] == [batch.keys[i].model for i in batch.key_index[:2]]
    assert [2, 2] == batch.weight[:2].tolist()
    assert [5, 1] == batch.norm[:2].tolist()
    assert [[0.5], [0.5]] == rows(batch.scores)[:2]
    assert ("shared", "shared") == batch.spaces
    assert batch.probe.all()


def test_a_bad_default_costs_only_the_events_that_use_it():
    """An event that says it better is kept."""
    decoded = run_json({"kind": "passage", "events": [event(), event(kind="document")]})

    assert [1] == decoded.batch.index.tolist()
    assert [(0, "kind")] == [(error.index, error.field) for error in decoded.errors]


@pytest.mark.parametrize(
    "body", [b"x", b"{", b'{"model":"a"}}', b"5", b'"a"', b"null", b'{"events":5}', b'{"events":{}}']
)
def test_what_is_no_event_nor_events_is_malformed(body):
    """Not JSON, or JSON of another shape."""
    with pytest.raises(Malformed, match=r"JSON|list of events|events as columns"):
        run_json(body)


def test_an_event_that_is_no_object_is_refused_alone():
    """A number among events is one bad event."""
    decoded = run_json([event(), 5, [], None])

    assert [0] == decoded.batch.index.tolist()
    assert [Reason.MALFORMED] * 3 == [error.reason for error in decoded.errors]


def test_the_last_of_equal_keys_counts():
    """As in every JSON library."""
    assert ["b"] == [key.model for key in run_json(b'{"model":"a","model":"b"}').batch.keys]
    assert [2] == run_json(b'{"model":"a","embedding":[1],"embedding":[2]}').batch.norm.tolist()


@pytest.mark.parametrize("media_type", [JSON, LINES])
@pytest.mark.parametrize("field", ["embedding", "scores", "ids", "labels", "other"])
@pytest.mark.parametrize("last", [b"1", b"[", b'"x"'], ids=["number", "broken", "text"])
def test_a_large_body_of_tiny_values_is_refused_before_it_is_read(media_type, field, last):
    """32 MiB of numbers of one digit took two seconds, in which nothing else ran, and 700 MiB."""
    body = b'{"model": "e5", "%s": [%s%s]}' % (field.encode(), b"0," * (16 * 1024 * 1024 - 100), last)

    with pytest.raises(TooLarge, match="values"):
        decode(media_type, None, body, Limits(), now=0.0)


def test_a_large_body_of_tiny_objects_is_refused_before_it_is_built():
    """A few bytes of text would be fifty times as many in memory."""
    with pytest.raises(TooLarge, match="objects"):
        run_json(b"[" + b"{}," * 2_000_000 + b"{}]")


def test_bytes_that_are_not_utf8_cost_their_own_event():
    """A name in Latin-1 is no name; its neighbour's is."""
    decoded = run_json(b'[{"model":"caf\xe9"},{"model":"e5"}]')

    assert [1] == decoded.batch.index.tolist()
    assert [Reason.LABEL] == [error.reason for error in decoded.errors]


# Lines


def test_a_bad_line_is_one_refused_event():
    """Its position counts the lines that are not blank."""
    body = b'\n{"model":"a"}\r\n\n{"model":\n{"model":"b","embedding":[1,2]}\n{}{}\n[{"model":"c"}]\n  \n{"model":"d"}'

    decoded = decode("application/x-ndjson", None, body, LIMITS, NOW)

    assert ["a", "b", "d"] == [key.model for key in decoded.batch.keys]
    assert [0, 2, 5] == decoded.batch.index.tolist()
    assert [1, 3, 4] == [error.index for error in decoded.errors]
    assert {Reason.MALFORMED} == {error.reason for error in decoded.errors}


def test_blank_lines_alone_cannot_fill_the_memory():
    """They are skipped, but they are lines."""
    with pytest.raises(TooLarge, match="lines"):
        decode("application/x-ndjson", None, b"{}" + b"\n" * 5000 + b"{}", LIMITS, NOW)
