"""Bucket counts against numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.signals import NORM_BOUNDS, SIMILARITY_BOUNDS
from app.sketch import BucketCounts

near_bounds = st.sampled_from(NORM_BOUNDS + SIMILARITY_BOUNDS).flatmap(
    lambda bound: st.sampled_from([np.nextafter(bound, -np.inf), bound, np.nextafter(bound, np.inf)])
)


@given(st.sampled_from([NORM_BOUNDS, SIMILARITY_BOUNDS]), st.lists(st.floats(-2, 200) | near_bounds))
def test_each_count_is_of_the_values_at_or_below_its_bound(bounds, values):
    """A value on a bound belongs to it, the next float above does not."""
    data = np.array(values, dtype=np.float64)
    counts = BucketCounts(bounds)

    counts.update(data)

    expected = [int(np.count_nonzero(data <= bound)) for bound in bounds]
    assert [*expected, len(values)] == counts.cumulative.tolist()
