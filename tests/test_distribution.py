"""The step function that statistics compare: cdf inverts quantile, joining and compacting keep their promise."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.distribution import Distribution, support

finite = st.floats(-1e6, 1e6, width=32)
few_values = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0])
data = st.lists(finite, min_size=1, max_size=60) | st.lists(few_values, min_size=1, max_size=60)
shares = st.floats(0.001, 1)


@given(data, finite)
def test_cdf_is_the_share_of_the_data_at_or_below_a_point(values, point):
    """The exact distribution answers as counting does."""
    expected = np.mean(np.asarray(values) <= point)

    assert abs(expected - Distribution.of(values).cdf(point)) < 1e-12


@given(data)
def test_values_ascend_and_the_last_share_is_one(values):
    """A distribution keeps the shape that its fields promise."""
    d = Distribution.of(values)

    assert np.all(np.diff(d.values) > 0)
    assert np.all(np.diff(d.cumulative) > 0)
    assert 1 == d.cumulative[-1]
    assert len(values) == d.n


@given(data, shares, finite)
def test_quantile_and_cdf_are_inverses(values, q, point):
    """quantile(q) <= x says the same as q <= cdf(x), but for q within rounding of a step."""
    d = Distribution.of(values)
    share = d.cdf(point)

    if abs(q - share) > 1e-9:
        assert (d.quantile(q) <= point) == (q <= share)


@given(data)
def test_the_quantile_of_each_step_is_its_value(values):
    """Exact ranks come back as the values they belong to."""
    d = Distribution.of(values)

    assert d.values.tolist() == d.quantile(d.cumulative).tolist()


@given(data, shares)
def test_quantiles_match_numpys_inverted_cdf(values, q):
    """numpy's method of that name is the oracle, away from exact ranks."""
    d = Distribution.of(values)

    if np.min(np.abs(d.cumulative - q)) > 1e-9:
        assert np.quantile(values, q, method="inverted_cdf") == d.quantile(q)


@given(data)
def test_weighted_values_stand_for_that_many_events(values):
    """A value with weight 3 is that value three times; equal values are joined."""
    weights = np.arange(1, len(values) + 1)
    joined = Distribution.weighted(values, weights, int(weights.sum()))
    repeated = Distribution.of(np.repeat(values, weights))

    assert repeated.values.tolist() == joined.values.tolist()
    np.testing.assert_allclose(joined.cumulative, repeated.cumulative, atol=1e-12)


@given(hnp.arrays(np.float64, st.integers(1, 300), elements=finite), st.integers(1, 40))
def test_compact_keeps_ranks_within_half_a_step(values, size):
    """At most `size` steps, none further off than 1 / (2 size) at any point, the same number of events."""
    d = Distribution.of(values)
    small = d.compact(size)
    points = support(d, small)

    assert small.values.size <= max(size, 1)
    assert np.max(np.abs(small.cdf(points) - d.cdf(points))) <= 1 / (2 * size) + 1e-9
    assert d.n == small.n


@given(data, data)
def test_support_holds_every_step_of_both(a, b):
    """Between two neighbouring points of the support neither distribution changes."""
    points = support(Distribution.of(a), Distribution.of(b))

    assert sorted(set(a) | set(b)) == points.tolist()
