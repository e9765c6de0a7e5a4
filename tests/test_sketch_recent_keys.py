"""Distinct keys of a window that slides: exact while few, within the error while many, forgotten in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sketch import DistinctKeys, RecentKeys

HOUR = 3600.0

arrivals = st.lists(st.tuples(st.floats(0, 2000), st.lists(st.integers(0, 30), max_size=6)), min_size=1, max_size=25)


@given(arrivals, st.floats(0, 4000))
def test_few_keys_are_counted_exactly_over_the_window(stream, after):
    """Whatever came when, twice or not: those that came within the last hour, and no others."""
    recent, now, last = RecentKeys(HOUR), 0.0, {}
    for gap, keys in stream:
        now += gap
        recent.update(np.array(keys, np.uint64), now)
        last |= dict.fromkeys(keys, now)
    now += after

    found = recent.window(now)

    # A block keeps times in float32: to some 0.2 ms of an hour.
    sure = {key for key, at in last.items() if key and at >= now - HOUR + 1e-3}
    maybe = {key for key, at in last.items() if key and at >= now - HOUR - 1e-3}
    assert sure <= set(found.keys.tolist()) <= maybe
    assert found.count == found.keys.size


def test_many_keys_are_counted_within_the_error_wherever_the_window_ends():
    """An hour of even traffic, ending a quarter, a half and nearly a whole block after a turn."""
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        keys = rng.integers(1, 2**64, 60_000, dtype=np.uint64)
        recent = RecentKeys(HOUR)
        end = HOUR * (2 + rng.choice([0.25, 0.5, 0.95]))
        times = np.linspace(end - 2 * HOUR, end, 600)
        for at, batch in zip(times, np.split(keys, 600), strict=True):
            recent.update(batch, at)
        exact = np.unique(keys[np.repeat(times, 100) >= end - HOUR]).size
        errors.append(recent.window(end).count / exact - 1)

    assert abs(np.mean(errors)) < 0.054 / 20**0.5 * 3
    assert max(np.abs(errors)) < 3 * 0.054


def test_what_a_sketch_saw_can_be_told_of_its_keys():
    """As a file of a baseline keeps it; anything else is refused."""
    seen = DistinctKeys(k=4)
    seen.update(np.array([5, 9, 2, 7, 11], np.uint64))

    again = DistinctKeys.of(seen.keys, seen.below, k=4)

    assert ([2, 5, 7, 9], 11) == (again.keys.tolist(), again.below)
    assert again.count == seen.count
    for keys, below in ([5, 2], 11), ([2, 2], 11), ([2, 11], 11), ([1, 2, 3, 4, 5], 11):
        with pytest.raises(ValueError, match="not the keys"):
            DistinctKeys.of(np.array(keys, np.uint64), below, k=4)


def test_memory_is_bounded():
    """However many distinct keys."""
    rng = np.random.default_rng(7)
    recent = RecentKeys(HOUR, k=64)
    for _ in range(50):
        recent.update(rng.integers(1, 2**64, 1000, dtype=np.uint64), 10.0)

    assert 64 >= recent.window(11.0).keys.size
    assert recent.nbytes == 2 * 64 * 12
