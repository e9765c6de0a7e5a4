"""The largest shares of single inputs in a stream, mergeable: what tells a flood of one query from a new topic."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.model import Floats
from app.tree import Tree


class TopInputs:
    """Counts of the most frequent keys, at most `capacity` of them.

    When more are there, the largest count that has no place is taken off every count (Misra and Gries 1982). Merged so
    too, a count is never above the truth and at most (n - all counts) / (capacity + 1) below it, however the stream was
    cut and merged (Agarwal et al. 2012, Mergeable Summaries, doi 10.1145/2213556.2213562).

    A key stands for an input; 0 is no key and is not counted.

    >>> inputs = TopInputs(capacity=2)
    >>> inputs.update(np.array([7, 7, 7, 3, 0], np.uint64))
    >>> keys, shares = inputs.shares()
    >>> keys.tolist(), shares.tolist(), inputs.n
    ([7, 3], [0.75, 0.25], 4)
    """

    __slots__ = ("_counts", "_keys", "capacity", "n")

    def __init__(self, capacity: int = 32) -> None:
        self.capacity = capacity
        self.n = 0
        """Events with a key."""
        self._keys = np.empty(0, np.uint64)
        """Sorted."""
        self._counts = np.empty(0, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays when full."""
        return self.capacity * (self._keys.itemsize + self._counts.itemsize)

    @property
    def error(self) -> float:
        """No count is further below the truth; in events."""
        return (self.n - int(self._counts.sum())) / (self.capacity + 1)

    def update(self, keys: NDArray[np.uint64]) -> None:
        """Add events by their keys, shape (n,). O(n log n)."""
        # Sorted as they are, and only the distinct ones joined with those at hand: most of a fold come once and go.
        ordered = np.sort(keys)
        ordered = ordered[np.count_nonzero(ordered == 0) :]
        starts = _starts(ordered)
        counts = np.empty(starts.size, np.int64)
        counts[:-1] = starts[1:] - starts[:-1]
        counts[-1:] = ordered.size - starts[-1:]
        self._add(ordered[starts], counts, ordered.size)

    def merge(self, other: TopInputs) -> None:
        """Add the counts of `other`, which has the same capacity."""
        self._add(other._keys, other._counts, other.n)

    def shares(self) -> tuple[NDArray[np.uint64], Floats]:
        """The keys, the most frequent first, and of each the share of all events that it has at least; copied."""
        order = np.argsort(-self._counts, kind="stable")
        return self._keys[order], self._counts[order] / max(self.n, 1)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        # Arrays are replaced and never changed, so they need no copies.
        return {"capacity": self.capacity, "n": self.n, "keys": self._keys, "counts": self._counts}

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The counts that were frozen."""
        thawed = cls(tree["capacity"])
        thawed.n, thawed._keys, thawed._counts = tree["n"], tree["keys"], tree["counts"]
        return thawed

    def _add(self, keys: NDArray[np.uint64], counts: NDArray[np.int64], n: int) -> None:
        self.n += n
        if not keys.size:
            return
        if self._keys.size:
            # One sort of all: np.unique would make two of them, and its fixed costs are most of a fold's share here.
            both = np.concatenate((self._keys, keys))
            order = np.argsort(both, kind="stable")
            both = both[order]
            starts = _starts(both)
            keys, counts = both[starts], np.add.reduceat(np.concatenate((self._counts, counts))[order], starts)
        if keys.size > self.capacity:
            last = keys.size - self.capacity - 1
            counts = counts - np.partition(counts, last)[last]
            keys, counts = keys[counts > 0], counts[counts > 0]
        self._keys, self._counts = keys, counts


def _starts(ordered: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Where each of the distinct keys begins in a sorted array; shape (k,)."""
    other = np.ones(ordered.size, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=other[1:])
    return np.flatnonzero(other)
