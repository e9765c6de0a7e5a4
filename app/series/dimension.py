"""The dimension of a series' vectors, and its vectors as a matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.model import VECTOR_FAULTS, EventBatch, Ragged, VectorFault
from app.series.rows import Vectors
from app.tree import Tree

VOTES: Final = 100
"""The dimension is that of most of the first hundred vectors."""

_FAULT: Final = 1 + VECTOR_FAULTS.index(VectorFault.DIMENSION)


class Dimension:
    """How many numbers a vector of the series has: given, or voted for by the first vectors."""

    def __init__(self, numbers: int | None, on_change: Callable[[], None]) -> None:
        self.numbers = numbers
        """None before the first vector."""
        self._votes: Counter[int] | None = Counter() if numbers is None else None
        self._on_change = on_change

    @property
    def settled(self) -> bool:
        """Whether it is known for good."""
        return self._votes is None

    def valid_vectors(self, batch: EventBatch) -> tuple[EventBatch, Vectors]:
        """The batch with vectors of another dimension marked, and all others.

        Of a replayed batch all that is left of those is how many there were.
        """
        if self._votes is None and self.numbers is not None and self.numbers == batch.vectors.width:
            return batch, self._vectors(batch, batch.vectors, np.arange(len(batch)))
        lengths = batch.vectors.lengths
        if self._votes is not None:
            self._vote(lengths[lengths > 0])
        if self.numbers is None:
            return batch, Vectors(0, np.empty((0, 0), np.float32), np.empty(0, np.intp), None)
        fits = lengths == self.numbers
        rows = np.flatnonzero(fits)
        kept = batch.vectors
        wrong = (lengths > 0) & ~fits
        if len(rows) < len(batch) and wrong.any():
            batch = replace(
                batch,
                fault=np.where(wrong, _FAULT, batch.fault).astype(np.int8),
                norm=np.where(wrong, np.nan, batch.norm),
            )
            kept = kept if batch.replayed else kept.take(rows)
        return batch, self._vectors(batch, kept, rows)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"numbers": self.numbers, "votes": None if self._votes is None else list(self._votes.items())}

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen; where another dimension is given now, what was kept of vectors goes."""
        if self._votes is None:
            if tree["numbers"] not in {None, self.numbers}:
                self._on_change()
            return
        self.numbers = tree["numbers"]
        self._votes = None if tree["votes"] is None else Counter(dict(tree["votes"]))

    def _vectors(self, batch: EventBatch, kept: Ragged, rows: NDArray[np.intp]) -> Vectors:
        """Those of the events at these positions."""
        assert self.numbers is not None
        if batch.replayed:
            return Vectors(len(rows), np.empty((0, self.numbers), np.float32), rows[:0], None)
        inputs = batch.inputs
        if inputs is not None and len(rows) < len(batch):
            inputs = inputs[rows]
        return Vectors(len(rows), np.asarray(kept.values, np.float32).reshape(len(rows), self.numbers), rows, inputs)

    def _vote(self, lengths: NDArray[np.intp]) -> None:
        """Count the first vectors' lengths; what was kept of the vectors goes if the majority turns."""
        if self._votes is None or lengths.size == 0:
            return
        room = VOTES - self._votes.total()
        self._votes.update(int(length) for length in lengths[:room])
        winner, _ = self._votes.most_common(1)[0]
        if self.numbers not in (None, winner):
            self._on_change()
        self.numbers = winner
        if self._votes.total() >= VOTES:
            self._votes = None
