"""The difference of two cumulative distributions: the core that the distances of this package share."""

from __future__ import annotations

from app.distribution import Distribution, support
from app.model import Floats


def gap(current: Distribution, baseline: Distribution) -> tuple[Floats, Floats]:
    """The ascending points where either distribution steps, and F_current - F_baseline from each point to the next.

    Both have shape (k,); the last difference is 0. O(k log k) with k up to the sum of both numbers of steps.

    >>> points, difference = gap(Distribution.of([1, 3]), Distribution.of([2, 3]))
    >>> points.tolist(), difference.tolist()
    ([1.0, 2.0, 3.0], [0.5, 0.0, 0.0])
    """
    points = support(current, baseline)
    return points, current.cdf(points) - baseline.cdf(points)
