"""The same input must give the same vector: what separates a changed model from changed traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.cosine import cosines, count_changed
from app.model import Floats
from app.projection import projected

MINIMUM_MATCHES: Final = 20
LIMIT: Final = 0.05


@dataclass(frozen=True, slots=True)
class SameInputCounts:
    """What became of inputs that were seen before, as counts that add up over panes."""

    matches: int = 0
    """Events whose input the baseline knows."""
    changed: int = 0
    """Those whose vector has a cosine below 0.999 to the baseline's."""
    repeats: int = 0
    """Events whose input came before in the same window."""
    inconsistent: int = 0
    """Those whose vector has a cosine below 0.999 to the window's first."""

    def __add__(self, other: SameInputCounts) -> SameInputCounts:
        return SameInputCounts(
            self.matches + other.matches,
            self.changed + other.changed,
            self.repeats + other.repeats,
            self.inconsistent + other.inconsistent,
        )

    @property
    def changed_ratio(self) -> float:
        """Share of the matches with another vector; 0 without any."""
        return self.changed / max(self.matches, 1)

    @property
    def inconsistent_ratio(self) -> float:
        """Share of the repeats with another vector; 0 without any."""
        return self.inconsistent / max(self.repeats, 1)


@dataclass(frozen=True, slots=True)
class SameInput(SameInputCounts):
    """The same of a whole window, with what does not add up."""

    median_cosine: float = 1.0
    """Median over the matches; 1 without any."""

    @classmethod
    def of(cls, counts: SameInputCounts, median_cosine: float) -> Self:
        """From the counts of a window's panes together, and the median over all of its matches."""
        return cls(counts.matches, counts.changed, counts.repeats, counts.inconsistent, median_cosine)


@dataclass(frozen=True, slots=True, eq=False)
class KnownInputs:
    """Inputs that a baseline knows, as keys, each with a vector that it had. Key 0 stands for no input."""

    keys: NDArray[np.uint64]
    """Distinct, sorted, none of them 0; shape (k,)."""
    directions: NDArray[np.float16] | NDArray[np.float32]
    """Their vectors, of any length but zero; shape (k, d). Looking up is faster in float32."""
    projected_from: int | None = None
    """Length of the vectors where `directions` are projections of them; cosines are those of projections then."""

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self.directions.shape[1]) if self.projected_from is None else self.projected_from

    @classmethod
    def of(cls, keys: NDArray[np.uint64], rows: NDArray[np.float32]) -> Self:
        """Every key with its first vector; keys (n,), finite rows other than zero (n, d)."""
        first = _first(keys)
        return cls(keys[first], rows[first])

    def projected(self) -> KnownInputs:
        """The same inputs with projections of their vectors."""
        if self.projected_from is not None:
            return self
        return KnownInputs(self.keys, projected(self.directions).astype(np.float16), self.dimension)

    def match(self, keys: NDArray[np.uint64], rows: NDArray[np.float32]) -> tuple[NDArray[np.intp], Floats]:
        """Positions of the events whose input is known, and the cosine of each one's vector to the known one.

        Keys (n,), finite rows other than zero (n, d). Cosines are exact to 1e-15 of what is stored, at most 1.
        O(n log k + matches d).

        >>> known = KnownInputs.of(np.array([7, 3], np.uint64), np.array([[0, 1], [3, 4]], np.float32))
        >>> positions, cosines = known.match(np.array([3, 5, 7], np.uint64), np.array([[0, 2]] * 3, np.float32))
        >>> positions.tolist(), cosines.tolist()
        ([0, 2], [0.8, 1.0])
        """
        at = np.searchsorted(self.keys, keys)
        positions = np.flatnonzero(at < self.keys.size)
        positions = positions[self.keys[at[positions]] == keys[positions]]
        # Where all are known, without a copy of the rows.
        mine = rows if positions.size == len(rows) else rows[positions]
        return positions, cosines(
            mine if self.projected_from is None else projected(mine), self.directions[at[positions]]
        )

    def check(self, keys: NDArray[np.uint64], rows: NDArray[np.float32]) -> SameInput:
        """Look up a whole window at once: against what is known, and each input against its first in the window.

        >>> known = KnownInputs.of(np.array([1, 2], np.uint64), np.array([[1, 0], [0, 2]], np.float32))
        >>> rows = np.array([[2, 0], [1, 0], [0, 1], [1, 1]], np.float32)
        >>> known.check(np.array([1, 2, 1, 3], np.uint64), rows)
        SameInput(matches=3, changed=2, repeats=1, inconsistent=1, median_cosine=0.0)
        """
        _, cosines = self.match(keys, rows)
        later = np.setdiff1d(np.flatnonzero(keys), _first(keys))
        _, again = KnownInputs.of(keys, rows).match(keys[later], rows[later])
        median = float(np.median(cosines)) if cosines.size else 1.0
        return SameInput(cosines.size, count_changed(cosines), again.size, count_changed(again), median)


def _first(keys: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Where each key other than 0 comes first, in the order of the keys."""
    present = np.flatnonzero(keys)
    return present[np.unique(keys[present], return_index=True)[1]]
