"""Frequent inputs: counts within the stated error, early vectors, probes for ever, enough matches on Zipf traffic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drift.same_input import KnownInputs
from app.sketch import FrequentInputs

batches = st.lists(st.lists(st.integers(0, 40), max_size=60), max_size=12)


def keys_of(numbers):
    return np.array(numbers, np.uint64)


def numbered(first, count):
    """Vectors in the plane whose angle tells the event they came with."""
    angles = np.arange(first, first + count) / 1000
    return 5 * np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def event_of(direction):
    return round(1000 * float(np.arctan2(direction[1], direction[0])))


def fed(sketch, parts):
    """The sketch, and for every key the events that it came with."""
    came, at = {}, 0
    for part in parts:
        sketch.update(keys_of(part), numbered(at, len(part)))
        for key in part:
            came.setdefault(key, []).append(at)
            at += 1
    came.pop(0, None)
    return came


@given(batches, st.integers(1, 30))
def test_counts_are_within_the_stated_error_of_the_truth(parts, capacity):
    """Never above it, at most `error` below it, which has a bound; frequent keys are there; key 0 is no key."""
    sketch = FrequentInputs(2, capacity)
    came = fed(sketch, parts)
    keys, counts, _ = sketch.top(capacity)
    counted = dict(zip(keys.tolist(), counts.tolist(), strict=True))

    assert sketch.n == sum(map(len, came.values()))
    assert sketch.error <= 2 * sketch.n / (capacity + 1)
    assert len(counted) <= len(sketch) <= capacity
    assert counted.keys() <= came.keys()
    for key, events in came.items():
        assert counted.get(key, 0) <= len(events)
        assert len(events) - sketch.error - 1 <= counted.get(key, 0)
        if key in counted:
            assert len(events) - sketch.error <= counted[key]


@given(batches, st.integers(1, 30))
def test_every_key_has_a_vector_that_came_with_it(parts, capacity):
    """The very first as long as nothing was dropped."""
    sketch = FrequentInputs(2, capacity)
    came = fed(sketch, parts)
    keys, _, directions = sketch.top(capacity)

    assert keys.tolist() == sorted(keys.tolist())
    assert np.allclose(np.linalg.norm(directions.astype(np.float64), axis=1), 1, atol=1e-3)
    for key, direction in zip(keys.tolist(), directions, strict=True):
        events = came[key] if sketch.error else came[key][:1]
        assert min(abs(event - event_of(direction)) for event in events) <= 0.5


def test_the_top_are_the_most_frequent():
    """Of keys 1 to 50, key i coming i times, the largest ten."""
    sketch = FrequentInputs(2)
    numbers = np.repeat(np.arange(1, 51), np.arange(1, 51))
    sketch.update(keys_of(np.random.default_rng(7).permutation(numbers)), numbered(0, numbers.size))
    keys, counts, directions = sketch.top(10)

    assert list(range(41, 51)) == keys.tolist() == counts.tolist()
    assert (10, 2) == directions.shape


def test_probes_are_kept_however_rare_they_are():
    """Seen once, then 20,000 other inputs that come once; their counts are exact and they lead the top."""
    sketch = FrequentInputs(2, capacity=64)
    sketch.update(keys_of([1, 2, 3]), numbered(0, 3), np.array([True, False, True]))
    for start in range(100, 20100, 100):
        sketch.update(keys_of(range(start, start + 100)), numbered(0, 100))
    sketch.update(keys_of([3, 1, 3]), numbered(1000, 3), np.array([False, True, False]))
    keys, counts, directions = sketch.top(2)

    assert ([1, 3], [2, 3]) == (keys.tolist(), counts.tolist())
    assert [0, 2] == [event_of(direction) for direction in directions]


def test_an_input_that_becomes_a_probe_is_kept_from_there_on():
    """It was there before as any other."""
    sketch = FrequentInputs(2, capacity=8)
    sketch.update(keys_of([5]), numbered(0, 1))
    sketch.update(keys_of([5]), numbered(1, 1), np.array([True]))
    for start in range(100, 1100, 10):
        sketch.update(keys_of(range(start, start + 10)), numbered(0, 10))

    assert [5] == sketch.top(1)[0].tolist()


def test_probes_do_not_take_all_the_room():
    """256 are pinned; those past it go as others do."""
    sketch = FrequentInputs(2, capacity=1024)
    sketch.update(keys_of(range(1, 401)), numbered(0, 400), np.ones(400, np.bool_))
    for start in range(1000, 11000, 250):
        sketch.update(keys_of(range(start, start + 250)), numbered(0, 250))
    keys, _, _ = sketch.top(1024)

    assert 256 == np.count_nonzero(keys < 1000)
    assert 256 == np.count_nonzero(sketch.top(256)[0] < 1000)


def test_memory_does_not_grow():
    """A million numbers of vectors later it is what it was."""
    sketch = FrequentInputs(2, capacity=32)
    before = sketch.nbytes
    for start in range(1, 50_000, 500):
        sketch.update(keys_of(range(start, start + 500)), numbered(0, 500))

    assert before == sketch.nbytes
    assert (
        sketch._directions.nbytes
        + sum(part.nbytes for part in (sketch._keys, sketch._counts, sketch._pinned, sketch._slots))
        <= before
    )


def test_vectors_of_any_length_are_taken():
    """Their squares may leave float32 on either side."""
    sketch = FrequentInputs(2)
    sketch.update(keys_of([1, 2, 3]), np.array([[3e38, 3e38], [1e-40, 0], [0, -1e25]], np.float32))

    assert np.allclose([[0.70711, 0.70711], [1, 0], [0, -1]], sketch.top()[2].astype(np.float64), atol=1e-3)


TRAFFIC = (
    # exponent, vocabulary, share of queries nobody asks again: the last two make the share of unique queries
    (0.7, 204_000, 0.0),
    (0.7, 624_000, 0.0),
    (0.8, 259_000, 0.0),
    (0.8, 1_126_000, 0.0),
    (1.0, 1_993_000, 0.0),
    (1.0, 50_000, 0.42),
    (1.2, 50_000, 0.35),
)
BASELINE, LATER = 500_000, 2_000


def asked(rng, exponent, vocabulary, fresh, n):
    """Queries by number, as keys spread over 64 bits."""
    cumulative = np.cumsum(np.arange(1, vocabulary + 1.0) ** -exponent)
    ranks = np.searchsorted(cumulative, rng.random(n) * cumulative[-1])
    once = rng.random(n) < fresh
    ranks[once] = vocabulary + np.arange(np.count_nonzero(once))
    return (ranks.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)


def embedded(keys):
    """A vector of eight numbers for each key."""
    return np.sin(np.outer((keys >> np.uint64(40)).astype(np.float64), np.arange(1, 9))).astype(np.float32)


@pytest.mark.parametrize(("exponent", "vocabulary", "fresh"), TRAFFIC)
def test_a_baseline_of_zipf_traffic_knows_enough_inputs(exponent, vocabulary, fresh):
    """30 to 50 % unique queries among 500,000: the top 512 have 20 matches within 2,000 events, all of them right."""
    keys = asked(np.random.default_rng(7), exponent, vocabulary, fresh, BASELINE + LATER)
    sketch = FrequentInputs(8)
    for start in range(0, BASELINE, 256):
        part = keys[start : min(start + 256, BASELINE)]
        sketch.update(part, embedded(part))
    known, _, directions = sketch.top(512)
    later = keys[BASELINE:]
    _, cosines = KnownInputs(known, directions).match(later, embedded(later))
    _, turned = KnownInputs(known, directions).match(later, embedded(later)[:, ::-1])

    assert 0.295 <= np.unique(keys[:BASELINE]).size / BASELINE <= 0.505
    assert cosines.size >= 20
    assert cosines.min() >= 0.9999995
    assert np.count_nonzero(turned < 0.999) >= 0.95 * turned.size
