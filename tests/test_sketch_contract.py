"""What every sketch promises: a merge is the sketch of the union within its stated error, and takes nothing away."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drift.sums import VectorSums
from app.sketch import BucketCounts, QuantileSketch, Reservoir, TopInputs

BOUNDS = (-1.0, 0.0, 0.25, 1.0)
DIMENSION = 3
CAPACITY = 40


class Buckets:
    """Exact, but for the order in which the sum is added up."""

    def new(self, seed):
        return BucketCounts(BOUNDS)

    def feed(self, sketch, rows):
        sketch.update(rows[:, 0].astype(np.float64))

    def state(self, sketch):
        return [*sketch.counts.tolist(), sketch.sum]

    def check(self, sketch, rows):
        assert [np.count_nonzero(rows[:, 0] <= bound) for bound in BOUNDS] == sketch.cumulative[:-1].tolist()
        assert len(rows) == sketch.cumulative[-1]
        assert pytest.approx(rows[:, 0].sum(dtype=np.float64), abs=1e-9) == sketch.sum


class Quantiles:
    """Ranks within the stated error, which has 99 % confidence for any one: for all at once half as much again."""

    def new(self, seed):
        return QuantileSketch()

    def feed(self, sketch, rows):
        sketch.update(rows[:, 0].astype(np.float64))

    def state(self, sketch):
        if sketch.n == 0:
            return [0]
        found = sketch.distribution()
        return [sketch.n, *found.values.tolist(), *found.cumulative.tolist()]

    def check(self, sketch, rows):
        assert len(rows) == sketch.n
        if len(rows):
            at = np.unique(rows[:, 0]).astype(np.float64)
            exact = np.searchsorted(np.sort(rows[:, 0]), at, side="right") / len(rows)
            assert np.abs(sketch.distribution().cdf(at) - exact).max() <= 1.5 * sketch.rank_error


class Sums:
    """Exact to the rounding of float32 within a batch, of float64 over batches."""

    def new(self, seed):
        return VectorSums.none(DIMENSION)

    def feed(self, sketch, rows):
        # As the series does: the sums of one batch are float32's, whose error grows with the batch.
        for start in range(0, len(rows), 256):
            sketch.update(rows[start : start + 256])

    def state(self, sketch):
        return [sketch.n, *sketch.total.tolist(), sketch.squares]

    def check(self, sketch, rows):
        wide = rows.astype(np.float64)
        assert len(rows) == sketch.n
        scale = np.abs(wide).sum(axis=0).max(initial=1e-30)
        assert pytest.approx(wide.sum(axis=0), abs=1e-6 * scale) == sketch.total
        assert pytest.approx((wide**2).sum(), rel=1e-6) == sketch.squares


class Samples:
    """Rows of the stream, as many as fit; the rows' first numbers tell them apart."""

    def new(self, seed):
        return Reservoir(CAPACITY, DIMENSION, np.random.default_rng(seed))

    def feed(self, sketch, rows):
        sketch.update(rows + np.float32(3), np.zeros(len(rows)))

    def state(self, sketch):
        sample = sketch.sample()
        return [*sample.directions.ravel().tolist(), *sample.norms.tolist(), *sample.times.tolist()]

    def check(self, sketch, rows):
        norms = np.linalg.norm(rows.astype(np.float64) + 3, axis=1).astype(np.float32)
        sampled = sketch.sample().norms
        assert min(CAPACITY, len(rows)) == len(sampled)
        for norm, times in zip(*np.unique(sampled, return_counts=True), strict=True):
            assert times <= np.count_nonzero(np.isclose(norms, norm, rtol=1e-6))


class Tops:
    """Counts never above the truth, and at most the stated error below it; keys are a column in steps of 0.1."""

    def new(self, seed):
        return TopInputs(capacity=5)

    def keys(self, rows):
        return np.round(rows[:, 0] * 10 + 100).astype(np.uint64)

    def feed(self, sketch, rows):
        for start in range(0, len(rows), 128):
            sketch.update(self.keys(rows[start : start + 128]))

    def state(self, sketch):
        keys, shares = sketch.shares()
        return [sketch.n, *keys.tolist(), *shares.tolist()]

    def check(self, sketch, rows):
        keys, shares = sketch.shares()
        counted = dict(zip(keys.tolist(), (shares * len(rows)).tolist(), strict=True))
        assert len(rows) == sketch.n
        assert sketch.error <= len(rows) / 6
        for key, count in zip(*np.unique(self.keys(rows), return_counts=True), strict=True):
            assert -1e-6 <= count - counted.pop(int(key), 0) <= sketch.error + 1e-6
        assert not counted


@dataclass(frozen=True)
class Case:
    name: str
    kind: Any


SKETCHES = (
    Case("buckets", Buckets()),
    Case("quantiles", Quantiles()),
    Case("vector sums", Sums()),
    Case("reservoir", Samples()),
    Case("top inputs", Tops()),
)
every = pytest.mark.parametrize("kind", [case.kind for case in SKETCHES], ids=[case.name for case in SKETCHES])
streams = st.builds(
    lambda seed, n, scale, offset: (
        np.random.default_rng(seed).normal(offset, scale, size=(n, DIMENSION)).astype(np.float32)
    ),
    st.integers(0, 2**32),
    st.integers(0, 1500),
    st.sampled_from([0.01, 0.5]),
    st.sampled_from([0.0, 0.2]),
)


def fed(kind, seed, *chunks):
    sketch = kind.new(seed)
    for chunk in chunks:
        kind.feed(sketch, chunk)
    return sketch


@every
@given(st.lists(streams, min_size=1, max_size=4))
def test_merged_sketches_are_the_sketch_of_the_union(kind, parts):
    """Merging sketches of parts answers for the joined stream within the stated error."""
    merged = kind.new(1)
    for seed, part in enumerate(parts):
        merged.merge(fed(kind, seed, part))

    kind.check(merged, np.concatenate(parts))


@every
@given(streams, streams)
def test_a_stream_may_come_in_chunks(kind, first, second):
    """Feeding twice answers for the joined stream within the stated error."""
    kind.check(fed(kind, 1, first, second), np.concatenate([first, second]))


@every
@given(streams)
def test_merging_an_empty_sketch_changes_nothing(kind, rows):
    """An empty sketch is neutral, on either side."""
    sketch = fed(kind, 1, rows)
    before = kind.state(sketch)

    sketch.merge(kind.new(2))
    received = kind.new(3)
    received.merge(sketch)

    assert before == kind.state(sketch)
    assert sorted(before) == sorted(kind.state(received))


@every
@given(streams, streams)
def test_a_merge_leaves_the_other_sketch_as_it_was(kind, rows, others):
    """What is merged in stays its owner's, also when the receiver is fed on."""
    other = fed(kind, 2, others)
    before = kind.state(other)

    receiver = fed(kind, 1, rows)
    receiver.merge(other)
    kind.feed(receiver, rows)

    assert before == kind.state(other)
