"""Wasserstein distance of the first order, also called earth mover's distance."""

from __future__ import annotations

import numpy as np

from app.distribution import Distribution
from app.drift.gap import gap
from app.drift.statistic import Statistic


def wasserstein(current: Distribution, baseline: Distribution) -> float:
    """W1: the area between the two cumulative distributions, the mean distance that an event has to move.

    In the signal's unit, 0 to unbounded, symmetric. A shift of everything by d reads d. With no drift about
    1.3 standard deviations x sqrt(1/n + 1/m) for a normal signal. From sketches it is off by at most the sum of
    rank error x range over both sides.

    Source: Vallender (1974), doi 10.1137/1118101; equal to scipy.stats.wasserstein_distance.

    >>> wasserstein(Distribution.of([0, 1, 3]), Distribution.of([5, 6, 8]))
    5.0
    """
    points, difference = gap(current, baseline)
    return float(np.abs(difference[:-1]) @ np.diff(points))


STATISTIC = Statistic(
    name="wasserstein",
    unit="the signal's unit",
    description="Wasserstein distance W1 (earth mover's distance): how far the mean event has to move; 0 to unbounded.",
    noise_exponent=0.5,
    minimum_events=50,
    compute=wasserstein,
)
