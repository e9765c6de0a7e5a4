"""Effects: how large a change is, in words that people understand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np

from app.drift.blocks import Blocks
from app.drift.dependence import INDEPENDENT, Witness, noise_of
from app.drift.noise import OWN_FRAME, Noise
from app.drift.sums import NOVELTY_LEVELS, FrameSums
from app.drift.window import Window

_EXCESS_LEVEL: Final = NOVELTY_LEVELS.index(0.05)

BOUND_QUANTILE: Final = 2.34
"""What the largest of seven normal variables exceeds in 5 %, correlated as nested shares are."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Sizes of a change; None where there is nothing, or too little, to tell it from."""

    changed_share: float | None
    """Best estimate of the share of vectors unlike anything in the baseline; 0 to 1."""
    changed_share_lower_bound: float | None
    """"At least this share": above the truth in at most one window in twenty; 0 to 1."""
    mean_displacement: float | None
    """Squared shift of the mean in the baseline's standard deviations, noise removed: about 0 with no drift."""
    variance_log_ratio: float | None
    """Log of the total variance over the baseline's; below 0 vectors move together."""
    norm_change_ratio: float | None
    """Mean length over the baseline's, less 1."""
    ood_excess_ratio: float | None
    """Share of vectors newer than 95 % of the baseline's, less 0.05; -0.05 to 0.95."""
    centroid_cosine: float | None
    """Cosine of the mean vectors of window and baseline; -1 to 1."""
    invalid_share: float
    same_input_cosine: float | None
    same_input_changed_ratio: float | None
    same_input_matches: int
    same_input_inconsistent_ratio: float | None


class ChangedShare(NamedTuple):
    """A lower bound and a best estimate of the share of vectors unlike anything in the baseline."""

    lower_bound: float
    estimate: float


@dataclass(frozen=True, slots=True)
class Novelties:
    """The null distributions of the shares below the novelty quantiles, one for each of NOVELTY_LEVELS.

    If a share pi of the window comes from elsewhere, F1 = (1 - pi) F0 + pi G, then pi >= (F1(A) - F0(A)) / (1 - F0(A))
    for every set A: here the rows with a novelty below a quantile (Blanchard, Lee and Scott 2010, JMLR 11).
    """

    levels: tuple[Noise, ...]
    """Of the share of rows below each quantile."""

    @classmethod
    def learn(cls, blocks: Blocks, witness: Witness = INDEPENDENT) -> Self:
        """From a baseline's blocks, and what the exact sums say where few rows were measured."""
        return cls(tuple(_level(blocks, level, share, witness) for level, share in enumerate(NOVELTY_LEVELS)))

    def rebased(self, baseline: Window) -> Novelties:
        """Around the shares of another baseline, n >= 1, measured in the same frame."""
        shares = np.clip(baseline.frame.below / baseline.frame.n, 1e-3, 0.999).tolist()
        levels = (
            level.rebased(share, share * (1 - share), baseline)
            for level, share in zip(self.levels, shares, strict=True)
        )
        return Novelties(tuple(levels))

    def out_of_distribution_excess(self, sums: FrameSums) -> float:
        """Share of rows newer than 95 % of the first baseline's, less that of this one; n >= 1."""
        return float(sums.below[_EXCESS_LEVEL]) / sums.n - self.levels[_EXCESS_LEVEL].mean

    def changed_share(self, window: Window) -> ChangedShare:
        """Of a window with n >= 1 rows measured in the frame."""
        bounds, estimates = [], []
        rows, vectors = window.independent_rows, window.independent_vectors
        for count, null in zip(window.frame.below.tolist(), self.levels, strict=True):
            found, share, own = count / window.frame.n, null.mean, null.variance
            noise = own * null.baseline + max(found * (1 - found), own) * noise_of(rows, vectors, null.effect)
            error = BOUND_QUANTILE * math.sqrt(noise + null.wobble)
            bounds.append((found - share - error) / (1 - share))
            estimates.append((found - share) / (1 - share))
        best = max(range(len(bounds)), key=bounds.__getitem__)
        return ChangedShare(max(bounds[best], 0.0), max(estimates[best], 0.0))


def _level(blocks: Blocks, level: int, share: float, witness: Witness) -> Noise:
    return Noise.learn(
        blocks,
        lambda window: float(window.frame.below[level]) / window.frame.n,
        lambda window: window.frame.n,
        share * (1 - share),
        witness=witness.scaled(effect=1.0, wobble=0.5),
        own=OWN_FRAME,
    )
