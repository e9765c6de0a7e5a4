"""How much memory a series takes at most: what the store counts on before it gives a place away."""

from __future__ import annotations

from typing import Final

from app.drift.whitening import RANK
from app.frame import ANCHORS, COMPONENTS, FEATURES
from app.model import Timing
from app.series.block import BLOCK_STEPS
from app.series.folding import COUNTED, WINDOW_SAMPLE_ROWS
from app.series.learning import KEPT_BLOCKS, SAMPLE_ROWS
from app.series.measuring import STAGED_ROWS
from app.series.pane import FRAME_SIGNALS, LASTING_SIGNALS
from app.series.series import STAGED_NUMBERS
from app.signals import SIGNALS
from app.sketch import QuantileSketch

# The second numbers are objects and allocation, as measured by tests/test_memory.py.
PANE_OVERHEAD: Final = 1_700
BLOCK_NBYTES: Final = len(LASTING_SIGNALS) * 4 * BLOCK_STEPS + 1_400

ROW_NBYTES: Final = 24
"""Norm, time and priority of a sampled vector."""

KNOWN_INPUTS: Final = 512
RECENT_INPUTS: Final = 128

FIXED_NBYTES: Final = 400_000
"""Totals, staged scores, and of a baseline the distributions, limits and components."""

RETRIEVAL_NBYTES: Final = 190_000
"""Sketches of ids with those of the baseline, and the lowest matches."""


def full_series_nbytes(timing: Timing, dimension: int) -> int:
    """What a series and its final baseline take at most, once all panes, blocks and samples are full."""
    panes = [rung.panes + 1 for rung in timing.rungs]
    signals = [len(SIGNALS) + 1 + len(FRAME_SIGNALS)] * 2 + [len(SIGNALS) + 1] + [len(LASTING_SIGNALS)] * len(panes)
    sketches = sum(count * kept for count, kept in zip(panes, signals, strict=False)) * QuantileSketch.MAX_NBYTES
    sums = sum(panes) * ((8 + 4) * dimension + PANE_OVERHEAD) + sum(panes[:2]) * 4 * FEATURES
    frame = dimension * (2 * ANCHORS + 4 * RANK) + 4 * SAMPLE_ROWS * COMPONENTS
    blocks = (KEPT_BLOCKS + KEPT_BLOCKS // 8) * ((4 + 4) * dimension + BLOCK_NBYTES)
    rows = 2 * sum(WINDOW_SAMPLE_ROWS.values()) + KNOWN_INPUTS
    staged = 4 * STAGED_NUMBERS + 8 * COUNTED.numbers + 4 * (STAGED_ROWS + RECENT_INPUTS) * dimension
    return (
        FIXED_NBYTES
        + RETRIEVAL_NBYTES
        + sketches
        + sums
        + frame
        + blocks
        + rows * (ROW_NBYTES + 2 * dimension)
        + staged
    )
