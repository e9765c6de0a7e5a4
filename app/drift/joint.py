"""Joint: where the novel rows lie, mean shift and novelty in one."""

from __future__ import annotations

from app.drift.blocks import Blocks
from app.drift.dependence import INDEPENDENT, Witness
from app.drift.mean_shift import MeanShift, Moment
from app.drift.window import Window


def novel_vectors(window: Window) -> Moment:
    """The mean of P'(x - mean), novel rows counting as they are and all others as 0."""
    return Moment(window.frame.novel, window.frame.n, window.vectors.n, window.repeats.factor)


def learn_joint(blocks: Blocks, witness: Witness = INDEPENDENT) -> MeanShift:
    """`mean_shift` of those rows alone that few anchors resemble.

    What the baseline knows is left out, and with it four fifths of the noise; a new topic or a changed tokenizer is
    among the rest and has a direction, which `novelty` and `mahalanobis` do not look at. In squared standard deviations
    of all rows, about 0 with no drift. It sees a topic of 5 % where `mean_shift` needs 10 %.
    """
    expected = witness.scaled(effect=0.8, wobble=0.3)
    return MeanShift.learn(
        blocks, dimensions=blocks.novel_dimensions, moment=novel_vectors, tolerance=0.0, expected=expected, own=1.25
    )
