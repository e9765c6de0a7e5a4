"""Kolmogorov-Smirnov distance."""

from __future__ import annotations

import math

import numpy as np

from app.distribution import Distribution
from app.drift.gap import gap
from app.drift.statistic import Statistic


def ks(current: Distribution, baseline: Distribution) -> float:
    """The largest gap between the two cumulative distributions; the distance, not its p-value.

    A ratio, 0 to 1, symmetric; the same under every monotone change of unit. With no drift about
    0.87 x sqrt(1/n + 1/m), less where the signal has ties. From sketches it is off by at most the sum of both
    rank errors (1.33 % a side for k = 200).

    Source: Hodges (1958), doi 10.1007/BF02589501; equal to scipy.stats.ks_2samp(...).statistic.

    >>> ks(Distribution.of([1, 2, 3, 4]), Distribution.of([3, 4, 5, 6]))
    0.5
    """
    _, difference = gap(current, baseline)
    return float(np.abs(difference).max())


def _noise_quantile(alpha: float) -> float:
    """Kolmogorov's distribution far in its tail: P(sqrt(n) KS > x) = 2 exp(-2 x^2)."""
    return math.sqrt(math.log(2 / alpha) / 2)


STATISTIC = Statistic(
    name="ks",
    unit="ratio",
    description="Kolmogorov-Smirnov distance: the largest gap between the two cumulative distributions; 0 to 1.",
    noise_exponent=0.5,
    minimum_events=50,
    compute=ks,
    noise_quantile=_noise_quantile,
)
