"""Counts in fixed buckets, as a Prometheus histogram wants them."""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np

from app.model import Floats, add_in_order
from app.tree import Tree


class BucketCounts:
    """How many numbers fell at or below each bound, their number and their sum; exact and mergeable.

    >>> counts = BucketCounts((0.0, 1.0))
    >>> counts.update(np.array([-1.0, 1.0, 7.0]))
    >>> counts.cumulative.tolist(), counts.sum
    ([1, 2, 3], 7.0)
    """

    __slots__ = ("_edges", "bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._edges = np.asarray(bounds)
        self.counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        self.sum = 0.0

    def update(self, values: Floats) -> None:
        """Add finite numbers, shape (n,)."""
        # side="left": a bound belongs to its own bucket, `le` means less or equal.
        bucket = np.searchsorted(self._edges, values, side="left")
        self.counts += np.bincount(bucket, minlength=self.counts.size)
        # Numbers so large that their sum overflows make it infinite, which is as true as float64 can have it.
        with np.errstate(over="ignore"):
            self.sum = add_in_order(self.sum, values)

    def merge(self, other: BucketCounts) -> None:
        """Add the counts of `other`, which has the same bounds."""
        self.counts += other.counts
        self.sum += other.sum

    def copy(self) -> Self:
        """Return an independent copy."""
        copied = copy(self)
        copied.counts = self.counts.copy()
        return copied

    def freeze(self) -> Tree:
        """What `thaw` takes; the bounds are those of the code."""
        return {"counts": self.counts.copy(), "sum": self.sum}

    @classmethod
    def thaw(cls, tree: Tree, bounds: tuple[float, ...]) -> Self:
        """The counts that were frozen. Raises ValueError where they are of other bounds."""
        thawed = cls(bounds)
        if tree["counts"].shape != thawed.counts.shape:
            raise ValueError("counts of other bounds")
        thawed.counts, thawed.sum = tree["counts"], tree["sum"]
        return thawed

    @property
    def cumulative(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Count at or below each bound, then of all; shape (len(bounds) + 1,)."""
        return np.cumsum(self.counts)
