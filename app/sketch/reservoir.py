"""A uniform sample of the vectors of a stream, of fixed size and mergeable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.model import Floats
from app.tree import Pieces, RowStamps, Tree

_LARGEST_NORM = np.finfo(np.float32).max


@dataclass(frozen=True, slots=True, eq=False)
class VectorSample:
    """Sampled vectors: their directions in half precision, and apart from them their norms and times.

    Apart, because a vector of large norm would overflow half precision, which ends at 65,504.
    """

    directions: NDArray[np.float16]
    """Unit vectors, shape (n, dimension)."""
    norms: NDArray[np.float32]
    """Shape (n,)."""
    times: Floats
    """Unix seconds, shape (n,)."""

    def __len__(self) -> int:
        return len(self.norms)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.directions.nbytes + self.norms.nbytes + self.times.nbytes


class Reservoir:
    """Priority sampling: each row draws a uniform priority, the rows with the smallest stay.

    So a merge is the union cut to the smallest priorities, and equals the sample of the joined stream
    (Duffield, Lund, Thorup: Priority sampling, JACM 2007, with equal weights). A row that does not stay costs
    one random number; nothing is copied for it.
    """

    __slots__ = ("_directions", "_highest", "_norms", "_priorities", "_rng", "_size", "_stamps", "_times", "capacity")

    def __init__(self, capacity: int, dimension: int, rng: np.random.Generator) -> None:
        self.capacity = capacity
        self._rng = rng
        self._size = 0
        self._directions = np.empty((capacity, dimension), dtype=np.float16)
        self._norms = np.empty(capacity, dtype=np.float32)
        self._times = np.empty(capacity)
        self._priorities = np.empty(capacity)
        self._highest = np.inf
        """Of the priorities here, once there is no room for a higher one."""
        self._stamps = RowStamps(capacity)

    def __len__(self) -> int:
        return self._size

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._directions.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, full or not."""
        return self._directions.nbytes + self._norms.nbytes + self._times.nbytes + self._priorities.nbytes

    def update(self, vectors: NDArray[np.float32], times: Floats) -> None:
        """Offer the rows of an (n, dimension) matrix of finite vectors other than zero, with their times (n,)."""
        priorities = self._rng.random(len(vectors))
        rows = np.flatnonzero(priorities < self._highest)
        if rows.size == 0:
            return
        rows = rows[self._admit(priorities[rows])]
        chosen = vectors[rows].astype(np.float64)
        norms = np.linalg.norm(chosen, axis=1)
        # A float32 vector may be longer than the largest float32.
        self._place(chosen / norms[:, None], np.minimum(norms, _LARGEST_NORM), times[rows], priorities[rows])

    def merge(self, other: Reservoir) -> None:
        """Add the sample of `other`, which stands for another stream of vectors of the same length."""
        rows = self._admit(other._priorities[: other._size])
        self._place(other._directions[rows], other._norms[rows], other._times[rows], other._priorities[rows])

    def sample(self, since: float = -np.inf) -> VectorSample:
        """The rows that are not older than `since`, copied, in order of time."""
        rows = np.flatnonzero(self._times[: self._size] >= since)
        rows = rows[np.argsort(self._times[rows], kind="stable")]
        return VectorSample(self._directions[rows], self._norms[rows], self._times[rows])

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes; the rows that have not changed are not copied."""

        def cut(rows: slice) -> Tree:
            return {
                "directions": self._directions[rows].copy(),
                "norms": self._norms[rows].copy(),
                "times": self._times[rows].copy(),
                "priorities": self._priorities[rows].copy(),
            }

        return {
            "capacity": self.capacity,
            "dimension": self.dimension,
            "size": self._size,
            "rows": self._stamps.freeze(self._size, pieces, cut),
        }

    @classmethod
    def thaw(cls, tree: Tree, rng: np.random.Generator) -> Self:
        """The sample that was frozen. Raises ValueError where rows of it are lost: the rest is no fair sample."""
        thawed = cls(tree["capacity"], tree["dimension"], rng)
        thawed._size = tree["size"]
        for rows, part in thawed._stamps.thaw(tree["rows"]):
            thawed._directions[rows] = part["directions"]
            thawed._norms[rows] = part["norms"]
            thawed._times[rows] = part["times"]
            thawed._priorities[rows] = part["priorities"]
        thawed._note_highest()
        return thawed

    def _admit(self, priorities: Floats) -> NDArray[np.intp]:
        """Positions of those that are among the smallest `capacity` of what is here and what is offered."""
        union = np.concatenate((self._priorities[: self._size], priorities))
        if union.size <= self.capacity:
            return np.arange(priorities.size)
        highest = np.partition(union, self.capacity - 1)[self.capacity - 1]
        return np.flatnonzero(priorities <= highest)

    def _place(
        self,
        directions: NDArray[np.float64] | NDArray[np.float16],
        norms: Floats | NDArray[np.float32],
        times: Floats,
        priorities: Floats,
    ) -> None:
        """Write the rows into free places, then over the rows of highest priority."""
        free = min(self.capacity - self._size, len(priorities))
        slots = np.arange(self._size, self._size + free)
        excess = len(priorities) - free
        if excess:
            highest = np.argsort(self._priorities[: self._size])[self._size - excess :]
            slots = np.concatenate((slots, highest))
        self._directions[slots] = directions
        self._norms[slots] = norms
        self._times[slots] = times
        self._priorities[slots] = priorities
        self._size += free
        self._note_highest()
        self._stamps.changed(slots)

    def _note_highest(self) -> None:
        self._highest = float(self._priorities.max()) if self._size == self.capacity else np.inf
