"""The distinct keys of a window that slides, from two sketches that do not."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.sketch.distinct import DistinctKeys, K
from app.sketch.sliding import Sliding
from app.sketch.sorted_keys import find
from app.tree import Tree


class RecentKeys:
    """For the block of time that is filling, and for the one before it, the k smallest keys and when each came last.

    A block is as long as the window. What both would have kept is a sample of the distinct keys of the two, each as
    likely as any other; those of it that came within the window are a sample of the window's, at least a third of k
    where traffic is even. So a count has a relative standard error below 5.4 %, and none up to k keys.

    Keys as for `DistinctKeys`. At most 12 bytes a kept key and block: 24 KiB.

    >>> recent = RecentKeys(3600.0)
    >>> recent.update(np.array([7, 7, 5], np.uint64), now=3000.0)
    >>> recent.update(np.array([5, 9], np.uint64), now=3700.0)
    >>> recent.window(now=6500.0).count, recent.window(now=6700.0).count
    (3.0, 2.0)
    """

    def __init__(self, seconds: float, k: int = K) -> None:
        self._seconds = seconds
        self._k = k
        self._sliding = Sliding(seconds, lambda start: _Block(start, k))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays when full."""
        return 2 * self._k * 12

    def update(self, keys: NDArray[np.uint64], now: float) -> None:
        """Add events that came at `now`, by their keys, shape (n,); 0 is no key."""
        self._sliding.filling(now).update(keys, now)

    def window(self, now: float) -> DistinctKeys:
        """The distinct keys of the window that ends at `now`; the caller's own."""
        blocks = self._sliding.blocks(now)
        below = min(each.below for each in blocks)
        parts = [each.since(now - self._seconds, below) for each in blocks]
        return DistinctKeys.of(np.unique(np.concatenate(parts)), int(below), 2 * self._k)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return self._sliding.freeze(_Block.freeze)

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen."""
        self._sliding.thaw(tree, lambda block: _Block.thaw(block, self._k))


class _Block:
    """The k smallest keys of a stretch of time, and when each came last."""

    __slots__ = ("_k", "_keys", "_last", "_start", "below")

    def __init__(self, start: float, k: int) -> None:
        self._start = start
        self._k = k
        self._keys = np.empty(0, np.uint64)
        """Ascending, distinct, all below `below`."""
        self._last = np.empty(0, np.float32)
        """Of each, in seconds since the start."""
        self.below = np.uint64(2**64 - 1)

    def freeze(self) -> Tree:
        # The times are changed in place.
        return {"start": self._start, "keys": self._keys, "last": self._last.copy(), "below": int(self.below)}

    @classmethod
    def thaw(cls, tree: Tree, k: int) -> Self:
        thawed = cls(tree["start"], k)
        thawed._keys, thawed._last, thawed.below = tree["keys"], tree["last"], np.uint64(tree["below"])
        if not thawed._keys.size == thawed._last.size <= k:
            raise ValueError("not the keys of a block")
        return thawed

    def update(self, keys: NDArray[np.uint64], now: float) -> None:
        small = keys[(keys < self.below) & (keys != 0)]
        if not small.size:
            return
        positions, known = find(self._keys, small)
        self._last[positions[known]] = now - self._start
        if known.all():
            return
        fresh = np.unique(small[~known])
        keys = np.concatenate((self._keys, fresh))
        order = np.argsort(keys)
        if keys.size > self._k:
            self.below = keys[order[self._k]]
            order = order[: self._k]
        self._keys = keys[order]
        self._last = np.concatenate((self._last, np.full(fresh.size, now - self._start, np.float32)))[order]

    def since(self, moment: float, below: np.uint64) -> NDArray[np.uint64]:
        """The keys below a bound that came at this moment or later."""
        return self._keys[(self._keys < below) & (self._last >= moment - self._start)]
