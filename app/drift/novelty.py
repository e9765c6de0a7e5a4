"""Novelty depth: how far vectors fall below what the baseline itself calls unusual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from app.drift.blocks import Blocks
from app.drift.dependence import INDEPENDENT, Witness
from app.drift.noise import OWN_FRAME, Noise
from app.drift.window import Window

SKEWNESS: Final = 4.0
"""Of one row's depth: four of five have depth 0."""

FLOOR: Final = 5e-4
"""A difference of cosines that storage in float16 may make."""


@dataclass(frozen=True, slots=True)
class Novelty:
    """Mean of max(0, q - cosine to the nearest anchor) less the baseline's own, q being its 20 % quantile.

    A cosine, about 0 with no drift, at most 2. Sees what no anchor resembles: new topics, languages, broken text.
    Nearest-neighbour novelty after Loftsgaarden and Quesenberry (1965), doi 10.1214/aoms/1177700079, as in deep
    nearest-neighbour detection of out-of-distribution inputs (Sun et al. 2022, arXiv 2204.06507).
    """

    noise: Noise

    @classmethod
    def learn(cls, blocks: Blocks, witness: Witness = INDEPENDENT) -> Self:
        """From a baseline's blocks, and what the exact sums say where few rows were measured."""
        variance = blocks.baseline.frame.depth_variance
        expected = witness.scaled(effect=1.0, wobble=0.8)
        return cls(
            Noise.learn(blocks, _depth, lambda window: window.frame.n, variance, witness=expected, own=OWN_FRAME)
        )

    def rebased(self, baseline: Window) -> Novelty:
        """Around another baseline's mean depth; what came since may also vary more."""
        return Novelty(self.noise.rebased(_depth(baseline), baseline.frame.depth_variance, baseline))

    def deeper(self, baseline: Window) -> float:
        """How many times the depth another baseline has; >= 1."""
        return max(_depth(baseline) / max(self.noise.mean, FLOOR), 1.0)

    def value(self, window: Window) -> float:
        """Mean depth above the baseline's."""
        return _depth(window) - self.noise.mean

    def limit(self, window: Window, alpha: float) -> float:
        """The value that as many healthy events exceed with a probability of about alpha / FAMILY."""
        return max(self.noise.limit(window.independent_rows, window.independent_vectors, alpha, SKEWNESS), FLOOR)


def _depth(window: Window) -> float:
    return window.frame.depth / window.frame.n
