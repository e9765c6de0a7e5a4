"""Joint: where the novel rows lie, and what the vector statistics say together."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from app.drift.blocks import Blocks
from app.drift.dependence import INDEPENDENT, Witness
from app.drift.mean_shift import MeanShift
from app.drift.moment import Moment
from app.drift.window import Window

FLOOR: Final = 0.04
"""A displacement of the novel rows, in squared standard deviations, that is not worth a word."""

OWN_FRAME: Final = 1.3
"""How many times the noise of as many other rows the baseline's mean has, as for `noise.OWN_FRAME`: 0.9 to 1.7."""

TOGETHER: Final = 1.25
"""The limit of a root sum of squares of three scores, as rarely exceeded as each one's."""


def novel_vectors(window: Window) -> Moment:
    """The mean of P'(x - mean), each row times the root of how far it is below the baseline's median novelty."""
    return Moment(np.asarray(window.frame.novel, np.float64), window.frame.n, window.vectors.n, window.repeats.factor)


def learn_novel_shift(blocks: Blocks, witness: Witness = INDEPENDENT) -> MeanShift:
    """`mean_shift` of the rows that few anchors resemble.

    What the baseline knows is left out, and with it most of the noise; a new topic or a changed tokenizer is among the
    rest and has a direction, which `novelty` and `mahalanobis` do not look at. In squared standard deviations, about 0
    with no drift.
    """
    # Measured: their design effect is 0.75 to 0.95 of that of all rows, their wobble 0.27 to 0.51.
    expected = witness.scaled(effect=0.85, wobble=0.4)
    return MeanShift.learn(
        blocks,
        dimensions=blocks.novel_dimensions,
        moment=novel_vectors,
        tolerance=0.0,
        floor=FLOOR,
        expected=expected,
        own=OWN_FRAME,
    )


def together(novel_shift: float, *others: float) -> float:
    """The score of `joint`: that of the novel rows' shift alone, or all together where that is more; >= 0.

    >>> together(0.9, 0.9, 0.9) > 1, together(1.2, 0, 0), together(-1, 0.5)
    (True, 1.2, 0.4)
    """
    combined = math.sqrt(sum(max(score, 0.0) ** 2 for score in (novel_shift, *others))) / TOGETHER
    return max(novel_shift, combined)
