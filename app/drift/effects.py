"""Effects: how large a change is, in words that people understand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from app.drift.blocks import Blocks
from app.drift.dependence import INDEPENDENT, Witness, noise_of
from app.drift.noise import OWN_FRAME, Noise
from app.drift.sums import NOVELTY_LEVELS
from app.drift.window import Window

BOUND_QUANTILE: Final = 2.34
"""Of the standard normal: 5 % shared by the seven levels."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Sizes of a change; None where there is nothing to tell it from."""

    changed_share: float
    """Best estimate of the share of vectors unlike anything in the baseline; 0 to 1."""
    changed_share_lower_bound: float
    """"At least this share": above the truth in at most one window in twenty; 0 to 1."""
    mean_displacement: float
    """Squared shift of the mean in the baseline's standard deviations, noise removed: about 0 with no drift."""
    variance_log_ratio: float
    """Log of the total variance over the baseline's; below 0 vectors move together."""
    norm_change_ratio: float | None
    """Mean length over the baseline's, less 1."""
    invalid_share: float
    same_input_cosine: float | None
    same_input_changed_ratio: float | None
    same_input_matches: int
    same_input_inconsistent_ratio: float | None


class ChangedShare(NamedTuple):
    """A lower bound and a best estimate of the share of vectors unlike anything in the baseline."""

    lower_bound: float
    estimate: float


NOTHING_CHANGED: Final = ChangedShare(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Novelties:
    """The null distributions of the shares below the novelty quantiles, one for each of NOVELTY_LEVELS.

    If a share pi of the window comes from elsewhere, F1 = (1 - pi) F0 + pi G, then pi >= (F1(A) - F0(A)) / (1 - F0(A))
    for every set A: here the rows with a novelty below a quantile (Blanchard, Lee and Scott 2010, JMLR 11).
    """

    levels: tuple[Noise, ...]

    @classmethod
    def learn(cls, blocks: Blocks, witness: Witness = INDEPENDENT) -> Self:
        """From a baseline's blocks, and what the exact sums say where few rows were measured."""
        return cls(tuple(_level(blocks, level, share, witness) for level, share in enumerate(NOVELTY_LEVELS)))

    def changed_share(self, window: Window) -> ChangedShare:
        """Of a window with rows measured in the frame."""
        bounds, estimates, sums = [], [], window.frame
        rows, vectors = window.independent_rows, window.independent_vectors
        for count, null in zip(sums.below.tolist(), self.levels, strict=True):
            found, share = count / sums.n, null.mean
            own = null.variance
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
