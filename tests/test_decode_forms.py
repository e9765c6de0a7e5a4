"""The same events mean the same in every format, and columns say what a list of events would."""

from __future__ import annotations

import base64
import json
import math
import tracemalloc
from dataclasses import fields

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.decode import ENCODINGS, Limits, Malformed, TooLarge, decode
from app.decode.event import INTEGERS
from app.model import Decoded, EventBatch, Ragged, Reason
from tests.forms import FORMS, JSON, PACKED, pack
from tests.test_decode_encoding import COMPRESSORS

NOW = 1_767_225_600.0
LIMITS = Limits(slice_labels=frozenset({"locale", "cohort"}), input_key=b"secret of these tests")
VECTORS = np.random.default_rng(7).normal(size=(3, 8)).astype("<f4")
SCORES = np.array([[0.875, 0.5], [0.75, 0.25], [0.5, 0.5]], "<f4")


def run(form, events):
    return decode(FORMS[form].media_type, None, FORMS[form].encode(events), LIMITS, NOW)


def run_columns(columns, media_type=JSON, **defaults):
    body = defaults | {"events": columns}
    content = json.dumps(body).encode() if media_type == JSON else pack(body)
    return decode(media_type, None, content, LIMITS, NOW)


def assert_same(first: Decoded, second: Decoded):
    assert first.errors == second.errors
    for column in fields(EventBatch):
        one, other = getattr(first.batch, column.name), getattr(second.batch, column.name)
        if isinstance(one, Ragged):
            np.testing.assert_array_equal(one.values, other.values, column.name)
            np.testing.assert_array_equal(one.offsets, other.offsets, column.name)
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, column.name)
        else:
            assert (None if one is None else list(one) if not isinstance(one, int) else one) == (
                None if other is None else list(other) if not isinstance(other, int) else other
            ), column.name


halves = st.integers(-8, 8).map(lambda number: number / 8)
texts = st.text("abcé名", min_size=1, max_size=4)
sent_events = st.fixed_dictionaries(
    {"model": st.sampled_from(["e5", "bge"])},
    optional={
        "model_version": st.sampled_from(["1", "2"]),
        "tokenizer_version": texts,
        "kind": st.sampled_from(["query", "document"]),
        "space": texts,
        "timestamp": st.integers(0, 100).map(lambda ago: NOW - ago / 4),
        "sample_rate": st.sampled_from([0.25, 1.0]),
        "event_id": texts,
        "input_hash": texts,
        "probe": texts,
        "embedding": st.lists(halves, min_size=3, max_size=3),
        "norm": st.sampled_from([0.0, 0.5, 2.0]),
        "scores": st.lists(halves, max_size=3).map(lambda row: sorted(row, reverse=True)),
        "similarity_metric": st.sampled_from(["cosine", "dot", "other"]),
        "result_count": st.integers(0, 3),
        "ids": st.lists(texts, max_size=3),
        "top_k": st.lists(st.fixed_dictionaries({"id": texts, "score": st.just(0.5)}), min_size=1, max_size=3),
        "relevant": st.one_of(st.dictionaries(texts, halves, min_size=1, max_size=2)),
        "outcome": st.dictionaries(st.sampled_from(["success", "clicked", "no_answer"]), st.booleans(), min_size=1),
        "latency_seconds": st.sampled_from([0.0, 0.25]),
        "error": texts,
        "query_id": texts,
        "trace_id": texts,
        "labels": st.dictionaries(st.sampled_from(["locale", "cohort", "shard"]), texts, min_size=1),
    },
)


@settings(max_examples=60)
@given(sent=st.lists(sent_events, min_size=1, max_size=4))
def test_the_same_events_are_the_same_batch_in_every_form(sent):
    """Every field of the contract, on its own and beside others; the refused ones with the same words."""
    expected = run("json", sent)

    for form in FORMS:
        assert_same(expected, run(form, sent))


WHOLE = {
    "event_id": 3,
    "query_id": 2**40,
    "result_count": 3,
    "ids": [7, 8],
    "top_k": [{"id": 7, "score": 0.5}, {"id": 8, "score": 0.25}],
    "relevant": [7, 9],
}
"""Fields that hold integers."""


def as_floats(value):
    if isinstance(value, list):
        return [as_floats(each) for each in value]
    if isinstance(value, dict):
        return {name: as_floats(each) for name, each in value.items()}
    return float(value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("field", INTEGERS)
def test_a_whole_float_is_the_integer(form, field):
    """As JSON Schema has it, and as a data frame with nulls writes it: one id is one, however it is written."""
    sent = [{"model": "e5"}, {"model": "e5", field: WHOLE[field]}, {"model": "e5", "norm": 2.0}]
    floats = [each | {field: as_floats(each[field])} if field in each else each for each in sent]
    expected = run("json", sent)

    assert_same(expected, run(form, floats))
    assert () == expected.errors


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("field", INTEGERS)
def test_another_float_is_no_integer(form, field):
    """Parts of one, none, and of ids what has more digits than they may have."""
    for number in (1.5, math.nan, math.inf, *(() if field == "result_count" else (1e300,))):
        values = {"ids": [number], "relevant": [number], "top_k": [{"id": number, "score": 0.5}]}
        sent = [{"model": "e5"}, {"model": "e5", field: values.get(field, number)}]

        assert [(1, field)] == [(error.index, error.field) for error in run(form, sent).errors]


BAD = [
    {"model": ""},
    {"model_version": 5},
    {"tokenizer_version": "x" * 129},
    {"kind": "passage"},
    {"space": "a\nb"},
    {"timestamp": NOW + 1e6},
    {"timestamp": "yesterday"},
    {"sample_rate": 2.0},
    {"event_id": "x" * 257},
    {"input_hash": 5},
    {"probe": "__other__"},
    {"embedding": [0.5] * 9},
    {"embedding": "*"},
    {"embedding": True},
    {"norm": -1.0},
    {"scores": [0.25, 0.5]},
    {"scores": [2.0]},
    {"scores": [0.5, None]},
    {"scores": ["a"]},
    {"scores": [0.5] * 5},
    {"similarity_metric": "manhattan"},
    {"result_count": -1},
    {"ids": ["a"] * 5},
    {"ids": [""]},
    {"ids": [[1]]},
    {"top_k": [{"id": "a"}]},
    {"relevant": [0.5]},
    {"outcome": {"clicked": "yes"}},
    {"latency_seconds": -1.0},
    {"error": 5},
    {"query_id": 0.5},
    {"trace_id": 5},
    {"labels": {"locale": 5}},
    {"labels": {"locale": "a\nb"}},
    {"embedding": "*", "norm": -1.0},
    {"timestamp": -1.0, "kind": 5},
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_what_is_refused_is_refused_with_the_same_words_everywhere(form, bad):
    """Position, field, reason and message; what is wrong twice, with the first. The neighbours are kept."""
    sent = [{"model": "e5"}, {"model": "e5"} | bad, {"model": "e5", "norm": 2.0}]
    limits = Limits(dimension=8, top_k=4, slice_labels=LIMITS.slice_labels)
    expected = decode(JSON, None, json.dumps(sent).encode(), limits, NOW)

    decoded = decode(FORMS[form].media_type, None, FORMS[form].encode(sent), limits, NOW)

    assert [0, 2] == decoded.batch.index.tolist()
    assert expected.errors == decoded.errors
    assert 1 == len(decoded.errors)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_form_may_be_compressed(form, encoding):
    """A content encoding knows nothing of what it holds."""
    body = FORMS[form].encode([{"model": "e5", "norm": 2.0}])

    assert [2.0] == decode(
        FORMS[form].media_type, encoding, COMPRESSORS.get(encoding, bytes)(body), LIMITS, NOW
    ).batch.norm.tolist()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("vector", "reason"), [([0.0, 0.0], 1), ([float("nan"), 1.0], 2), ([float("inf"), 1.0], 2), ([1e39, 1.0], 2)]
)
def test_an_invalid_vector_is_dropped_and_the_rest_of_its_event_kept(form, vector, reason):
    """Zero, not finite, or beyond float32."""
    if "bytes" in form or "base64" in form or "compact" in form:
        vector = np.clip(vector, None, np.inf)
    with np.errstate(over="ignore"):
        batch = run(form, [{"model": "e5", "embedding": list(map(float, vector)), "scores": [0.5]}] * 2).batch

    assert [reason, reason] == batch.fault.tolist()
    assert 0 == batch.vectors.values.size
    assert [0.5, 0.5] == batch.scores.values.tolist()


# Columns


def text(matrix):
    return base64.b64encode(np.asarray(matrix, "<f4").tobytes()).decode()


@pytest.mark.parametrize("media_type", [JSON, PACKED])
def test_matrices_have_a_row_an_event_and_single_values_are_those_of_all(media_type):
    """The form that a pipeline writes: names once, lists of ids, two matrices."""
    matrix = text if media_type == JSON else lambda rows: rows.tobytes()

    decoded = run_columns(
        {
            "model": "e5",
            "labels": {"locale": "de"},
            "event_id": ["a", "b", "c"],
            "embedding": matrix(VECTORS),
            "scores": matrix(SCORES),
            "ids": [["x", "y"], None, ["z", "w"]],
        },
        media_type,
        model_version="2",
    )

    assert () == decoded.errors
    batch = decoded.batch
    assert ["2"] == [key.model_version for key in batch.keys]
    assert ["a", "b", "c"] == batch.event_ids
    assert VECTORS.ravel().tolist() == batch.vectors.values.tolist()
    assert SCORES.ravel().tolist() == batch.scores.values.tolist()
    assert [["x", "y"], None, ["z", "w"]] == batch.ids
    assert [{"locale": "de"}] * 3 == batch.labels
    np.testing.assert_allclose(batch.norm, np.linalg.norm(VECTORS, axis=1), rtol=1e-6)


def test_without_a_list_columns_say_their_count():
    """A matrix alone does not say how many rows it has."""
    assert 3 == len(run_columns({"model": "e5", "count": 3, "embedding": text(VECTORS)}).batch)
    assert 3 == len(run_columns({"model": "e5", "count": 3.0, "embedding": text(VECTORS)}).batch)
    assert 0 == len(run_columns({"model": "e5", "count": 0, "embedding": text(VECTORS)}).batch)
    with pytest.raises(Malformed, match="count"):
        run_columns({"model": "e5", "embedding": text(VECTORS)})


@pytest.mark.parametrize("count", [True, -1, 1.5, "3", [3]])
def test_a_count_that_is_none_is_malformed(count):
    """How many events there are must be known before anything else."""
    with pytest.raises(Malformed, match="count must be an integer"):
        run_columns({"model": "e5", "count": count, "norm": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize("columns", [{"norm": [1.0], "event_id": ["a", "b"]}, {"norm": [1.0], "count": 2}])
def test_columns_of_several_lengths_are_malformed(columns):
    """Nobody knows which value is whose."""
    with pytest.raises(Malformed, match="one length"):
        run_columns({"model": "e5"} | columns)


@pytest.mark.parametrize("matrix", ["*", text(VECTORS)[:-4], "", text(VECTORS.ravel()[:-1])])
@pytest.mark.parametrize("field", ["embedding", "scores"])
def test_a_matrix_that_has_no_row_for_each_event_refuses_them_all(field, matrix):
    """In a well-formed body: each event is told."""
    decoded = run_columns({"model": "e5", "count": 3, field: matrix})

    assert 0 == len(decoded.batch)
    assert [0, 1, 2] == [error.index for error in decoded.errors]
    assert {field} == {error.field for error in decoded.errors}


@pytest.mark.parametrize("media_type", [JSON, PACKED])
def test_an_event_that_is_silent_in_a_column_has_the_default_beside_it(media_type):
    """As in a list of events; a null is silence."""
    decoded = run_columns(
        {"norm": [1.0, None], "labels": [None, {"locale": "fr"}]}, media_type, model="e5", norm=3.0, embedding=[0.5]
    )

    assert [1.0, 3.0] == decoded.batch.norm.tolist()
    assert [0.5, 0.5] == decoded.batch.vectors.values.tolist()
    assert [None, {"locale": "fr"}] == decoded.batch.labels


def test_vectors_of_columns_may_be_lists():
    """Of numbers, of base64, or both: each is a vector as an event has it."""
    row = VECTORS[0]
    both = run_columns({"model": "e5", "embedding": [row.tolist(), text(row)]})
    texts = run_columns({"model": "e5", "embedding": [text(row), text(row)]})

    assert_same(both, texts)
    assert () == both.errors
    assert [0, 1] == [error.index for error in run_columns({"model": "e5", "embedding": [1.0, 2.0]}).errors]


@pytest.mark.parametrize("media_type", [JSON, PACKED])
def test_columns_are_bounded_like_lists(media_type):
    """Too many events is too large, however few bytes say so."""
    with pytest.raises(TooLarge, match="more than 1000 events"):
        run_columns({"model": "e5", "count": 10**9}, media_type)
    with pytest.raises(TooLarge, match="more than 1000 events"):
        run_columns({"model": "e5", "norm": [1.0] * 1001}, media_type)


# MessagePack


@pytest.mark.parametrize("field", ["embedding", "scores"])
@pytest.mark.parametrize("spoiler", [{}, {"kind": 5}], ids=["typed", "one by one"])
def test_bytes_that_are_no_float32_refuse_their_event(field, spoiler):
    """Whichever way the body is read; absent and empty rows stand beside them."""
    good = {"model": "e5", field: np.array([0.5], "<f4").tobytes()}
    sent = [good, good | {field: b"123"}, {"model": "e5"}, good | {field: b""}, good | spoiler]

    decoded = decode(PACKED, None, pack(sent), LIMITS, NOW)

    assert (1, field) == (decoded.errors[0].index, decoded.errors[0].field)
    assert "multiple of 4 bytes" in decoded.errors[0].message
    assert [0, 2, 3] == decoded.batch.index[:3].tolist()


def test_text_that_is_not_utf8_costs_its_own_event():
    """As in JSON."""
    body = pack([{"model": "e5"}, {"model": "????"}, {"model": "e5"}]).replace(b"????", b"\xff\xfe\xff\xfe")

    decoded = decode(PACKED, None, body, LIMITS, NOW)

    assert [0, 2] == decoded.batch.index.tolist()
    assert [Reason.MALFORMED] == [error.reason for error in decoded.errors]


def test_text_of_a_column_that_is_not_utf8_is_malformed():
    """As other MessagePack that cannot be read: whose value it is, nobody can say."""
    body = pack({"events": {"model": ["????", "e5"], "labels": [{"????": "x"}, None]}})

    with pytest.raises(Malformed):
        decode(PACKED, None, body.replace(b"????", b"\xff\xfe\xff\xfe", 1), LIMITS, NOW)
    with pytest.raises(Malformed):
        decode(PACKED, None, body[::-1].replace(b"????", b"\xff\xfe\xff\xfe", 1)[::-1], LIMITS, NOW)


@pytest.mark.parametrize(
    "head",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdc\xff\xff" * 300,
        b"\x91" * 100_000,
        b"\xc9\xff\xff\xff\xff\1",
    ],
)
@pytest.mark.parametrize("around", [b"", b"\x81\xa6events", b"\x91\x81\xa9embedding", b"\x81\xa6events\x81\xa6scores"])
def test_a_length_that_nothing_follows_takes_no_memory(head, around):
    """Huge lists, maps and extensions in ten bytes, and lists without end."""
    tracemalloc.start()
    with pytest.raises((Malformed, TooLarge)):
        decode(PACKED, None, around + head, LIMITS, NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 20_000_000


@pytest.mark.parametrize("field", ["embedding", "other"])
@pytest.mark.parametrize("last", [b"\0", b"\xdd"], ids=["number", "broken"])
@pytest.mark.parametrize("around", [b"", b"\x91", b"\x81\xa6events"], ids=["event", "list", "columns"])
def test_a_large_body_of_tiny_values_is_refused_before_it_is_read(field, last, around):
    """As in JSON: 32 MiB of numbers of one byte would be a gigabyte, and a second in which nothing else runs."""
    values = b"\xdd\x01\x80\0\0" + b"\0" * (24 * 1024 * 1024 - 1) + last
    body = around + b"\x82" + pack("model") + pack("e5") + pack(field) + values

    with pytest.raises((TooLarge, Malformed)) as raised:
        decode(PACKED, None, body, Limits(), NOW)

    # Of a map in bytes that end too soon, nobody knows the fields.
    assert last == b"\xdd" or ("values" in raised.value.message and raised.type is TooLarge)


def test_many_events_of_small_lists_are_too_large_together():
    """No list is long, and the body holds eight million numbers."""
    event = {"model": "e5", "embedding": [0] * 8000}

    with pytest.raises(TooLarge, match="values"):
        decode(PACKED, None, pack([event] * 1000), Limits(), NOW)


def test_an_event_of_more_bytes_than_its_fields_may_have_is_too_large():
    """Where it is read without types: an empty list is one byte, and sixty in memory."""
    with pytest.raises(TooLarge):
        decode(PACKED, None, pack([{"model": 5, "x": [[]] * 2_000_000}]), LIMITS, NOW)
    with pytest.raises(TooLarge):
        decode(PACKED, None, b"\xdd\0\0\x10\0" + b"\x80" * 4096, LIMITS, NOW)


def test_keys_that_are_no_text_are_unknown_fields():
    """MessagePack has maps of anything."""
    sent = {5: 1, "events": [{7: "x", None: 1, "model": "e5"}], (1, 2): 3}

    assert 1 == len(decode(PACKED, None, msgspec.msgpack.encode(sent), LIMITS, NOW).batch)


def test_an_extension_type_is_no_value_of_a_field():
    """Timestamps are seconds or text, in every format."""
    sent = [
        {"model": "e5", "timestamp": msgspec.msgpack.Ext(7, b"x")},
        {"model": "e5", "x": msgspec.msgpack.Ext(1, b"")},
    ]

    decoded = decode(PACKED, None, msgspec.msgpack.encode(sent), LIMITS, NOW)

    assert [1] == decoded.batch.index.tolist()
    assert "timestamp" == decoded.errors[0].field
