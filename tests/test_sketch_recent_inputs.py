"""Recent inputs: each key against its first vector since the turn, as a plain loop would have it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.sketch import RecentInputs

events = st.tuples(st.integers(0, 12), st.integers(0, 2))
batches = st.lists(st.tuples(st.lists(events, max_size=40), st.floats(0, 200)), max_size=10)
VECTORS = np.array([[1, 0, 0], [3, 0.01, 0], [0, 1, 0]], np.float32)
"""The second is the first as int8 might store it, the third another."""


def split(part):
    """Keys and vectors of a batch of events, each a key and the number of its vector."""
    pairs = np.array(part, np.intp).reshape(-1, 2)
    return pairs[:, 0].astype(np.uint64), VECTORS[pairs[:, 1]]


@given(batches, st.integers(1, 15))
def test_it_agrees_with_a_plain_loop(parts, capacity):
    """Within batches and over them, with the room and the turns."""
    recent = RecentInputs(dimension=3, seconds=60, capacity=capacity)
    first, turn = {}, None
    for part, now in parts:
        if now // 60 != turn:
            first, turn = {}, now // 60
        repeats = inconsistent = 0
        for key, vector in part:
            if key in first:
                repeats += 1
                inconsistent += (vector == 2) != (first[key] == 2)
            elif key and len(first) < capacity:
                first[key] = vector
        assert (repeats, inconsistent) == recent.check(*split(part), now)
        assert len(first) == len(recent)


def test_one_corrupted_vector_in_a_hundred_is_seen():
    """The rate at which F7 alarms, on repeats alone."""
    rng = np.random.default_rng(7)
    recent = RecentInputs(dimension=384, seconds=300)
    known = rng.normal(size=(20, 384)).astype(np.float32)
    numbers = rng.integers(0, 20, 5000)
    rows = known[numbers]
    broken = np.flatnonzero(rng.random(5000) < 0.01)
    rows[broken[broken > 500]] = rng.normal(size=384).astype(np.float32)
    total = np.zeros(2)
    for start in range(0, 5000, 125):
        part = slice(start, start + 125)
        total += recent.check(numbers[part].astype(np.uint64) + np.uint64(1), rows[part], now=10.0)

    assert [5000 - 20, np.count_nonzero(broken > 500)] == total.tolist()


def test_a_clock_set_back_begins_anew():
    """And does not hold on to vectors of the time ahead."""
    recent = RecentInputs(dimension=3, seconds=60)
    recent.check(*split([(1, 0)]), now=600.0)

    assert (0, 0) == recent.check(*split([(1, 2)]), now=30.0)
    assert (1, 1) == recent.check(*split([(1, 0)]), now=31.0)


def test_vectors_of_any_length_are_compared():
    """Their squares may leave float32 on either side."""
    recent = RecentInputs(dimension=2, seconds=60)
    rows = np.array([[3e38, 3e38], [1e-40, 1e-40], [1e25, 0]], np.float32)

    assert (2, 1) == recent.check(np.array([9, 9, 9], np.uint64), rows, now=0.0)


def test_memory_does_not_grow():
    """As large as said, however many keys come."""
    recent = RecentInputs(dimension=2, seconds=60, capacity=16)
    before = recent.nbytes
    recent.check(np.arange(1, 1000, dtype=np.uint64), np.ones((999, 2), np.float32), now=0.0)

    assert before == recent.nbytes == recent._rows.nbytes + recent._keys.nbytes + recent._slots.nbytes
