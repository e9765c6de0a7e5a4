"""A stream like one that was read before is read without pyarrow, and says to the last bit what pyarrow would say."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.decode import DecodeError, Limits, arrow, arrow_known, decode
from app.decode.arrow_known import KnownStreams
from app.decode.arrow_message import batch_numbers, is_little_endian, split
from tests.damaged_bodies import any_damage
from tests.forms import ARROW, stream
from tests.test_decode_forms import assert_same

NOW = 1_767_225_600.0
LIMITS = Limits(events=100)


class Unread(Exception):  # noqa: N818 - named for the stream
    """pyarrow was asked."""


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Nothing is known at the start of a test, and nothing after it."""
    monkeypatch.setattr(arrow, "KNOWN", KnownStreams())
    return arrow.KNOWN


def run(body, limits=LIMITS):
    return decode(ARROW, None, body, limits, NOW)


def learn(body):
    """One is learned from when one like it comes again."""
    run(body)
    run(body)


def without_pyarrow(body, limits=LIMITS):
    """What is said of a stream that is known; raises `Unread` of any other."""

    def unread(*_):
        raise Unread

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(arrow, "_read", unread)
        return run(body, limits)


def by_pyarrow(body, limits=LIMITS):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(arrow, "KNOWN", KnownStreams())
        return run(body, limits)


def fixed(rows):
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(rows).astype("<f4")), np.shape(rows)[1])


def written(n, seed, **columns):
    """A stream of n events, their numbers by the seed."""
    rng = np.random.default_rng(seed)
    named = {
        "model": pa.array(["e5"] * n).dictionary_encode(),
        "embedding": fixed(rng.normal(size=(n, 8))),
        "scores": fixed(-np.sort(-rng.uniform(size=(n, 3)))),
    }
    return stream(pa.RecordBatch.from_pydict(named | {name: column(rng, n) for name, column in columns.items()}))


COLUMNS = {
    "nothing else": {},
    "indices of several": {
        "kind": lambda rng, n: pa.DictionaryArray.from_arrays(
            pa.array(rng.integers(2, size=n), pa.uint16()), ["query", "document"]
        )
    },
    "indices of a null": {
        "tokenizer_version": lambda rng, n: pa.DictionaryArray.from_arrays(
            pa.array(rng.integers(2, size=n), pa.int8()), [None, "1"]
        )
    },
    "texts": {"event_id": lambda rng, n: pa.array([f"e-{rng.integers(10**6)}"[: rng.integers(10)] for _ in range(n)])},
    "texts beyond ASCII": {"event_id": lambda rng, n: pa.array(["é名"[: rng.integers(3)] + "a" for _ in range(n)])},
    "doubles": {"latency_seconds": lambda rng, n: pa.array(rng.uniform(size=n))},
    "halves": {"sample_rate": lambda rng, n: pa.array(rng.uniform(0.1, 1, size=n).astype(np.float16))},
    "integers": {"result_count": lambda rng, n: pa.array(rng.integers(5, size=n), pa.int16())},
    "moments": {
        "timestamp": lambda rng, n: pa.array(int(NOW * 1000) - rng.integers(10**5, size=n), pa.timestamp("ms", "UTC"))
    },
    "lists of ids": {
        "ids": lambda rng, n: pa.array(
            [[f"d{i}" for i in range(rng.integers(4))] for _ in range(n)], pa.list_(pa.string())
        )
    },
    "lists of any length": {
        "embedding": lambda rng, n: pa.array([rng.normal(size=rng.integers(9)) for _ in range(n)]),
        "scores": lambda rng, n: pa.array([[0.5] * rng.integers(9) for _ in range(n)], pa.list_(pa.float32())),
    },
    "lists of a slice": {
        "embedding": lambda rng, n: pa.array([rng.normal(size=3) for _ in range(n + 2)])[1:-1],
        "ids": lambda _, n: pa.array([["a", "é"], ["b"]] * n)[1 : n + 1],
    },
    "vectors of doubles": {
        "embedding": lambda rng, n: pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=7 * n)), 7)
    },
    "vectors of no dimension that fits": {"embedding": lambda rng, n: fixed(rng.normal(size=(n, 8193)))},
}


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("n", [1, 2, 9, 64])
def test_a_stream_like_another_is_read_without_pyarrow(columns, n):
    """Of any number of rows, with other numbers in it, and the same end or none."""
    learn(written(5, 1, **columns))
    body = written(n, 2, **columns)

    for cut in (body, body[:-8], body + b"whatever"):
        assert_same(by_pyarrow(body), without_pyarrow(cut))


@pytest.mark.parametrize(("dimension", "stays"), [(768, True), (1, False)])
def test_vectors_are_copied_where_they_are_not_nearly_all_of_the_body(dimension, stays):
    """As of any stream: a view keeps the body in memory."""
    vectors = {"embedding": lambda rng, n: fixed(rng.normal(size=(n, dimension)))}
    learn(written(64, 1, **vectors))
    body = written(64, 2, **vectors)

    values = without_pyarrow(body).batch.vectors.values

    assert np.may_share_memory(values, np.frombuffer(body, np.uint8)) is stays


UNLIKE = {
    "another dictionary": written(5, 2).replace(b"e5\0", b"e6\0"),
    "a null in a column that had none": written(
        5, 2, latency_seconds=lambda _, n: pa.array([None, *range(n - 1)], pa.float64())
    ),
    "more rows than a request may have": written(101, 2),
    "cut off": written(5, 2)[:-9],
    "two batches": stream(
        *[pa.RecordBatch.from_pydict({"model": ["a"], "embedding": fixed([[1.0]])}) for _ in range(2)]
    ),
}


@pytest.mark.parametrize("body", UNLIKE.values(), ids=UNLIKE)
def test_any_other_stream_is_read_by_pyarrow(body):
    """Also such as would be malformed or too large, which pyarrow's way says."""
    learn(written(5, 1))
    learn(written(5, 1, latency_seconds=lambda _, n: pa.array(range(n), pa.float64())))

    with pytest.raises(Unread):
        without_pyarrow(body)


def test_under_other_limits_nothing_is_known():
    """What a stream may have in it was asked of the limits that it was read under."""
    learn(written(5, 1))

    other = Limits(events=4)
    with pytest.raises(Unread):
        without_pyarrow(written(5, 1), other)
    for limits in (other, LIMITS):
        run(written(2, 1), limits)
        run(written(2, 1), limits)
        without_pyarrow(written(3, 1), limits)


MODEL = pa.array(["e5"] * 2)
EMPTY = pa.RecordBatch.from_pydict({"model": MODEL[:0]})
UNKNOWABLE = {
    "a column of no field": {"model": MODEL, "other": [1, 2]},
    "ids that are numbers": {"model": MODEL, "ids": [[1], []]},
    "large lists": {"model": MODEL, "ids": pa.array([["a"], []], pa.large_list(pa.string()))},
    "structures": {"model": MODEL, "top_k": [[{"id": "a", "score": 0.5}], []]},
    "vectors without numbers": {"model": MODEL, "embedding": pa.array([[], []], pa.list_(pa.float32(), 0))},
    "large texts": {"model": MODEL.cast(pa.large_string())},
    "a long dictionary": {"model": MODEL, "space": pa.array(["q" * 5000, "p" * 5000]).dictionary_encode()},
    "a dictionary of ids": {"model": MODEL, "query_id": pa.array(["q", "p"]).dictionary_encode()},
    "a dictionary of hashes": {"model": MODEL, "input_hash": pa.array(["q", "p"]).dictionary_encode()},
}


@pytest.mark.parametrize("columns", UNKNOWABLE.values(), ids=UNKNOWABLE)
def test_what_is_not_read_here_is_not_remembered(columns, known):
    """Nor what would take much memory."""
    learn(stream(pa.RecordBatch.from_pydict(columns)))

    assert not known


@pytest.mark.parametrize(
    "batches",
    [
        [pa.RecordBatch.from_pydict({"model": MODEL})] * 2,
        [pa.RecordBatch.from_pydict({"model": MODEL}), EMPTY],
        [EMPTY, pa.RecordBatch.from_pydict({"model": MODEL})],
        [EMPTY],
    ],
    ids=["two", "an empty one last", "an empty one first", "nothing else"],
)
def test_a_stream_of_several_batches_is_not_remembered(batches, known):
    """One that is like its last batch would be taken for all of it."""
    try:
        learn(stream(*batches))
    except DecodeError:
        assert batches == [EMPTY]

    assert not known


def test_a_name_that_comes_twice_is_not_remembered(known):
    """It is no field's."""
    learn(stream(pa.RecordBatch.from_arrays([MODEL, MODEL, MODEL], ["model", "event_id", "event_id"])))

    assert not known


def test_few_kinds_are_remembered_and_each_once(known):
    """The one that was learned first goes first."""
    kinds = [written(2, 1).replace(b"e5\0", b"%02d\0" % i) for i in range(arrow_known.MAX_KNOWN + 1)]
    for body in kinds[:-1]:
        learn(body)
        learn(body)
    assert len(known) == arrow_known.MAX_KNOWN

    learn(kinds[-1])

    assert len(known) == arrow_known.MAX_KNOWN
    for body in kinds[1:]:
        without_pyarrow(body)
    with pytest.raises(Unread):
        without_pyarrow(kinds[0])
    learn(kinds[0])  # from the start
    without_pyarrow(kinds[0])


def test_a_kind_that_is_known_takes_no_second_place(known):
    """However long ago it was seen where it could not be read without pyarrow."""
    nulls = written(3, 1, latency_seconds=lambda _, n: pa.array([None, *range(n - 1)], pa.float64()))
    for _ in range(3):
        learn(nulls)
        for i in range(arrow_known.MAX_SEEN):
            run(written(2, 1).replace(b"e5\0", b"%02d\0" % i))

    assert len(known) == 1


def test_a_stream_is_learned_from_when_it_comes_again_and_not_a_third_time(known, monkeypatch):
    """With dictionaries of its own in each stream, or a null, learning would be for nothing."""
    learned = []
    real = arrow_known._learned
    monkeypatch.setattr(arrow_known, "_learned", lambda body, *rest: learned.append(body) or real(body, *rest))
    ones = [written(2, 1).replace(b"e5\0", b"%02d\0" % (i % 100)) for i in range(arrow_known.MAX_SEEN)]
    nulls = written(3, 1, latency_seconds=lambda _, n: pa.array([None, *range(n - 1)], pa.float64()))

    for body in ones:
        run(body)
    assert not learned
    for _ in range(4):
        run(nulls)
    assert [nulls] == learned
    assert len(known) == 1
    run(ones[0])  # which was forgotten
    assert [nulls] == learned
    run(ones[-1])
    assert [nulls, ones[-1]] == learned


def test_a_stream_of_the_other_order_of_bytes_is_not_remembered(known, monkeypatch):
    """pyarrow turns its numbers round."""
    monkeypatch.setattr(arrow_known, "is_little_endian", lambda _: False)
    learn(written(5, 1))

    assert not known


OFFSETS = {
    "texts": {"event_id": lambda _, n: pa.array(["ab", "cde"] * n)[:n]},
    "lists of texts": {"ids": lambda _, n: pa.array([["a", "b"], ["c", "d", "e"]] * n, pa.list_(pa.string()))[:n]},
    "scores": {"scores": lambda _, n: pa.array([[0.5, 0.5], [0.75] * 3] * n, pa.list_(pa.float32()))[:n]},
}


@pytest.mark.parametrize("columns", OFFSETS.values(), ids=OFFSETS)
@pytest.mark.parametrize(
    "wrong", [[0, 6, 5], [0, 2, 64], [0, -1, 5], [-1, 2, 5], [3, 2, 5], [0, 2**31 - 1, 5], [0, 5, 2]]
)
def test_offsets_that_lead_nowhere_are_left_to_pyarrow(columns, wrong):
    """It says that they are malformed."""
    learn(written(2, 1, **columns))
    right = np.array([0, 2, 5], np.int32).tobytes()
    body = written(2, 1, **columns)
    assert body.count(right) == 1

    with pytest.raises(Unread):
        without_pyarrow(body.replace(right, np.array(wrong, np.int32).tobytes()))


@pytest.mark.parametrize("index", [-1, 1, 2])
@pytest.mark.parametrize("entries", [["1"], ["1", "2"]], ids=["one entry", "two"])
def test_indices_that_lead_nowhere_are_left_to_pyarrow(index, entries):
    """As offsets."""

    def columns(indices):
        kind = lambda *_: pa.DictionaryArray.from_arrays(pa.array(indices, pa.int64()), entries, safe=False)  # noqa: E731
        return {"tokenizer_version": kind}

    learn(written(2, 1, **columns([0, 0])))
    body = written(2, 1, **columns([0, index]))
    if index in range(len(entries)):
        assert_same(by_pyarrow(body), without_pyarrow(body))
    else:
        with pytest.raises(Unread):
            without_pyarrow(body)


def test_more_texts_than_may_be_made_are_left_to_pyarrow():
    """As many as all events may have results."""
    limits = Limits(events=2, top_k=3)
    kind = pa.list_(pa.string())
    bodies = [
        written(2, 1, ids=lambda *_, rows=rows: pa.array(rows, kind)) for rows in ([["a"] * 3] * 2, [["a"] * 7, []])
    ]
    run(bodies[0], limits)
    run(bodies[0], limits)

    without_pyarrow(bodies[0], limits)
    with pytest.raises(Unread):
        without_pyarrow(bodies[1], limits)


PLAIN = written(
    3,
    1,
    kind=COLUMNS["indices of several"]["kind"],
    event_id=COLUMNS["texts"]["event_id"],
    timestamp=COLUMNS["moments"]["timestamp"],
    ids=COLUMNS["lists of a slice"]["ids"],
    scores=lambda _, n: pa.array([[0.5, 0.25], [0.5], []][:n], pa.list_(pa.float32())),
)
LAST = split(PLAIN, 10)[-1]
NUMBERS = batch_numbers(LAST.metadata).after(LAST.start)
ANYWHERE = st.integers(0, len(PLAIN) - 1)
IN_BATCH = st.integers(LAST.start - 8, len(PLAIN) - 1)
PLACES = st.one_of([ANYWHERE, IN_BATCH, *[st.integers(a, b - 1) for a, b in NUMBERS.spans()]])


DAMAGED = any_damage(PLAIN, PLACES)


def said(read, body):
    """What comes of a body, or of what kind its error is."""
    try:
        return read(body)
    except DecodeError as error:
        return type(error), str(error)


def assert_means_the_same(body):
    wanted, found = said(by_pyarrow, body), said(run, body)
    if isinstance(wanted, tuple) or isinstance(found, tuple):
        assert wanted == found
    else:
        assert_same(wanted, found)


@settings(max_examples=1000, deadline=None)
@given(DAMAGED, DAMAGED)
@example(PLAIN, PLAIN)
def test_whatever_came_before_a_stream_means_what_pyarrow_reads_in_it(first, second):
    """Any byte, any number, any length changed in a stream, and in the one that it would be known by."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(arrow, "KNOWN", KnownStreams())
        for body in (PLAIN, PLAIN, first, first, second):
            assert_means_the_same(body)


def numbers_changed(name, at, value):
    body = bytearray(PLAIN)
    struct.pack_into("<q", body, getattr(NUMBERS, name) + at, value)
    return bytes(body)


@pytest.mark.parametrize("value", [-1, 0, 1, 2, 4, 5, 7, 8, 9, 2**31, 2**62, -(2**62), 2**63 - 1, -(2**63)])
def test_every_number_may_be_anything(value):
    """Of rows, lengths, nulls, offsets: each one by itself."""
    learn(PLAIN)
    places = [("rows", 0), ("body_length", 0)]
    places += [("nodes", 8 * i) for i in range(2 * NUMBERS.node_count)]
    places += [("buffers", 8 * i) for i in range(2 * NUMBERS.buffer_count)]
    for name, at in places:
        assert_means_the_same(numbers_changed(name, at, value))


@settings(max_examples=500)
@given(DAMAGED, st.binary(min_size=8, max_size=8))
def test_what_leads_to_the_numbers_are_none_of_them(body, filling):
    """So a message that differs in them alone is read by the same places."""
    metadata = body[LAST.start : LAST.start + len(LAST.metadata)]
    try:
        found = batch_numbers(metadata)
    except struct.error:
        return
    if found is None:
        return
    other = bytearray(metadata)
    for begin, end in found.spans():
        other[begin:end] = (filling * (end - begin))[: end - begin]

    assert found == batch_numbers(other)


def slots(metadata, table):
    """Where a table tells the places of its fields."""
    return table - struct.unpack_from("<i", metadata, table)[0] + 4


def tables(metadata):
    """A message, and the record batch in it."""
    (message,) = struct.unpack_from("<I", metadata)
    header = message + struct.unpack_from("<H", metadata, slots(metadata, message) + 4)[0]
    return message, header + struct.unpack_from("<I", metadata, header)[0]


@pytest.mark.parametrize(
    ("which", "field", "at"),
    [(0, 3, 2), (1, 0, 1), (1, 2, 1)],
    ids=["the body's length is where the header's place is", "rows are where the nodes' is", "buffers are the nodes"],
)
def test_numbers_that_are_something_else_too_have_no_places(which, field, at):
    """Who changes one changes what leads to others, or another."""
    metadata = bytearray(LAST.metadata)
    start = slots(metadata, tables(metadata)[which])
    metadata[start + 2 * field : start + 2 * field + 2] = metadata[start + 2 * at : start + 2 * at + 2]

    assert batch_numbers(LAST.metadata) is not None
    assert batch_numbers(metadata) is None


def test_numbers_past_the_end_have_no_places():
    """Each is to be read without asking."""
    end = max(end for _, end in batch_numbers(LAST.metadata).spans())

    assert batch_numbers(LAST.metadata[:end]) is not None
    assert batch_numbers(LAST.metadata[: end - 1]) is None


def test_the_order_of_bytes_is_told_by_the_schema():
    """pyarrow turns the others round, so nothing is to be known of them."""

    def message(endianness):
        # A message of version, kind and header, which is a schema of nothing but this.
        vtable = struct.pack("<5H", 10, 12, 4, 6, 8)
        table = struct.pack("<ihBxI", 10, 4, 1, 12)
        schema = struct.pack("<3Hxxih", 6, 6, 4, 8, endianness)
        return struct.pack("<Ixx", 16) + vtable + table + schema

    assert is_little_endian(split(PLAIN, 10)[0].metadata)
    assert is_little_endian(message(0))
    assert not is_little_endian(message(1))
