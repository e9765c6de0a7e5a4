"""Rows of numbers that came as one array: a column of vectors, or of scores, without an object an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.decode.event import refuse
from app.model import Floats, Ragged

Sliced = TypeVar("Sliced", bytes, list[float])


@dataclass(frozen=True, slots=True, eq=False)
class NumberRows:
    """One row an event, in one flat array; a decoder's answer for `embedding` or `scores` beside a list of them."""

    rows: Ragged
    """Empty where the event has none. Nearly all of what it lies in, or its own memory: it outlives the request."""
    present: NDArray[np.bool_] | None
    """Which events carry a row at all; None where all do."""

    def __len__(self) -> int:
        return self.rows.offsets.size - 1

    def take(self, kept: Sequence[int]) -> NumberRows:
        """The rows of these events."""
        positions = np.array(kept, np.intp)
        present = None if self.present is None else self.present[positions]
        return NumberRows(self.rows.take(positions), None if present is None or present.all() else present)

    def in_bytes(self) -> list[bytes | None]:
        """Each row as little-endian float32; None where there is none."""
        return self._each(self.rows.values.astype("<f4").tobytes(), 4)

    def in_lists(self) -> list[list[float] | None]:
        """Each row as numbers; None where there is none."""
        return self._each(self.rows.values.tolist(), 1)

    def _each(self, flat: Sliced, size: int) -> list[Sliced | None]:
        ends = (size * self.rows.offsets).tolist()
        found: list[Sliced | None] = [flat[a:b] for a, b in pairwise(ends)]
        if self.present is not None:
            for i in np.flatnonzero(~self.present).tolist():
                found[i] = None
        return found

    @classmethod
    def concatenate(cls, parts: Sequence[NumberRows]) -> NumberRows:
        """The rows of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        present = None
        if any(part.present is not None for part in parts):
            present = np.concatenate(
                [np.ones(len(part), np.bool_) if part.present is None else part.present for part in parts]
            )
        return cls(Ragged.concatenate([part.rows for part in parts]), present)


def matrix(field: str, data: bytes, rows: int) -> NumberRows:
    """The rows of a matrix of little-endian float32, one after the other, all of one length.

    They stay where they are: the bytes are of the matrix alone. Raises `Refused` where they cannot be divided so.
    """
    if not data or len(data) % (4 * rows):
        raise refuse(field, "as one value must be a matrix of little-endian float32: as many numbers for each event")
    values = np.frombuffer(data, "<f4")
    return NumberRows(ragged(values, [values.size // rows] * rows), None)


def ragged(values: NDArray[np.float32] | Floats, lengths: list[int]) -> Ragged:
    """Rows of these lengths, one after the other in `values`; the offsets may be shared, hence read-only."""
    if lengths and lengths.count(lengths[0]) == len(lengths):
        return Ragged(values, _even_offsets(len(lengths), lengths[0]))
    return Ragged(values, np.array([0, *accumulate(lengths)], dtype=np.intp))


@lru_cache(maxsize=64)
def _even_offsets(rows: int, length: int) -> NDArray[np.intp]:
    offsets = np.arange(rows + 1) * length
    offsets.setflags(write=False)
    return offsets
