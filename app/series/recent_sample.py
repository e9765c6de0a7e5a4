"""A sample of the vectors of a window that slides, from two reservoirs that do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.model import Floats
from app.sketch import Reservoir, VectorSample
from app.tree import Pieces, Tree


class RecentSample:
    """One reservoir for the block of time that is filling and one for the block before it.

    A block is as long as the window, so the two together always cover it.
    """

    def __init__(self, seconds: float, capacity: int, rng: np.random.Generator) -> None:
        self._seconds = seconds
        self._capacity = capacity
        self._rng = rng
        self._block = 0
        self._filling: Reservoir | None = None
        self._before: Reservoir | None = None

    def update(self, vectors: NDArray[np.float32], times: Floats, now: float) -> None:
        """Offer the rows of an (n, dimension) matrix that arrived at `now`, with their event times."""
        self._turn(now)
        dimension = vectors.shape[1]
        if self._filling is None or self._filling.dimension != dimension:
            self._filling = Reservoir(self._capacity, dimension, self._rng)
        if self._before is not None and self._before.dimension != dimension:
            self._before = None
        self._filling.update(vectors, times)

    def sample(self, now: float) -> VectorSample | None:
        """The sampled vectors of the window that ends at `now`; None where it saw none."""
        self._turn(now)
        present = [each for each in (self._before, self._filling) if each is not None]
        if not present:
            return None
        joined = Reservoir(self._capacity, present[0].dimension, self._rng)
        for each in present:
            joined.merge(each)
        sample = joined.sample(since=now - self._seconds)
        return sample if len(sample) else None

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes; without its vectors nothing is left."""
        kept = pieces.vectors
        return {
            "block": self._block,
            "filling": self._filling.freeze(pieces) if kept and self._filling is not None else None,
            "before": self._before.freeze(pieces) if kept and self._before is not None else None,
        }

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen; a part that is damaged begins anew."""
        self._block = tree["block"]
        self._filling, self._before = self._thawed(tree["filling"]), self._thawed(tree["before"])

    def _thawed(self, tree: Tree | None) -> Reservoir | None:
        try:
            return None if tree is None else Reservoir.thaw(tree, self._rng)
        except ValueError:
            return None

    @property
    def nbytes(self) -> int:
        """Bytes of both reservoirs."""
        return sum(each.nbytes for each in (self._before, self._filling) if each is not None)

    def _turn(self, now: float) -> None:
        block = int(now // self._seconds)
        if block > self._block:
            self._before = self._filling if block == self._block + 1 else None
            self._filling = None
        # A clock that was set back goes on with the block at hand, or none would end until it has caught up.
        self._block = block
