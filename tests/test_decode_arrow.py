"""Arrow streams: every plain layout is read, and no bytes harm: not what they say, not what they stand for."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings

import app.decode as package
from app.decode import DecodeError, Limits, Malformed, TooLarge, UnsupportedMediaType, decode
from app.decode.arrow_message import is_compressed, split
from tests.damaged_bodies import any_damage, damaged
from tests.forms import ARROW, FORMS, stream

NOW = 1_767_225_600.0
LIMITS = Limits(slice_labels=frozenset({"locale"}))


def run(limits=LIMITS, n=2, **columns):
    named = {"model": pa.array(["e5"] * n)} | columns
    return run_body(stream(pa.RecordBatch.from_pydict(named)), limits)


def run_body(body, limits=LIMITS):
    return decode(ARROW, None, body, limits, NOW)


@pytest.mark.parametrize(
    "text",
    [
        pa.string(),
        pa.large_string(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
        pa.dictionary(pa.uint64(), pa.string()),
    ],
    ids=str,
)
@pytest.mark.parametrize("values", [["a", "bé"], ["a", None], ["", "aa"], [None, None]])
def test_texts_of_every_kind_are_texts(text, values):
    """Plain or as a dictionary; a null is no value, and so is an empty id."""
    batch = run(query_id=pa.array(values, text)).batch

    assert [value or None for value in values] == list(batch.query_ids or [None, None])


def test_under_a_null_text_may_stand_any_bytes():
    """Arrow leaves them undefined, pyarrow does not check them, and a stream that has some was refused."""
    present, offsets, data = bytes([0b01]), np.array([0, 2, 4], np.int32), b"q1\xff\xfe"
    texts = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(each) for each in (present, offsets, data)])

    assert ["q1", None] == run(query_id=texts).batch.query_ids


@pytest.mark.parametrize(
    "number", [pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.uint16(), pa.int64()], ids=str
)
@pytest.mark.parametrize("shape", [pa.list_, pa.large_list, lambda number: pa.list_(number, 2)])
def test_numbers_of_every_width_are_vectors_and_scores(number, shape):
    """As lists of any kind; a row may be null."""
    batch = run(
        n=3,
        embedding=pa.array([[1, 2], None, [3, 4]], shape(number)),
        scores=pa.array([[1, 0], [1, 1], None], shape(number)),
    ).batch

    assert [1, 2, 3, 4] == batch.vectors.values.tolist()
    assert [2, 0, 2] == batch.vectors.lengths.tolist()
    assert [1, 0, 1, 1] == batch.scores.values.tolist()
    assert [True, True, False] == batch.query.tolist()
    assert [0, 0, 0] == batch.fault.tolist()


def test_rows_of_bytes_are_float32():
    """Where a pipeline has its vectors as blobs."""
    row = np.array([3, 4], "<f4").tobytes()

    for kind in (pa.binary(), pa.large_binary(), pa.binary(8)):
        assert [5, 5] == run(embedding=pa.array([row, row], kind)).batch.norm.tolist()


def test_a_null_among_numbers_is_invalid_in_a_vector_and_no_score():
    """As null is in JSON."""
    decoded = run(
        embedding=pa.array([[1.0, None], [1.0, 1.0]]),
        scores=pa.array([[0.5, 0.25], [0.5, None]]),
    )

    assert [0] == decoded.batch.index.tolist()
    assert [2] == decoded.batch.fault.tolist()
    assert "scores must be a list of finite numbers, best first" == decoded.errors[0].message


def test_a_nan_that_signals_is_a_nan():
    """Such as damaged memory has; numpy warns where it is made a double, and the log is not for that."""
    rows = pa.FixedSizeListArray.from_arrays(pa.array(np.array([0x7F800001, 0], "<u4").view("<f4")), 1)

    assert [2, 1] == run(embedding=rows).batch.fault.tolist()
    assert [0] == [error.index for error in run(scores=rows).errors]


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_arrows_own_timestamps_are_seconds(unit, factor):
    """Whatever their unit; of another zone they are the same moments."""
    values = [(int(NOW) - 5) * factor, None]

    for zone in (None, "Europe/Berlin"):
        batch = run(timestamp=pa.array(values, pa.timestamp(unit, zone))).batch
        assert [NOW - 5, NOW] == batch.timestamp.tolist()


def test_labels_and_grades_are_maps_or_structures():
    """Both are how Arrow says an object."""
    structure = run(labels=pa.array([{"locale": "de", "x": None}, None])).batch
    mapping = run(labels=pa.array([[("locale", "de")], None], pa.map_(pa.string(), pa.string()))).batch
    grades = run(relevant=pa.array([[("a", 2.0)], []], pa.map_(pa.string(), pa.float64()))).batch

    assert [{"locale": "de"}, None] == structure.labels == mapping.labels
    assert [{"a": 2.0}, None] == grades.relevant


def test_batches_of_one_stream_are_one_request():
    """Positions count on; a column of the second may be all null."""
    schema = pa.schema({"model": pa.string(), "embedding": pa.list_(pa.float32()), "norm": pa.float64()})
    first = pa.record_batch([["a"], [[3.0, 4.0]], [None]], schema)
    second = pa.record_batch([["b", ""], [None, None], [2.0, 3.0]], schema)

    decoded = run_body(stream(first, second))

    assert [0, 1] == decoded.batch.index.tolist()
    assert [5, 2] == decoded.batch.norm.tolist()
    assert [2] == [error.index for error in decoded.errors]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[["a"]], [["b"]]]),
        pa.array([{"x": {"y": 1}}, {"x": {"y": 1}}]),
        pa.array(["a", "b"], pa.string_view()),
        pa.RunEndEncodedArray.from_arrays([2], ["a"]),
        pa.array([b"a", b"b"]),
        pa.array([True, False]),
        pa.array([1, 2], pa.time32("s")),
        pa.array([{"a": 1}, {}], pa.struct({"a": pa.int64()})),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_of_a_type_that_its_field_has_not_refuses_its_events(column):
    """With the words of the field's rule."""
    decoded = run(model_version=column)

    assert ["model_version must be a string"] * 2 == [error.message for error in decoded.errors]


def test_columns_of_unknown_names_are_not_looked_at():
    """Whatever they are."""
    assert 2 == len(run(extra=pa.array([[None], [None]]), more=pa.nulls(2)).batch)


def test_a_name_that_comes_twice_is_no_field():
    """Which of the two was meant nobody can tell."""
    names = ["model", "error", "event_id", "error"]
    batch = pa.RecordBatch.from_arrays([pa.array([each]) for each in ("e5", "timeout", "a", "other")], names)

    decoded = run_body(stream(batch))

    assert ["a"] == decoded.batch.event_ids
    assert decoded.batch.errors is None


@pytest.mark.parametrize("beside", [pa.array([1.0] * 3), pa.array(["x" * 3000] * 3)], ids=["little", "much"])
def test_vectors_stay_in_a_body_only_where_they_are_nearly_all_of_it(beside):
    """They outlive the request: a staged vector must not keep a body of megabytes."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(3 * 768, np.float32)), 768)
    body = stream(pa.RecordBatch.from_pydict({"model": ["e5"] * 3, "embedding": vectors, "extra": beside}))

    kept = decode(ARROW, None, body, LIMITS, NOW).batch.vectors.values

    start = np.frombuffer(body, np.uint8).ctypes.data
    within = start <= kept.ctypes.data < start + len(body)
    assert within == (kept.nbytes > 0.8 * len(body)) == (beside.type == pa.float64())


def test_no_texts_may_have_no_offsets():
    """The format lets writers leave the only one of them out, in a list of nothing as in a batch of nothing."""
    nothing = pa.Array.from_buffers(pa.string(), 0, [None, pa.py_buffer(b""), pa.py_buffer(b"")])

    body = stream(pa.RecordBatch.from_pydict({"model": pa.array(["e5", "e5"]), "ids": nested(nothing, [0, 0, 0], 2)}))

    assert [[], []] == run_body(body).batch.ids
    assert 0 == len(run_body(stream(pa.RecordBatch.from_pydict({"model": nothing}))).batch)


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_are_refused(codec):
    """They would be inflated to whatever they say, past every limit; dictionaries' too."""
    plain = pa.RecordBatch.from_pydict({"model": ["e5"] * 500})
    named = pa.RecordBatch.from_pydict({"model": pa.array(["e5"] * 500).dictionary_encode()})

    for batch in (plain, named):
        with pytest.raises(Malformed, match="Content-Encoding"):
            run_body(stream(batch, compression=codec))


def test_a_flag_that_lies_outside_of_the_metadata_is_an_error():
    """Never a look past the bytes."""
    with pytest.raises(struct.error):
        is_compressed(b"\xff\xff\xff\x7f" * 4)


def test_streams_of_before_version_0_15_are_read():
    """Their messages begin with no mark: pyarrow tells them apart."""
    body = stream(pa.RecordBatch.from_pydict({"model": ["e5", "e5"]}), use_legacy_format=True)

    assert split(body, 10) is None
    assert 2 == len(run_body(body).batch)
    with pytest.raises(Malformed, match="Content-Encoding"):
        run_body(stream(pa.RecordBatch.from_pydict({"model": ["e5"] * 500}), use_legacy_format=True, compression="lz4"))


def test_what_follows_the_end_of_a_stream_is_not_looked_at():
    """Neither here nor by pyarrow."""
    body = stream(pa.RecordBatch.from_pydict({"model": ["e5", "e5"]}))

    assert split(body, 10) == split(body + b"\xff" * 40, 10)
    assert 2 == len(run_body(body + b"\xff" * 40).batch)


def nested(items, offsets, n):
    """A list column whose items are said to be so many, in next to no bytes."""
    return pa.Array.from_buffers(
        pa.list_(items.type), n, [None, pa.py_buffer(np.array(offsets, np.int32).tobytes())], children=[items]
    )


@pytest.mark.parametrize(
    "items",
    [
        pa.nulls(2_000_000_000),
        pa.Array.from_buffers(pa.binary(0), 2_000_000_000, [None, pa.py_buffer(b"")]),
        pa.Array.from_buffers(pa.struct([]), 2_000_000_000, [None]),
    ],
    ids=lambda items: str(items.type),
)
@pytest.mark.parametrize("field", ["ids", "scores", "embedding", "top_k", "relevant", "model"])
def test_what_takes_no_bytes_cannot_fill_the_memory(items, field):
    """Two thousand million values in a hundred bytes: refused before one is made."""
    body = stream(pa.RecordBatch.from_pydict({"norm": [1.0], field: nested(items, [0, 2_000_000_000], 1)}))
    assert len(body) < 2000

    tracemalloc.start()
    try:
        decoded = run_body(body)
        assert 0 == len(decoded.batch)
    except TooLarge:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 10_000_000


def test_a_dictionary_is_not_written_out():
    """A thousand events that share one text of a megabyte hold it once."""
    texts = pa.array(["x" * 1_000_000])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int8()), texts)
    body = stream(pa.RecordBatch.from_pydict({"model": ["e5"] * 1000, "error": column}))

    tracemalloc.start()
    decoded = run_body(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert ["other"] * 1000 == decoded.batch.errors
    assert peak < 20_000_000


def test_a_dictionary_that_batches_share_is_held_once():
    """A megabyte of text was made anew of each of a thousand batches: a gigabyte, and for 32 MiB as many more."""
    texts = pa.array(["x" * 1_000_000])
    column = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), texts)
    body = stream(*[pa.RecordBatch.from_pydict({"model": ["e5"], "error": column})] * 100)
    assert len(body) < 1_100_000

    tracemalloc.start()
    decoded = run_body(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert ["other"] * 100 == decoded.batch.errors
    assert peak < 10_000_000


def dictionaries_of_batches(dictionaries, **options):
    """The last entry of each dictionary is the query of an event."""
    columns = [pa.DictionaryArray.from_arrays(pa.array([len(d) - 1], pa.int8()), pa.array(d)) for d in dictionaries]
    batches = [pa.RecordBatch.from_pydict({"model": ["e5"], "query_id": column}) for column in columns]
    return stream(*batches, **options)


def test_a_dictionary_that_is_another_in_each_batch_is_read_anew():
    """As a whole, or by what is added."""
    names = [f"q{i}" for i in range(9)]
    replaced, grown = [[name] for name in names], [names[: i + 1] for i in range(9)]

    for body in (
        dictionaries_of_batches(replaced),
        dictionaries_of_batches(grown, emit_dictionary_deltas=True),
    ):
        assert names == run_body(body).batch.query_ids


def test_a_dictionary_that_grows_takes_no_more_than_a_body():
    """Each addition makes all of it anew."""
    names = ["x" * 100_000, *map(str, range(20))]
    body = dictionaries_of_batches([names[: i + 2] for i in range(20)], emit_dictionary_deltas=True)
    assert len(body) < 200_000

    with pytest.raises(TooLarge, match="bytes of dictionaries"):
        run_body(body, Limits(inflated_bytes=200_000))


def test_many_tiny_objects_and_many_empty_batches_are_too_large():
    """Each is a few bytes in the body, and hundreds in memory or time."""
    limits = Limits(events=10, top_k=10)
    results = pa.array([[{"score": 0.5}] * 101])

    with pytest.raises(TooLarge, match="more than 100 values"):
        run(limits, n=1, top_k=results)
    with pytest.raises(TooLarge, match="more than 100 values"):
        run(limits, n=1, ids=pa.array([["x"] * 101]))
    hidden = pa.Array.from_buffers(  # a row of 101 under a null, which nobody makes
        pa.list_(pa.string()),
        2,
        [pa.py_buffer(bytes([0b10])), pa.py_buffer(np.array([0, 101, 102], np.int32).tobytes())],
        children=[pa.array(["x"] * 101 + ["y"])],
    )
    assert [None, ["y"]] == run(limits, ids=hidden).batch.ids
    with pytest.raises(TooLarge, match="messages"):
        run_body(stream(*[pa.RecordBatch.from_pydict({"model": pa.array([], pa.string())})] * 30), limits)
    with pytest.raises(TooLarge, match="metadata"):
        run_body(stream(pa.RecordBatch.from_pydict({f"x{i}": [0] for i in range(30_000)})))


def test_an_index_past_the_dictionary_is_malformed():
    """Found before it is followed."""
    wrong = pa.DictionaryArray.from_arrays(pa.array([0, 7], pa.int8()), pa.array(["e5"]), safe=False)

    with pytest.raises(Malformed):
        run_body(stream(pa.RecordBatch.from_pydict({"model": wrong})))


@pytest.mark.parametrize("wrong", [[0, 5, 2], [0, -1, 2], [0, 1, 2**31 - 1], [3, 1, 2], [-4, 1, 2]])
@pytest.mark.parametrize(
    "column", [pa.array(["a", "b"]), pa.array([[0.5], [0.25]], pa.list_(pa.float32()))], ids=["text", "list"]
)
def test_offsets_that_lead_nowhere_are_malformed(wrong, column):
    """Backwards, negative, past the end: put into the bytes, since no writer would write them."""
    right = np.array([0, 1, 2], np.int32).tobytes()
    body = stream(pa.RecordBatch.from_pydict({"norm": [1.0, 2.0], "ids": column, "error": ["", ""]}))
    assert 1 == body.count(right)

    with pytest.raises(Malformed):
        run_body(body.replace(right, np.array(wrong, np.int32).tobytes()))


WHOLE = stream(
    pa.RecordBatch.from_pydict(
        {
            "model": pa.array(["e5", "e5"]).dictionary_encode(),
            "event_id": ["a", None],
            "embedding": pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2)),
            "scores": pa.array([[0.5], None], pa.list_(pa.float32())),
            "ids": [["a", "b"], []],
            "top_k": [[{"id": "a", "score": 0.5}], None],
            "labels": [{"locale": "de"}, None],
            "timestamp": pa.array([1, 2], pa.timestamp("ms")),
        }
    )
)
DAMAGED = any_damage(WHOLE)


@settings(max_examples=600)
@given(DAMAGED)
@example(damaged(WHOLE, [(0, b"\xff")], 7))
def test_a_damaged_stream_raises_nothing_but_a_decode_error(body):
    """Any byte, any offset, any length changed, or the end cut off."""
    try:
        decoded = run_body(body)
    except DecodeError:
        return
    assert len(decoded.batch) + len(decoded.errors) <= LIMITS.events


@settings(max_examples=600)
@given(DAMAGED)
@example(WHOLE)
def test_no_message_that_pyarrow_reads_goes_unseen(body):
    """What is looked at are the messages that pyarrow finds, or nothing is said of them."""
    try:
        looked = split(body, 100)
    except struct.error:
        return
    if looked is None:
        return
    read = pa.ipc.MessageReader.open_stream(pa.py_buffer(body))
    for start, metadata in looked:
        assert metadata == body[start : start + len(metadata)]
        try:
            assert metadata == read.read_next_message().metadata.to_pybytes()
        except (pa.ArrowException, OSError):
            return
    with pytest.raises((StopIteration, pa.ArrowException)):
        read.read_next_message()


def test_without_pyarrow_the_answer_says_what_to_install(monkeypatch):
    """415, the list of those supported, and the extra."""
    monkeypatch.setattr(package, "DECODERS", {k: v for k, v in package.DECODERS.items() if k != ARROW})
    package._decoder.cache_clear()
    try:
        with pytest.raises(UnsupportedMediaType) as raised:
            run_body(FORMS["arrow"].encode([{"model": "e5"}]))
    finally:
        package._decoder.cache_clear()

    listed, _, advice = raised.value.message.rpartition("; ")
    assert ARROW not in listed
    assert "application/msgpack" in listed
    assert f"for {ARROW} install embedding-drift-exporter[arrow]" == advice
