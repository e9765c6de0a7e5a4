"""Mean squared Mahalanobis distance: rows that lie where the baseline has little variance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

from app.drift.blocks import Blocks
from app.drift.noise import Noise
from app.drift.window import Window

FLOOR: Final = 0.005
"""A share of the baseline's mean distance that is not worth a word."""


@dataclass(frozen=True, slots=True)
class MeanDistance:
    """Mean of |P'(x - mean)|^2 less the baseline's own, each of whose rows is measured without its part of P.

    In squared standard deviations, about 0 with no drift. Sees a smaller vocabulary, quantised models, noise.
    Mahalanobis (1936); as a detector Lee et al. (2018), arXiv 1807.03888.
    """

    noise: Noise

    @classmethod
    def learn(cls, blocks: Blocks) -> Self:
        """From a baseline's blocks."""
        variance = blocks.baseline.frame.distance_variance
        return cls(Noise.learn(blocks, _distance, lambda window: window.frame.n, variance))

    def rebased(self, baseline: Window) -> MeanDistance:
        """Around another baseline's mean distance; what came since may also vary more."""
        variance = max(self.noise.variance, baseline.frame.distance_variance)
        return MeanDistance(replace(self.noise, mean=_distance(baseline), variance=variance, events=baseline.frame.n))

    def value(self, window: Window) -> float:
        """Mean distance above the baseline's."""
        return _distance(window) - self.noise.mean

    def limit(self, window: Window, alpha: float) -> float:
        """The value that as many healthy events exceed with a probability of about alpha / FAMILY."""
        return max(self.noise.limit(window.independent_rows, alpha), FLOOR * self.noise.mean)


def _distance(window: Window) -> float:
    return window.frame.distance / window.frame.n
