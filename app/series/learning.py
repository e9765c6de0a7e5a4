"""What a series keeps while its baseline is learned: all of it, a vector sample, and its time blocks."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.distribution import Distribution
from app.model import Floats, Timing
from app.series.pane import Pane
from app.sketch import Reservoir, VectorSample

SAMPLE_ROWS = 2048
"""Vectors kept of a baseline: 1,024 anchors and as many rows beside them, 3 MiB at 768 dimensions."""

BLOCK_STEPS = 64
"""Steps kept of each signal's distribution in a block: rank error 0.8 %, a quarter of what 300 events leave."""

MINIMUM_KEPT_BLOCKS = 48
"""Blocks kept at least of each duration: two days of hours, for a series too quiet to fill its baseline in one."""


def kept_blocks(timing: Timing) -> dict[str, int]:
    """How many blocks are kept of each window's duration: those of the baseline's, at least `MINIMUM_KEPT_BLOCKS`.

    >>> kept_blocks(Timing())
    {'5m': 288, '1h': 48}
    """
    return {
        window: max(MINIMUM_KEPT_BLOCKS, math.ceil(timing.baseline_duration_seconds / seconds))
        for window, seconds in timing.windows.items()
        if seconds < timing.baseline_duration_seconds
    }


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A closed stretch of the baseline's time: its events, and each signal's distribution in little memory."""

    start: float
    events: int
    signals: dict[str, int]
    """How many events had each signal."""
    quantiles: NDArray[np.float32]
    """For each signal, mid-rank quantiles of equal shares: one an event up to `BLOCK_STEPS`, so exact until then."""

    @classmethod
    def of(cls, start: float, pane: Pane) -> Block:
        """The block that a pane became."""
        signals = {name: sketch.n for name, sketch in pane.quantiles.items()}
        quantiles = np.empty(sum(map(_steps, signals.values())), np.float32)
        filled = 0
        for name, n in signals.items():
            shares = (np.arange(_steps(n)) + 0.5) / _steps(n)
            quantiles[filled : filled + shares.size] = pane.quantiles[name].distribution().quantile(shares)
            filled += shares.size
        return cls(start, pane.events, signals, quantiles)

    def values(self, signal: str) -> NDArray[np.float32]:
        """The quantiles of one signal, each for as many of its events; empty where no event had it."""
        before = 0
        for name, n in self.signals.items():
            if name == signal:
                return self.quantiles[before : before + _steps(n)]
            before += _steps(n)
        return self.quantiles[:0]


def _steps(n: int) -> int:
    return min(BLOCK_STEPS, n)


@dataclass(frozen=True, slots=True)
class Material:
    """All that a baseline is made of, whether it was learned or taken from a window."""

    started: float
    events: int
    signals: dict[str, Distribution]
    blocks: dict[str, tuple[Block, ...]]
    """Time blocks for each window's duration, oldest first."""
    sample: VectorSample | None


@dataclass(slots=True)
class _OpenBlock:
    number: int
    pane: Pane = field(default_factory=Pane)


class Learning:
    """Collects a baseline from the panes that leave the first rung, the events too late for it, and arriving vectors.

    Blocks are kept for the duration of each window that fits several times into the baseline.
    """

    def __init__(self, timing: Timing, started: float, rng: np.random.Generator) -> None:
        self.started = started
        self.whole = Pane()
        self.sample: Reservoir | None = None
        self._rng = rng
        self._pane_seconds = timing.rungs[0].pane_seconds
        # A series too quiet to fill its baseline in time learns on; its oldest blocks make room.
        self.blocks: dict[str, deque[Block]] = {
            window: deque(maxlen=kept) for window, kept in kept_blocks(timing).items()
        }
        self._open: dict[str, _OpenBlock] = {}
        # Counted in whole panes, so that no rounding of a start moves a pane into the block before.
        self._panes_per_block = {window: round(timing.windows[window] / self._pane_seconds) for window in self.blocks}

    def add_pane(self, position: int, pane: Pane) -> None:
        """Take in a pane by its number in the first rung, unless it ended before learning began.

        What comes after its block has closed counts for the whole alone.
        """
        if (position + 1) * self._pane_seconds <= self.started:
            return
        self.whole.merge(pane)
        for window, panes in self._panes_per_block.items():
            number = position // panes
            block = self._open.get(window)
            if block is None or block.number < number:
                if block is not None:
                    self._close(window, block)
                block = self._open[window] = _OpenBlock(number)
            if block.number == number:
                block.pane.merge(pane)

    def add_vectors(self, vectors: NDArray[np.float32], times: Floats) -> None:
        """Offer vectors to the sample; vectors of another length than before begin it anew."""
        if self.sample is None or self.sample.dimension != vectors.shape[1]:
            self.sample = Reservoir(SAMPLE_ROWS, vectors.shape[1], self._rng)
        self.sample.update(vectors, times)

    def material(self) -> Material:
        """What was collected so far, as the caller's own copy."""
        return Material(
            started=self.started,
            events=self.whole.events,
            signals={name: sketch.distribution() for name, sketch in self.whole.quantiles.items()},
            blocks={window: tuple(blocks) for window, blocks in self.blocks.items()},
            sample=None if self.sample is None else self.sample.sample(),
        )

    @property
    def block_nbytes(self) -> int:
        """Bytes of the closed blocks."""
        return sum(block.quantiles.nbytes for blocks in self.blocks.values() for block in blocks)

    def _close(self, window: str, block: _OpenBlock) -> None:
        start = block.number * self._panes_per_block[window] * self._pane_seconds
        self.blocks[window].append(Block.of(start, block.pane))
