"""Vector statistics against exact and published values."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from app.distribution import Distribution
from app.drift.centroid_cosine import centroid_cosine
from app.drift.effects import Novelties
from app.drift.energy_rows import energy_rows
from app.drift.mmd import mmd
from app.drift.noise import Noise
from app.drift.norm import Norm
from app.drift.repeats import Repeats
from app.drift.sliced_wasserstein import sliced_wasserstein
from app.drift.sums import NOVELTY_LEVELS, FrameSums, VectorSums
from app.drift.window import Window
from app.frame import Frame


def test_energy_distance_is_the_one_of_pairwise_distances():
    """Against the definition, pairs of a row with itself left out."""
    rng = np.random.default_rng(7)
    current, baseline = rng.normal(0.5, 1, (40, 3)).astype(np.float32), rng.normal(size=(50, 3)).astype(np.float32)
    expected = (
        2 * np.linalg.norm(current[:, None] - baseline, axis=2).mean()
        - np.linalg.norm(current[:, None] - current, axis=2).sum() / (40 * 39)
        - np.linalg.norm(baseline[:, None] - baseline, axis=2).sum() / (50 * 49)
    )

    assert energy_rows(current, baseline) ** 2 == pytest.approx(expected, rel=1e-5)


def test_sliced_wasserstein_in_one_dimension_is_that_of_scipy():
    """Every direction is the only one; a grid of 200 quantiles is off by little."""
    rng = np.random.default_rng(7)
    current, baseline = rng.normal(1, 2, 4000), rng.normal(size=3000)
    sliced = sliced_wasserstein(current[:, None].astype(np.float32), baseline[:, None].astype(np.float32))

    assert sliced == pytest.approx(wasserstein_distance(current, baseline), rel=0.02)


def test_mmd_by_random_features_is_near_that_of_the_kernel():
    """Against the unbiased estimate from all pairs under the frame's own Gaussian kernel; error 1 / sqrt(features)."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(600, 6)).astype(np.float32)
    frame, _ = Frame.fit(rows)
    current = rng.normal(0.7, 1, (300, 6)).astype(np.float32)
    sums = [frame.sums(part, frame.measure(part)) for part in (current, rows)]
    points = [frame.measure(part).components for part in (current, rows)]
    bandwidth = np.median(np.linalg.norm(points[1][:300] - points[1][300:], axis=1))

    def kernel(a, b):
        return np.exp(-(np.linalg.norm(a[:, None] - b, axis=2) ** 2) / (2 * bandwidth**2))

    within = [(kernel(part, part).sum() - len(part)) / len(part) / (len(part) - 1) for part in points]
    expected = within[0] + within[1] - 2 * kernel(points[0], points[1]).mean()

    assert mmd(*sums) ** 2 == pytest.approx(expected, rel=0.25)
    assert mmd(sums[1], sums[1]) < 0.05


def test_the_centroid_cosine_is_that_of_the_means():
    """1 for a sample against itself, whatever its size."""
    rng = np.random.default_rng(7)
    rows, other = rng.normal(1, 1, (30, 5)).astype(np.float32), rng.normal(1, 1, (20, 5)).astype(np.float32)
    a, b = rows.mean(axis=0), other.mean(axis=0)
    found = centroid_cosine(VectorSums.of(rows), VectorSums.of(other))

    assert found == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-5)
    assert centroid_cosine(VectorSums.of(rows), VectorSums.merged([VectorSums.of(rows)] * 2)) == pytest.approx(1)


def test_the_changed_share_is_bounded_by_what_every_level_says():
    """A window of which a quarter is below every quantile: 24 % at the 1 % level, less its error."""
    levels = tuple(Noise(share, share * (1 - share), 1.0, 0.0, 7, 1 / 2000) for share in NOVELTY_LEVELS)
    below = np.array([round(1000 * (0.25 + 0.75 * share)) for share in NOVELTY_LEVELS])
    sums = FrameSums(1000, 0, 0, 0, 0, below, np.zeros(2), np.zeros(1))
    vectors = VectorSums(1000, np.zeros(2), 0.0)
    found = Novelties(levels).changed_share(Window(vectors, sums))
    repeated = Novelties(levels).changed_share(Window(vectors, sums, repeats=Repeats(10.0, 0.0, 0.0)))

    assert found.estimate == pytest.approx(0.25, abs=0.002)
    assert 0.2 < found.lower_bound < 0.25
    assert repeated.lower_bound < found.lower_bound


def test_a_norm_change_is_relative_to_the_baselines_median():
    """Twice the length on one event in a hundred reads 1 %."""
    norm = Norm(Distribution.of(np.full(1000, 5.0)), 5.0, None)
    current = Distribution.of(np.r_[np.full(990, 5.0), np.full(10, 10.0)])

    assert norm.value(current) == pytest.approx(0.01)
    assert norm.change_ratio(current) == pytest.approx(0.01)
