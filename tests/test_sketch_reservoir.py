"""The reservoir: bounded, uniform, its rows whole, and safe with every float32."""

import numpy as np
import pytest
from scipy.stats import chisquare

from app.sketch import Reservoir


def rows_and_times(first, count, dimension=2):
    """Vectors of length 1 + time in a direction that follows from the time."""
    times = np.arange(first, first + count, dtype=np.float64)
    directions = np.column_stack([np.cos(times), np.sin(times)])
    return (directions * (1 + times)[:, None]).astype(np.float32), times


def filled(seed, first, count, capacity=50):
    reservoir = Reservoir(capacity, 2, np.random.default_rng(seed))
    vectors, times = rows_and_times(first, count)
    for start in range(0, count, 64):
        reservoir.update(vectors[start : start + 64], times[start : start + 64])
    return reservoir


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 64, 1000])
def test_the_sample_is_as_large_as_the_stream_or_the_capacity(count):
    """Never more rows than the capacity, never fewer than there are."""
    reservoir = filled(7, 0, count)

    assert min(50, count) == len(reservoir) == len(reservoir.sample())


def test_every_stretch_of_the_stream_is_sampled_alike():
    """Over many samples each twentieth of the stream has its share, the first and the last too."""
    counts = np.zeros(20)
    for seed in range(100):
        counts += np.histogram(filled(seed, 0, 1000).sample().times, bins=20, range=(0, 1000))[0]

    assert chisquare(counts).pvalue > 0.001


def test_a_merge_draws_from_both_streams_by_their_length():
    """Three quarters of the joined stream are three quarters of the merged samples."""
    from_longer = 0
    for seed in range(100):
        merged = filled(seed, 0, 900)
        merged.merge(filled(1000 + seed, 900, 300))
        from_longer += np.count_nonzero(merged.sample().times < 900)

    expected = 0.75 * 100 * 50
    assert chisquare([from_longer, 5000 - from_longer], [expected, 5000 - expected]).pvalue > 0.001


def test_a_merge_keeps_the_smallest_priorities_of_the_union():
    """The definition of priority sampling, on its very numbers."""
    first, second = filled(1, 0, 400), filled(2, 400, 200)
    union = np.concatenate([first._priorities[:50], second._priorities[:50]])

    first.merge(second)

    assert np.sort(union)[:50].tolist() == np.sort(first._priorities[:50]).tolist()


def test_norm_time_and_direction_stay_with_their_row():
    """After updates and merges each row is one that was offered, in order of time."""
    merged = filled(1, 0, 400)
    merged.merge(filled(2, 400, 200))

    sample = merged.sample()

    assert np.all(np.diff(sample.times) > 0)
    assert pytest.approx(1 + sample.times) == sample.norms
    expected = np.column_stack([np.cos(sample.times), np.sin(sample.times)])
    assert pytest.approx(expected, abs=1e-3) == sample.directions.astype(np.float64)


def test_rows_older_than_asked_for_stay_out():
    """A window takes only the rows of its time."""
    sample = filled(1, 0, 40).sample(since=30)

    assert list(range(30, 40)) == sample.times.tolist()


@pytest.mark.parametrize("length", [1e-40, 1e-20, 1.0, 70_000.0, 1e30, 3e38])
def test_vectors_of_any_length_keep_their_direction(length):
    """Half precision ends at 65,504 and float32 at 3.4e38: neither bends or loses a row."""
    direction = np.array([[0.6, 0.8, 0.0], [0.0, -0.6, 0.8], [1, 1, 1]])
    vectors = (direction * length).astype(np.float32)
    reservoir = Reservoir(3, 3, np.random.default_rng(7))

    reservoir.update(vectors, np.arange(3.0))

    sample = reservoir.sample()
    unit = direction / np.linalg.norm(direction, axis=1)[:, None]
    assert pytest.approx(unit, abs=1e-3) == sample.directions.astype(np.float64)
    assert np.isfinite(sample.norms).all()
    assert pytest.approx(length, rel=1e-5) == float(sample.norms[0])


def test_a_sample_is_a_copy():
    """What was read does not change when more arrives."""
    reservoir = filled(1, 0, 400)
    sample = reservoir.sample()
    before = sample.times.copy()

    vectors, times = rows_and_times(1000, 400)
    reservoir.update(vectors, times)

    assert before.tolist() == sample.times.tolist()
