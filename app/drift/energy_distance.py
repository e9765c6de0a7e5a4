"""Energy distance of two scalar distributions, as scipy defines it."""

from __future__ import annotations

import math

import numpy as np

from app.distribution import Distribution
from app.drift.gap import gap
from app.drift.statistic import Statistic


def energy_distance(current: Distribution, baseline: Distribution) -> float:
    """The square root of 2 E|X - Y| - E|X - X'| - E|Y - Y'|, which is sqrt(2 x integral of (F - G)^2).

    Unit: the square root of the signal's unit; 0 to unbounded, symmetric, a metric. Some authors call the square
    of it energy distance. A shift of a constant signal by d reads sqrt(2 d). With no drift about
    1.0 x sqrt(standard deviation x (1/n + 1/m)) for a normal signal. From sketches it is off by at most the sum of
    rank error x sqrt(2 range) over both sides.

    Source: Rizzo and Szekely (2016), doi 10.1002/wics.1375; equal to scipy.stats.energy_distance.

    >>> energy_distance(Distribution.of([0]), Distribution.of([2]))
    2.0
    """
    points, difference = gap(current, baseline)
    return math.sqrt(2 * float(np.square(difference[:-1]) @ np.diff(points)))


STATISTIC = Statistic(
    name="energy_distance",
    unit="square root of the signal's unit",
    description="Energy distance, the square root of twice the integral of (F - G) squared; 0 to unbounded.",
    noise_exponent=0.5,
    minimum_events=50,
    compute=energy_distance,
)
