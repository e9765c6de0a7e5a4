"""Whether an input that comes again soon has the same vector again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.cosine import cosines, count_changed
from app.sketch.sorted_keys import find


class RecentInputs:
    """The first `capacity` distinct keys of a span of time, each with its first vector; then it begins anew.

    One input with several vectors within minutes is no change of the model: vectors are corrupted, or two versions
    answer in turn. A key stands for an input; 0 is no key. Keys past the capacity are not looked at: with the traffic
    of most searches the frequent ones come first. 0.4 MiB for 128 keys of 768.

    >>> recent = RecentInputs(dimension=2, seconds=300)
    >>> rows = np.array([[1, 0], [2, 0], [0, 1], [0, 1]], np.float32)
    >>> recent.check(np.array([7, 7, 7, 3], np.uint64), rows, now=0.0)
    (2, 1)
    >>> recent.check(np.array([0, 3], np.uint64), rows[:2], now=299.0)
    (1, 1)
    >>> recent.check(np.array([0, 3], np.uint64), rows[:2], now=300.0)
    (0, 0)
    """

    __slots__ = ("_keys", "_rows", "_slots", "_turn", "capacity", "seconds")

    def __init__(self, dimension: int, seconds: float, capacity: int = 128) -> None:
        self.capacity = capacity
        self.seconds = seconds
        self._turn = -math.inf
        self._keys = np.empty(0, np.uint64)
        """Sorted; `_slots` is aligned with it."""
        self._slots = np.empty(0, np.intp)
        self._rows = np.empty((capacity, dimension), np.float32)

    def __len__(self) -> int:
        return self._keys.size

    @property
    def dimension(self) -> int:
        """Length of the vectors; those of another length are for another sketch."""
        return self._rows.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays when full."""
        return self._rows.nbytes + self.capacity * (self._keys.itemsize + self._slots.itemsize)

    def check(self, keys: NDArray[np.uint64], rows: NDArray[np.float32], now: float) -> tuple[int, int]:
        """Add events and say how many came again, and how many of those with a cosine below 0.999 to the key's first.

        Keys (n,), their vectors (n, dimension), finite and other than zero, in the order they came, and the time in
        seconds: spans begin at multiples of `seconds`. O(n log capacity + repeats dimension).
        """
        if (turn := now // self.seconds) != self._turn:
            self._turn, self._keys, self._slots = turn, self._keys[:0], self._slots[:0]
        first = self._enter(keys, rows)
        at, known = find(self._keys, keys)
        known[first] = False
        if not np.count_nonzero(known):
            return 0, 0
        mine, firsts = rows[known], self._rows[self._slots[at[known]]]
        # Nearly always the very same numbers, whose cosine is 1: compared in a tenth of the time.
        unlike = mine != firsts
        if not np.count_nonzero(unlike):
            return len(mine), 0
        other = np.flatnonzero(unlike.any(axis=1))
        return len(mine), count_changed(cosines(mine[other], firsts[other]))

    def _enter(self, keys: NDArray[np.uint64], rows: NDArray[np.float32]) -> NDArray[np.intp]:
        """Take new keys in as long as there is room, and give the positions of their rows."""
        held = self._keys.size
        if held == self.capacity:
            return np.empty(0, np.intp)
        present = np.flatnonzero(keys)
        found, first = np.unique(keys[present], return_index=True)
        _, known = find(self._keys, found)
        entered = present[np.sort(first[~known])[: self.capacity - held]]
        self._rows[held : held + entered.size] = rows[entered]
        joined = np.concatenate((self._keys, keys[entered]))
        # A new key's slot is its position in `joined`, as slots are taken in turn.
        slots = np.concatenate((self._slots, np.arange(held, joined.size)))
        order = np.argsort(joined, kind="stable")
        self._keys, self._slots = joined[order], slots[order]
        return entered
