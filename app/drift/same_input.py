"""The same input must give the same vector: what separates a changed model from changed traffic."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

CHANGED_COSINE: Final = 0.999
"""Below it a vector is another one. Storage in float16 leaves 0.999999, in int8 0.9999."""

MINIMUM_MATCHES: Final = 20
LIMIT: Final = 0.05


@dataclass(frozen=True, slots=True)
class SameInput:
    """What became of inputs that were seen before."""

    matches: int
    """Events whose input the baseline knows."""
    changed: int
    """Those whose vector has a cosine below 0.999 to the baseline's."""
    median_cosine: float
    """Median over the matches; 1 without any."""
    repeats: int
    """Events whose input came before in the same window."""
    inconsistent: int
    """Those whose vector has a cosine below 0.999 to the window's first."""

    @property
    def changed_ratio(self) -> float:
        """Share of the matches with another vector; 0 without any."""
        return self.changed / max(self.matches, 1)

    @property
    def inconsistent_ratio(self) -> float:
        """Share of the repeats with another vector; 0 without any."""
        return self.inconsistent / max(self.repeats, 1)


@dataclass(frozen=True, slots=True, eq=False)
class KnownInputs:
    """Input hashes of a baseline, each with the first vector that it had."""

    position: dict[Hashable, int]
    vectors: NDArray[np.float32]
    """Unit vectors; shape (k, d)."""

    @classmethod
    def of(cls, hashes: Sequence[Hashable | None], rows: NDArray[np.float32]) -> Self:
        """From valid vectors, shape (n, d), and the hash of each one's input, None where not known."""
        position: dict[Hashable, int] = {}
        chosen: list[int] = []
        for row, key in enumerate(hashes):
            if key is not None and key not in position:
                position[key] = len(chosen)
                chosen.append(row)
        return cls(position, _unit(rows[np.array(chosen, np.intp)]))

    def check(self, hashes: Sequence[Hashable | None], rows: NDArray[np.float32]) -> SameInput:
        """Look events up. O(n + matches d).

        >>> known = KnownInputs.of(["a", "b"], np.array([[1, 0], [0, 2]], np.float32))
        >>> found = known.check(["a", "b", "a", "c"], np.array([[2, 0], [1, 0], [0, 1], [1, 1]], np.float32))
        >>> found.matches, found.changed, found.repeats, found.inconsistent
        (3, 2, 1, 1)
        """
        unit = _unit(rows)
        pairs = [(row, self.position[key]) for row, key in enumerate(hashes) if key in self.position]
        now, before = np.array(pairs, np.intp).reshape(-1, 2).T
        known = np.einsum("ij,ij->i", unit[now], self.vectors[before])
        first: dict[Hashable, int] = {}
        again = [
            (row, first[key]) for row, key in enumerate(hashes) if key is not None and first.setdefault(key, row) != row
        ]
        later, earlier = np.array(again, np.intp).reshape(-1, 2).T
        repeated = np.einsum("ij,ij->i", unit[later], unit[earlier])
        return SameInput(
            matches=known.size,
            changed=int((known < CHANGED_COSINE).sum()),
            median_cosine=float(np.median(known)) if known.size else 1.0,
            repeats=repeated.size,
            inconsistent=int((repeated < CHANGED_COSINE).sum()),
        )


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
