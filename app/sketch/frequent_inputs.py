"""The most frequent inputs of a stream, each with a vector that it had."""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.sketch.sorted_keys import find
from app.tree import Pieces, RowStamps, Tree

MAX_PINNED: Final = 256
"""Keys that are kept however rare they are: more probes than anybody sends, and few enough to leave room."""

NO_SLOT: Final = -1


class FrequentInputs:
    """Counts of the most frequent keys, each with the direction of one vector that it had, an early one.

    When more than `capacity` keys are there, a count that about half of them exceed is taken off every count, and what
    is then nothing is dropped (Misra and Gries 1982; the median, and so one purge for many events: Anderson et al.
    2017, A High-Performance Algorithm for Identifying Frequent Items in Data Streams, doi 10.1145/3131365.3131407).
    So a count is never above the truth and at most `error` below it, which is at most 2 n / capacity, or
    2 n / (capacity - pinned keys). A key that is by two more frequent than `error` is always in `top`.

    The vector is the key's first. Once keys were dropped, it is the second since the key entered: most keys that enter
    then come once and go, and their vectors were most of the work.

    A key stands for an input; 0 is no key. Memory does not grow: two bytes a number, 1.5 MiB for 1,024 keys of 768.

    >>> inputs = FrequentInputs(dimension=2, capacity=4)
    >>> inputs.update(np.array([7, 3, 7, 0], np.uint64), np.array([[0, 2], [3, 4], [1, 0], [1, 1]], np.float32))
    >>> keys, counts, directions = inputs.top(1)
    >>> keys.tolist(), counts.tolist(), directions.tolist(), inputs.n
    ([7], [2], [[0.0, 1.0]], 3)
    """

    __slots__ = ("_counts", "_directions", "_keys", "_pinned", "_slots", "_stamps", "capacity", "error", "n")

    def __init__(self, dimension: int, capacity: int = 1024) -> None:
        self.capacity = capacity
        self.n = 0
        """Events with a key."""
        self.error = 0
        """No count is further below the truth."""
        self._keys = np.empty(0, np.uint64)
        """Sorted; the next three are aligned with it."""
        self._counts = np.empty(0, np.int64)
        self._pinned = np.empty(0, np.bool_)
        self._slots = np.empty(0, np.intp)
        """Rows of `_directions`, which stay where they are."""
        self._directions = np.empty((capacity, dimension), np.float16)
        self._stamps = RowStamps(capacity)

    def __len__(self) -> int:
        return self._keys.size

    @property
    def dimension(self) -> int:
        """Length of the vectors; those of another length are for another sketch."""
        return self._directions.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays when full."""
        entry = self._keys.itemsize + self._counts.itemsize + self._pinned.itemsize + self._slots.itemsize
        return self._directions.nbytes + self.capacity * entry

    def update(self, keys: NDArray[np.uint64], rows: NDArray[np.float32], pin: NDArray[np.bool_] | None = None) -> None:
        """Add events: keys (n,) with their vectors (n, dimension), finite and other than zero, of any length.

        The keys of the rows in `pin` are never dropped from here on, up to MAX_PINNED and half of the capacity; those
        past it are kept like others.
        """
        present = np.flatnonzero(keys)
        found, first, counts = np.unique(keys[present], return_index=True, return_counts=True)
        self.n += present.size
        self._count(found, counts, None if pin is None or not pin.any() else np.isin(found, keys[pin]))
        self._take(found, rows, present[first])

    def top(self, k: int = 512) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.float16]]:
        """The pinned keys and after them the most frequent, at most k in all, copied.

        Sorted by key: the keys, their counts, and their directions as unit vectors of shape (k, dimension).
        """
        seen = np.flatnonzero(self._slots != NO_SLOT)
        chosen = np.sort(seen[np.lexsort((-self._counts[seen], ~self._pinned[seen]))[:k]])
        return self._keys[chosen], self._counts[chosen], self._directions[self._slots[chosen]]

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes; the vectors that have not changed are not copied."""
        return {
            "capacity": self.capacity,
            "dimension": self.dimension,
            "n": self.n,
            "error": self.error,
            "keys": self._keys,
            "counts": self._counts.copy(),
            "pinned": self._pinned.copy(),
            "slots": self._slots.copy(),
            "directions": self._stamps.freeze(
                self._taken_slots, pieces, lambda rows: {"rows": self._directions[rows].copy()}
            ),
        }

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The inputs that were frozen. Raises ValueError where vectors of them are lost."""
        thawed = cls(tree["dimension"], tree["capacity"])
        thawed.n, thawed.error = tree["n"], tree["error"]
        thawed._keys, thawed._counts, thawed._pinned = tree["keys"], tree["counts"], tree["pinned"]
        thawed._slots = tree["slots"].astype(np.intp)
        for rows, part in thawed._stamps.thaw(tree["directions"]):
            thawed._directions[rows] = part["rows"]
        return thawed

    @property
    def _taken_slots(self) -> int:
        """Rows of `_directions` up to the last that is in use."""
        return 1 + int(self._slots.max(initial=NO_SLOT))

    def _count(self, keys: NDArray[np.uint64], counts: NDArray[np.int64], pin: NDArray[np.bool_] | None) -> None:
        at, known = find(self._keys, keys)
        pinned = np.zeros(keys.size, np.bool_)
        if pin is not None:
            pin[known] &= ~self._pinned[at[known]]
            room = min(MAX_PINNED, self.capacity // 2) - np.count_nonzero(self._pinned)
            pinned[np.flatnonzero(pin)[:room]] = True
            self._pinned[at[known]] |= pinned[known]
        self._counts[at[known]] += counts[known]
        new = ~known
        if new.any():
            self._enter(keys[new], counts[new], pinned[new])

    def _enter(self, keys: NDArray[np.uint64], counts: NDArray[np.int64], pinned: NDArray[np.bool_]) -> None:
        keys = np.concatenate((self._keys, keys))
        counts = np.concatenate((self._counts, counts))
        pinned = np.concatenate((self._pinned, pinned))
        slots = np.concatenate((self._slots, np.full(keys.size - self._slots.size, NO_SLOT)))
        if keys.size > self.capacity:
            counts = self._purged(counts, pinned)
        alive = np.flatnonzero(counts)
        alive = alive[np.argsort(keys[alive], kind="stable")]
        self._keys, self._counts, self._pinned, self._slots = keys[alive], counts[alive], pinned[alive], slots[alive]

    def _purged(self, counts: NDArray[np.int64], pinned: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The counts, so lowered that at most half of the room for keys that are not pinned stays taken."""
        ordinary = np.flatnonzero(~pinned)
        kept = (self.capacity - pinned.size + ordinary.size + 1) // 2
        last = ordinary.size - kept - 1
        lowered = int(np.partition(counts[ordinary], last)[last])
        self.error += lowered
        counts[ordinary] = np.maximum(counts[ordinary] - lowered, 0)
        return counts

    def _take(self, keys: NDArray[np.uint64], rows: NDArray[np.float32], positions: NDArray[np.intp]) -> None:
        """Keep the vectors, at these positions of the rows, of those keys that have none yet and are to have one."""
        at, known = find(self._keys, keys)
        at, positions = at[known], positions[known]
        due = self._slots[at] == NO_SLOT
        if self.error:
            due &= (self._counts[at] > 1) | self._pinned[at]
        if not due.any():
            return
        at = at[due]
        taken = np.zeros(self.capacity, np.bool_)
        taken[self._slots[self._slots != NO_SLOT]] = True
        self._slots[at] = np.flatnonzero(~taken)[: at.size]
        # float64, whose range holds the squares of every float32.
        vectors = rows[positions[due]].astype(np.float64)
        self._directions[self._slots[at]] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self._stamps.changed(self._slots[at])
