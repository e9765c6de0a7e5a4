"""The frame: what it measures, that a row's own fold is really left out, and that it survives a file."""

import numpy as np
import pytest

from app.drift.sums import NOVELTY_LEVELS, FrameSums, VectorSums
from app.drift.whitening import Whitening
from app.frame import Frame
from app.halves import widened


def vectors(rng, n, d=48, topics=6, noise=0.6):
    """Unit vectors around a few topics, with two dead dimensions as real models have."""
    centres = np.random.default_rng(11).normal(size=(topics, d))
    rows = centres[rng.integers(topics, size=n)] + noise * rng.normal(size=(n, d)) * np.linspace(2, 0.2, d)
    rows[:, -2:] = 1e-9 * rng.normal(size=(n, 2))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_anchors_are_widened_to_what_they_are():
    """Every finite number of half precision, both zeros and the smallest among them."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = every[np.isfinite(every)]

    single = widened(halves)

    assert (halves.astype(np.float32).view(np.uint32) == single.view(np.uint32)).all()


def test_whitened_distances_are_those_of_the_ridged_covariance():
    """With as many directions as dimensions the low-rank form is exact: (x - m)' (C + ridge)^-1 (x - m)."""
    rng = np.random.default_rng(7)
    rows = vectors(rng, 600)
    space = Whitening.fit(rows, np.array_split(np.arange(600), 8)).whitening
    exact = rows.astype(np.float64)
    covariance = np.cov(exact.T, bias=True)
    ridge = 0.01 * np.linalg.eigvalsh(covariance)[-1]
    centred = exact - exact.mean(axis=0)
    expected = np.einsum("ij,ji->i", centred, np.linalg.solve(covariance + ridge * np.eye(48), centred.T))

    np.testing.assert_allclose(space.distances(rows), expected, rtol=2e-3)
    np.testing.assert_allclose((space.whiten(centred) ** 2).sum(axis=1), expected, rtol=2e-3)
    assert expected.mean() == pytest.approx(space.dimensions.in_sample, rel=1e-3)


def test_distances_left_out_predict_those_of_new_rows():
    """In the sample the mean distance is too small; left out it is that of fresh rows, within three standard errors."""
    rng = np.random.default_rng(7)
    rows, fresh = vectors(rng, 400), vectors(rng, 4000)
    space, left_out = Whitening.fit(rows, np.array_split(np.arange(400), 8))
    new = space.distances(fresh)
    error = left_out.std() / np.sqrt(400)

    assert abs(new.mean() - left_out.mean()) < 3 * error
    assert new.mean() - space.distances(rows).mean() > 2 * error


def test_a_rows_own_fold_is_left_out_of_its_distance_and_its_anchors():
    """Fifty copies of one strange row, all in one fold: seen by themselves they would be neither far nor new."""
    rng = np.random.default_rng(7)
    rows = vectors(rng, 800)
    strange = np.zeros(48, np.float32)
    strange[-3] = 1
    rows[100:150] = strange
    frame, held_out = Frame.fit(rows)

    assert held_out.novelty[100:150].max() < 0.9
    assert frame.measure(rows[100:150]).novelty.min() > 0.999
    assert held_out.distance[100:150].min() > 3 * frame.measure(rows[100:150]).distance.max()


def test_the_folds_of_time_see_as_many_anchors_as_a_new_row():
    """Shares of fresh rows below the novelty quantiles are those of the baseline; five standard errors."""
    rng = np.random.default_rng(7)
    frame, _ = Frame.fit(vectors(rng, 2000))
    fresh = frame.measure(vectors(rng, 4000)).novelty
    for level, quantile in zip(NOVELTY_LEVELS, frame.novelty_quantiles, strict=True):
        error = np.sqrt(level * (1 - level) * (1 / 4000 + 1 / 2000))
        assert abs((fresh < quantile).mean() - level) < 5 * error


def test_merged_sums_are_the_sums_of_all_rows():
    """Any cut of the rows gives the same sums, to the rounding of float64."""
    rng = np.random.default_rng(7)
    frame, _ = Frame.fit(vectors(rng, 400))
    rows = vectors(rng, 333)
    measured = frame.measure(rows)
    whole = frame.sums(rows, measured)
    cuts = [slice(0, 1), slice(1, 200), slice(200, 333)]
    merged = FrameSums.merged(frame.sums(rows[cut], measured.take(cut)) for cut in cuts)
    vector_sums = VectorSums.of(rows[:10])
    vector_sums.update(rows[10:])

    assert merged.n == whole.n
    assert merged.below.tolist() == whole.below.tolist()
    for name in ("depth", "depth_squares", "distance", "distance_squares", "novel", "features"):
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-5, atol=1e-4)
    assert VectorSums.of(rows).variance == pytest.approx(vector_sums.variance, rel=1e-6)
    assert vector_sums.variance == pytest.approx(np.cov(rows.T.astype(np.float64)).trace(), rel=1e-6)


def test_a_frame_comes_back_from_its_arrays_with_the_same_id():
    """What another replica loads is the frame; another baseline has another id."""
    rng = np.random.default_rng(7)
    frame, _ = Frame.fit(vectors(rng, 300))
    again = Frame.from_arrays(frame.to_arrays())
    rows = vectors(rng, 50)

    assert again.id == frame.id
    assert Frame.fit(vectors(rng, 300)).frame.id != frame.id
    for mine, other in zip(frame.measure(rows), again.measure(rows), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_more_dimensions_than_rows_make_a_frame_too():
    """The Gram matrix stands in for the covariance; directions are orthonormal."""
    rng = np.random.default_rng(7)
    frame, _ = Frame.fit(rng.normal(size=(250, 700)).astype(np.float32))
    axes = frame.whitening.axes

    np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-4)
    assert np.isfinite(frame.measure(rng.normal(size=(9, 700)).astype(np.float32)).distance).all()


def test_equal_vectors_make_a_frame_that_measures_finite_numbers():
    """A baseline that collapsed to one point, as a broken model gives it."""
    rows = np.ones((200, 8), np.float32)
    measured = Frame.fit(rows).frame.measure(rows)

    assert all(np.isfinite(column).all() for column in measured)


def test_too_few_rows_are_refused():
    """The message says how many are needed."""
    with pytest.raises(ValueError, match="at least 200"):
        Frame.fit(np.ones((199, 8), np.float32))
