"""A closed stretch of a baseline's time, in little memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.distribution import Distribution
from app.drift.sums import FrameSums, VectorSums
from app.drift.window import Window
from app.series.pane import LASTING_SIGNALS, Pane
from app.tree import Piece, Tree, new_stamp

BLOCK_STEPS: Final = 64
"""Steps kept of each signal's distribution in a block: rank error 0.8 %, a quarter of what 300 events leave."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A closed stretch of the baseline's time in little memory: sums, and distributions of the signals with limits."""

    start: float
    events: int
    invalid: int
    vectors: VectorSums
    """In float32; of no vectors where none came."""
    signals: tuple[tuple[str, int], ...]
    """How many events had each signal, in the order of `quantiles`."""
    quantiles: NDArray[np.float32]
    """For each signal, mid-rank quantiles of equal shares: one an event up to `BLOCK_STEPS`, so exact until then."""
    stamp: int = field(init=False, default_factory=new_stamp)
    """Of this block and no other."""

    @classmethod
    def of(cls, start: float, pane: Pane) -> Self:
        """The block that a pane became."""
        signals = {name: sketch.distribution() for name, sketch in pane.quantiles.items() if name in LASTING_SIGNALS}
        vectors = VectorSums.none() if pane.vectors is None else pane.vectors
        return cls._compact(start, pane.events, pane.invalid, vectors, signals)

    @classmethod
    def joined(cls, start: float, parts: tuple[Block, ...]) -> Self:
        """Several blocks as one."""
        return cls.of_window(
            start, sum(part.events for part in parts), Window.merged([part.window() for part in parts])
        )

    @classmethod
    def of_window(cls, start: float, events: int, window: Window) -> Self:
        """What the statistics read of a stretch, as a block."""
        signals = {"norm": window.norms, "top1_similarity": window.top1}
        present = {name: each for name, each in signals.items() if each is not None}
        return cls._compact(start, events, window.invalid, window.vectors, present)

    @classmethod
    def _compact(
        cls, start: float, events: int, invalid: int, vectors: VectorSums, signals: dict[str, Distribution]
    ) -> Self:
        steps = [each.quantile((np.arange(_steps(each.n)) + 0.5) / _steps(each.n)) for each in signals.values()]
        return cls(
            start,
            events,
            invalid,
            VectorSums(vectors.n, vectors.total.astype(np.float32), vectors.squares),
            tuple((name, each.n) for name, each in signals.items()),
            np.concatenate(steps or [np.empty(0)]).astype(np.float32),
        )

    def window(self, frame: FrameSums | None = None) -> Window:
        """What the block offers to the statistics, with what its rows measured in a frame."""
        return Window(
            vectors=self.vectors,
            frame=FrameSums.none() if frame is None else frame,
            invalid=self.invalid,
            norms=self.distribution("norm"),
            top1=self.distribution("top1_similarity"),
        )

    def distribution(self, signal: str) -> Distribution | None:
        """Of one signal; None where no event had it."""
        values = self.steps_of(signal)
        return Distribution.weighted(values, np.ones(values.size), dict(self.signals)[signal]) if values.size else None

    def steps_of(self, signal: str) -> NDArray[np.float32]:
        """The part of `quantiles` that is of one signal; empty where no event had it."""
        before = 0
        for name, n in self.signals:
            if name == signal:
                return self.quantiles[before : before + _steps(n)]
            before += _steps(n)
        return self.quantiles[:0]

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {
            "start": self.start,
            "events": self.events,
            "invalid": self.invalid,
            "vectors": self.vectors.freeze(),
            "signals": [list(each) for each in self.signals],
            "quantiles": self.quantiles,
        }

    @classmethod
    def thaw(cls, piece: Piece) -> Self | None:
        """The block that was frozen; None where it is lost."""
        tree = piece.tree
        if tree is None:
            return None
        vectors, signals = VectorSums.thaw(tree["vectors"]), tuple((name, n) for name, n in tree["signals"])
        thawed = cls(tree["start"], tree["events"], tree["invalid"], vectors, signals, tree["quantiles"])
        object.__setattr__(thawed, "stamp", piece.stamp)
        return thawed

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.vectors.total.nbytes + self.quantiles.nbytes


def _steps(n: int) -> int:
    return min(BLOCK_STEPS, n)
