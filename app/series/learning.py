"""What a series keeps while its baseline is learned: all of it, samples, and sums of its time blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.drift.sums import VectorSums
from app.model import Floats, Timing
from app.series.block import Block
from app.series.pane import Pane
from app.series.retrieval import ResultKeys
from app.sketch import DistinctKeys, FrequentInputs, Reservoir, VectorSample
from app.tree import Pieces, Tree

SAMPLE_ROWS: Final = 2048
"""Vectors kept of a baseline while it is learned: its frame is fitted from them."""

BLOCKS_A_DURATION: Final = 24
"""A short baseline has at least so many blocks: limits need sixteen."""

KEPT_BLOCKS: Final = 288
"""Blocks of a day. A longer baseline has longer ones, or its limits would take more memory than its windows."""


def block_panes(timing: Timing) -> int:
    """How many panes of the first rung make a block: as long as the shortest window, less for a short baseline.

    >>> block_panes(Timing()), block_panes(Timing(baseline_duration_seconds=3600))
    (30, 15)
    """
    shortest = min(timing.windows.values())
    seconds = min(shortest, timing.baseline_duration_seconds / BLOCKS_A_DURATION)
    return max(1, math.floor(seconds / timing.rungs[0].pane_seconds + 1e-9))


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Inputs of a baseline and the first vector that each had."""

    keys: NDArray[np.uint64]
    """Ascending; shape (k,)."""
    directions: NDArray[np.float16]
    """Unit vectors, shape (k, d)."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """All that a baseline is made of, whether it was learned or taken from a window."""

    started: float
    whole: Pane
    block_seconds: float
    blocks: tuple[Block, ...]
    """Time blocks, oldest first."""
    sample: VectorSample | None
    inputs: Inputs | None = None
    results: ResultKeys | None = None

    @property
    def events(self) -> int:
        """Events of the baseline."""
        return self.whole.events


class Learned(NamedTuple):
    """How far the learning of a baseline has come."""

    since: float
    """Unix seconds."""
    events: int
    blocks: int
    """Time blocks that have closed."""


@dataclass(slots=True)
class _OpenBlock:
    number: int
    pane: Pane


class Learning:
    """Collects a baseline from the panes that leave the first rung, the events too late for it, and arriving vectors.

    A series too quiet to fill its baseline in time learns on: once all places are taken, two blocks become one, so
    that they always cover the whole of it.
    """

    def __init__(self, timing: Timing, started: float, rng: np.random.Generator) -> None:
        self.started = started
        self.paused_seconds = 0.0
        """Since then, without an exporter: no part of the time that a baseline takes."""
        self.whole = Pane()
        self.sample: Reservoir | None = None
        self.inputs: FrequentInputs | None = None
        self.results: ResultKeys | None = None
        self._rng = rng
        self._pane_seconds = timing.rungs[0].pane_seconds
        # Counted in whole panes, so that no rounding of a start moves a pane into the block before.
        self._panes_per_block = block_panes(timing)
        self.blocks: list[Block] = []
        self._numbers: list[int] = []
        self._open: _OpenBlock | None = None

    def add_pane(self, position: int, pane: Pane) -> None:
        """Take in a pane by its number in the first rung, unless it ended before learning began.

        What comes after its block has closed counts for the whole alone.
        """
        if (position + 1) * self._pane_seconds <= self.started:
            return
        self.whole.merge(pane)
        number = position // self._panes_per_block
        if self._open is None or self._open.number < number:
            if self._open is not None:
                self._close(self._open)
                number = position // self._panes_per_block
            self._open = _OpenBlock(number, Pane())
        if self._open.number == number:
            self._open.pane.merge(pane)

    def add_vectors(self, vectors: NDArray[np.float32], times: Floats) -> None:
        """Offer vectors to the sample; vectors of another length than before begin it anew."""
        if self.sample is None or self.sample.dimension != vectors.shape[1]:
            self.sample = Reservoir(SAMPLE_ROWS, vectors.shape[1], self._rng)
        self.sample.update(vectors, times)

    def add_inputs(
        self, keys: NDArray[np.uint64], vectors: NDArray[np.float32], probes: NDArray[np.bool_] | None = None
    ) -> None:
        """Offer inputs with their vectors; probes are kept whatever else comes."""
        if self.inputs is None or self.inputs.dimension != vectors.shape[1]:
            self.inputs = FrequentInputs(dimension=vectors.shape[1])
        self.inputs.update(keys, vectors, probes)

    def add_results(self, keys: NDArray[np.uint64], mark: int) -> None:
        """Add documents that were found, by hashes of their ids made with the secret of this mark."""
        if self.results is None:
            self.results = ResultKeys(DistinctKeys(), mark)
        self.results.distinct.update(keys)

    def forget_vectors(self) -> None:
        """Let go of what was kept of vectors: most turned out to be of another length."""
        self.sample = None
        self.inputs = None
        for pane in [self.whole] if self._open is None else [self.whole, self._open.pane]:
            pane.forget_vectors()
        self.blocks = [replace(block, vectors=VectorSums.none()) for block in self.blocks]

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes."""
        opened = self._open
        return {
            "started": self.started,
            "paused_seconds": self.paused_seconds,
            "whole": pieces.piece(self.whole.stamp, self.whole.freeze),
            "sample": None if self.sample is None else self.sample.freeze(pieces),
            "inputs": None if self.inputs is None else self.inputs.freeze(pieces),
            "results": None if self.results is None else self.results.freeze(),
            "panes_per_block": self._panes_per_block,
            "blocks": [
                [number, pieces.piece(block.stamp, block.freeze)]
                for number, block in zip(self._numbers, self.blocks, strict=True)
            ],
            "open": None if opened is None else opened.number,
            "open_pane": None if opened is None else pieces.piece(opened.pane.stamp, opened.pane.freeze),
        }

    @classmethod
    def thawed(cls, tree: Tree, timing: Timing, rng: np.random.Generator, paused_seconds: float) -> Self:
        """What was frozen so long ago. Raises ValueError where too much of it is lost to go on."""
        whole = Pane.thaw(tree["whole"])
        if whole is None:
            raise ValueError("what was learned is lost")
        thawed = cls(timing, tree["started"], rng)
        thawed.whole = whole
        thawed.paused_seconds = tree["paused_seconds"] + paused_seconds
        thawed.sample = None if tree["sample"] is None else Reservoir.thaw(tree["sample"], rng)
        thawed.inputs = None if tree["inputs"] is None else FrequentInputs.thaw(tree["inputs"])
        thawed.results = None if tree["results"] is None else ResultKeys.thaw(tree["results"])
        thawed._panes_per_block = tree["panes_per_block"]
        for number, piece in tree["blocks"]:
            if (block := Block.thaw(piece)) is not None:
                thawed.blocks.append(block)
                thawed._numbers.append(number)
        if tree["open"] is not None and (pane := Pane.thaw(tree["open_pane"])) is not None:
            thawed._open = _OpenBlock(tree["open"], pane)
        return thawed

    def material(self, *, with_sample: bool = True) -> Material:
        """What was collected so far, as the caller's own copy."""
        whole = Pane()
        whole.merge(self.whole)
        inputs = None
        if self.inputs is not None and len(self.inputs):
            keys, _, directions = self.inputs.top()
            inputs = Inputs(keys, directions)
        return Material(
            started=self.started,
            whole=whole,
            block_seconds=self._panes_per_block * self._pane_seconds,
            blocks=tuple(self.blocks),
            sample=None if self.sample is None or not with_sample else self.sample.sample(),
            inputs=inputs,
            results=None if self.results is None else self.results.copy(),
        )

    @property
    def nbytes(self) -> dict[str, int]:
        """Bytes by part."""
        return {
            "vector sample": 0 if self.sample is None else self.sample.nbytes,
            "frequent inputs": 0 if self.inputs is None else self.inputs.nbytes,
            "found documents": 0 if self.results is None else self.results.distinct.nbytes,
            "time blocks": sum(block.nbytes for block in self.blocks),
        }

    def _close(self, block: _OpenBlock) -> None:
        closed = Block.of(block.number * self._panes_per_block * self._pane_seconds, block.pane)
        if self._numbers and self._numbers[-1] == block.number:
            closed = Block.joined(closed.start, (self.blocks.pop(), closed))
            self._numbers.pop()
        self.blocks.append(closed)
        self._numbers.append(block.number)
        if len(self.blocks) >= KEPT_BLOCKS + KEPT_BLOCKS // 8:
            self._halve()

    def _halve(self) -> None:
        """Blocks of twice the length."""
        self._panes_per_block *= 2
        blocks, numbers = self.blocks, [number // 2 for number in self._numbers]
        self.blocks, self._numbers = [], []
        for number, block in zip(numbers, blocks, strict=True):
            if self._numbers and self._numbers[-1] == number:
                self.blocks[-1] = Block.joined(self.blocks[-1].start, (self.blocks[-1], block))
            else:
                start = number * self._panes_per_block * self._pane_seconds
                self.blocks.append(
                    Block(start, block.events, block.invalid, block.vectors, block.signals, block.quantiles)
                )
                self._numbers.append(number)
