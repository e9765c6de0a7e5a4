"""Mean squared Mahalanobis distance: rows that lie where the baseline has little variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from app.drift.blocks import Blocks
from app.drift.dependence import INDEPENDENT, Witness
from app.drift.noise import OWN_FRAME, Noise
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
    def learn(cls, blocks: Blocks, witness: Witness = INDEPENDENT) -> Self:
        """From a baseline's blocks, and what the exact sums say where few rows were measured."""
        variance = blocks.baseline.frame.distance_variance
        expected = witness.scaled(effect=1.3, wobble=3.0)
        return cls(
            Noise.learn(blocks, _distance, lambda window: window.frame.n, variance, witness=expected, own=OWN_FRAME)
        )

    def rebased(self, baseline: Window) -> MeanDistance:
        """Around another baseline's mean distance; what came since may also vary more."""
        return MeanDistance(self.noise.rebased(_distance(baseline), baseline.frame.distance_variance, baseline))

    def value(self, window: Window) -> float:
        """Mean distance above the baseline's."""
        return _distance(window) - self.noise.mean

    def limit(self, window: Window, alpha: float) -> float:
        """The value that as many healthy events exceed with a probability of about alpha / FAMILY."""
        return max(
            self.noise.limit(window.independent_rows, window.independent_vectors, alpha), FLOOR * self.noise.mean
        )


def _distance(window: Window) -> float:
    return window.frame.distance / window.frame.n
