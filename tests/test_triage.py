"""The lowest matches of a span: the right ones, once an input, bounded, and cheap once there are enough."""

import json
import tracemalloc

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.triage import LowestSimilarity, Query


def query(number, ids=("a", "b"), scores=(0.5, 0.4)):
    return Query(float(number), f"q{number}", None, tuple(ids), tuple(scores))


def similarities(lowest, now=0.0):
    return [row.similarity for row in lowest.rows(now)]


batches = st.lists(
    st.lists(st.one_of(st.just(float("nan")), st.floats(-1, 1)), max_size=12).map(np.array), min_size=1, max_size=8
)


@given(batches)
def test_the_lowest_of_all_batches_are_kept(stream):
    """However the stream was cut; queries without results are not among them."""
    lowest = LowestSimilarity(capacity=5)
    for batch in stream:
        lowest.update(batch.astype(float), None, query, now=0.0)

    every = np.concatenate(stream)
    assert sorted(every[np.isfinite(every)].tolist())[:5] == similarities(lowest)


def test_a_row_tells_what_its_sender_named_and_no_more():
    """Ten results at most, the keyed hash in hexadecimal, and all of it fit for JSON."""
    lowest = LowestSimilarity()
    told = Query(5.0, "q1", "4bf9", tuple(f"doc-{i}" for i in range(12)), tuple(0.3 - i / 100 for i in range(12)))
    lowest.update(np.array([0.3]), np.array([255], np.uint64), lambda _: told, now=0.0)

    (row,) = json.loads(msgspec.json.encode(lowest.rows(now=0.0)))
    assert {"similarity": 0.3, "timestamp": 5.0, "query_id": "q1", "trace_id": "4bf9"}.items() <= row.items()
    assert ("00000000000000ff", 10, 10) == (row["input_hash"], len(row["ids"]), len(row["scores"]))
    assert 7 == len(row)


def test_an_input_comes_once_in_a_span():
    """One query asked all day does not push the others out; queries without an input are each their own."""
    lowest = LowestSimilarity(capacity=3)
    inputs = np.array([9, 9, 9, 9, 7, 0, 0], np.uint64)
    lowest.update(np.array([0.1, 0.1, 0.1, 0.1, 0.4, 0.6, 0.5]), inputs, query, now=0.0)
    assert [0.1, 0.4, 0.5] == similarities(lowest)

    lowest.update(np.array([0.05, 0.2]), np.array([9, 7], np.uint64), query, now=1.0)
    assert [0.1, 0.4, 0.5] == similarities(lowest)


def test_an_input_that_was_pushed_out_may_come_again():
    """With a lower similarity: the list is of what is there."""
    lowest = LowestSimilarity(capacity=1)
    for similarity, number in [(0.5, 9), (0.4, 8), (0.3, 9)]:
        lowest.update(np.array([similarity]), np.array([number], np.uint64), query, now=0.0)

    assert [0.3] == similarities(lowest)


def test_the_span_before_stays_and_the_one_before_that_goes():
    """Five minutes each; after a pause nothing is left."""
    lowest = LowestSimilarity(capacity=2)
    for value, now in [(0.1, 0.0), (0.4, 299.9), (0.5, 299.9), (0.3, 300.0)]:
        lowest.update(np.array([value]), None, query, now)

    assert [0.1, 0.3, 0.4] == similarities(lowest, 599.9)
    assert [0.3] == similarities(lowest, 600.0)
    lowest.update(np.array([0.2]), None, query, 601.0)
    assert [0.2] == similarities(lowest, 1100.0)
    assert [] == similarities(lowest, 2000.0)


def test_a_clock_that_steps_back_takes_nothing_away():
    """What comes then is of the current span."""
    lowest = LowestSimilarity()
    lowest.update(np.array([0.4]), None, query, now=900.0)
    lowest.update(np.array([0.3]), None, query, now=10.0)

    assert [0.3, 0.4] == similarities(lowest, 900.0)


def test_once_enough_are_there_only_lower_ones_are_described():
    """What costs is asked for the few: of 100,000 queries in random order some 50 log(100,000 / 50)."""
    rng = np.random.default_rng(7)
    described = []
    lowest = LowestSimilarity()
    stream = rng.random((1000, 100))
    for batch in stream:
        lowest.update(batch, None, lambda position: described.append(position) or query(position), now=0.0)

    assert sorted(stream.ravel().tolist())[:50] == similarities(lowest)
    assert len(described) < 700


def test_memory_is_bounded_with_the_longest_ids():
    """As the docstring says, under 20,000 queries that are each lower than all before."""
    lowest = LowestSimilarity()
    tracemalloc.start()
    try:
        for number in range(20_000):
            ids = [f"{number}-{i}".ljust(256, "x") for i in range(10)]
            lowest.update(
                np.array([1 - number / 20_000]),
                np.array([number + 1], np.uint64),
                lambda position, ids=ids: query(position, ids, [float(x) for x in range(10)]),
                now=number / 40,
            )
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert 100 == len(lowest.rows(now=499.0))
    assert held < 400 * 1024
