"""Spread: whether vectors move together (collapse) or apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Self

from app.drift.blocks import Blocks
from app.drift.dependence import INDEPENDENT, Witness
from app.drift.noise import Noise
from app.drift.window import Window

FLOOR: Final = 0.002
"""A change of the variance that is not worth a word: twice what storage in float16 makes of lengths."""

_TINY: Final = 1e-30


@dataclass(frozen=True, slots=True)
class Spread:
    """|log of the ratio of total variances|, the window's to the baseline's; from exact sums alone.

    0 to unbounded. Vectors that move to their mean by a share a read -2 log(1 - a): collapse by 10 % is 0.21.
    The trace of the covariance as a measure of representation collapse: Jing et al. (2022), arXiv 2110.09348.
    """

    base: float
    """Log of the baseline's total variance."""
    noise: Noise

    @classmethod
    def learn(cls, blocks: Blocks, witness: Witness = INDEPENDENT) -> Self:
        """From a baseline's blocks, and what the mean says of wobble that eight blocks may not show."""
        base = _log_variance(blocks.baseline)
        noise = Noise.learn(
            blocks,
            lambda window: _log_variance(window) - base,
            lambda window: window.vectors.n,
            blocks.space.length_variance,
            witness=witness.scaled(effect=1.5, wobble=2.0),
            linear=False,
        )
        return cls(base, noise)

    def rebased(self, baseline: Window) -> Spread:
        """Around another baseline's variance."""
        return Spread(_log_variance(baseline), replace(self.noise, baseline=self.noise.effect / baseline.vectors.n))

    def log_ratio(self, window: Window) -> float:
        """Signed: below 0 the window is narrower than the baseline's blocks of this duration; n >= 2."""
        return _log_variance(window) - self.base - self.noise.mean

    def value(self, window: Window) -> float:
        """Absolute value of the log ratio."""
        return abs(self.log_ratio(window))

    def limit(self, window: Window, alpha: float) -> float:
        """The value that as many healthy events exceed with a probability of about alpha / FAMILY; two-sided."""
        return max(self.noise.limit(window.independent_vectors, window.independent_vectors, alpha / 2), FLOOR)


def _log_variance(window: Window) -> float:
    return math.log(window.vectors.variance + _TINY)
