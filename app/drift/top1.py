"""Top-1: the Wasserstein distance of the best results' similarities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

from app.distribution import Distribution
from app.drift.blocks import Spans
from app.drift.limit import Limit
from app.drift.norm import learn_distance_limit
from app.drift.wasserstein import wasserstein

FLOOR: Final = 0.002
"""Share of the baseline's median similarity that storage in float16 never moves."""


@dataclass(frozen=True, slots=True, eq=False)
class Top1:
    """W1(top-1 similarities, the baseline's): how far the mean query's best match has moved; 0 to unbounded."""

    baseline: Distribution
    limits: Limit

    @classmethod
    def learn(cls, blocks: Spans, alpha: float) -> Self | None:
        """From a baseline's blocks; None where they have no scores, or too few of them have."""
        baseline = blocks.baseline.top1
        if baseline is None:
            return None
        floor = max(FLOOR * abs(float(baseline.quantile(0.5))), 1e-9)
        limits = learn_distance_limit([window.top1 for window in blocks.windows], baseline, floor, alpha)
        return None if limits is None else cls(baseline, limits)

    def rebased(self, baseline: Distribution) -> Top1:
        """Around another baseline's similarities."""
        return Top1(baseline, replace(self.limits, baseline_events=baseline.n))

    def value(self, current: Distribution) -> float:
        """Wasserstein distance."""
        return wasserstein(current, self.baseline)

    def limit(self, current: Distribution) -> float:
        """Above 0."""
        return self.limits.at(current.n)
