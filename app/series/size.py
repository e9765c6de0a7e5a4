"""How much memory a series takes at most: what the store counts on before it gives a place away."""

from __future__ import annotations

from app.model import Timing
from app.series.learning import BLOCK_STEPS, SAMPLE_ROWS, kept_blocks
from app.series.series import STAGED_NUMBERS, WINDOW_SAMPLE_ROWS
from app.signals import SIGNALS
from app.sketch import QuantileSketch

# The second numbers are objects and allocation, as measured by tests/test_memory.py.
PANE_NBYTES = len(SIGNALS) * QuantileSketch.MAX_NBYTES + 800
BLOCK_NBYTES = len(SIGNALS) * (4 * BLOCK_STEPS + 80) + 350

ROW_NBYTES = 24
"""Norm, time and priority of a sampled vector."""

FIXED_NBYTES = 200_000
"""Totals, staged scores, and of a baseline the distributions and limits."""


def full_series_nbytes(timing: Timing, dimension: int) -> int:
    """What a series and its baseline take at most, once all panes, blocks and samples are full."""
    # One pane of each rung is partly in the span of the next.
    panes = sum(rung.panes + 1 for rung in timing.rungs)
    rows = SAMPLE_ROWS + 2 * WINDOW_SAMPLE_ROWS * len(timing.windows)
    return (
        FIXED_NBYTES
        + 4 * STAGED_NUMBERS
        + sum(kept_blocks(timing).values()) * BLOCK_NBYTES
        + panes * (PANE_NBYTES + 8 * dimension)
        + rows * (ROW_NBYTES + 2 * dimension)
    )
