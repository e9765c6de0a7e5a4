"""Norm: the Wasserstein distance of vector lengths in units of the baseline's median length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from app.distribution import Distribution
from app.drift.blocks import Spans
from app.drift.limit import Limit, learn_limit
from app.drift.noise import FAMILY
from app.drift.wasserstein import STATISTIC, wasserstein

FLOOR: Final = 0.002
"""Storage in float16 moves a length by at most 2^-11 = 0.0005 of itself, in int8 by about 0.001."""

_OF_SMALL_BLOCKS: Final = replace(STATISTIC, minimum_events=10)
"""A reference of 200 rows has blocks of 25: limits grow with their noise, but there is one."""


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """W1(lengths, the baseline's lengths) / median of the baseline's; 0 to unbounded.

    0.01 is every vector 1 % longer, or one in a hundred twice as long. Definition and limit as for `wasserstein`.
    """

    baseline: Distribution
    median: float
    limits: Limit

    @classmethod
    def learn(cls, blocks: Spans, alpha: float) -> Self | None:
        """From a baseline's blocks; None where they have no lengths, or too few of them have."""
        baseline = blocks.baseline.norms
        if baseline is None:
            return None
        median = _median(baseline)
        limits = learn_distance_limit([window.norms for window in blocks.windows], baseline, FLOOR * median, alpha)
        return None if limits is None else cls(baseline, median, limits)

    def rebased(self, baseline: Distribution) -> Norm:
        """Around another baseline's lengths."""
        return Norm(baseline, _median(baseline), replace(self.limits, baseline_events=baseline.n))

    def value(self, current: Distribution) -> float:
        """Relative Wasserstein distance."""
        return wasserstein(current, self.baseline) / self.median

    def limit(self, current: Distribution) -> float:
        """At least FLOOR."""
        return self.limits.at(current.n) / self.median

    def change_ratio(self, current: Distribution) -> float:
        """Mean length over the baseline's, less 1: negative where vectors got shorter."""
        return _mean(current) / max(_mean(self.baseline), float(np.finfo(np.float32).tiny)) - 1


def learn_distance_limit(
    windows: list[Distribution | None], baseline: Distribution, floor: float, alpha: float
) -> Limit | None:
    """The limit of the Wasserstein distance of a signal, from the blocks that have it."""
    present = [window for window in windows if window is not None and window.n < baseline.n]
    values = [wasserstein(window, baseline) for window in present]
    sizes = [window.n for window in present]
    return learn_limit(values, sizes, baseline.n, _OF_SMALL_BLOCKS, floor, alpha=alpha / FAMILY)


def _median(distribution: Distribution) -> float:
    return max(float(distribution.quantile(0.5)), float(np.finfo(np.float32).tiny))


def _mean(distribution: Distribution) -> float:
    return float(distribution.values @ np.diff(distribution.cumulative, prepend=0.0))
