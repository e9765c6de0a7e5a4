"""Columns: rows of unequal length, and how columns are cut and joined."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Rows of unequal length in one flat array: row i is `values[offsets[i]:offsets[i + 1]]`."""

    values: NDArray[np.float32] | Floats
    offsets: NDArray[np.intp]

    @property
    def lengths(self) -> NDArray[np.intp]:
        """The length of each row, shape (n,)."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def width(self) -> int | None:
        """The length of every row where all have one; None where they differ, or there are no rows."""
        offsets = self.offsets
        if offsets.size < 2:
            return None
        width = int(offsets[1])
        if offsets.size == 2 or offsets[-1] != width * (offsets.size - 1):
            return width if offsets.size == 2 else None
        return None if np.count_nonzero(offsets[1:] - offsets[:-1] != width) else width

    def take(self, rows: NDArray[np.intp]) -> Ragged:
        """The rows named by their positions, copied. Linear in what is taken."""
        lengths = self.lengths[rows]
        offsets = offsets_of(lengths)
        if not self.values.size:
            return Ragged(self.values, offsets)  # also where nothing but the lengths is known
        source = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.values[source], offsets)

    @classmethod
    def concatenate(cls, parts: Sequence[Ragged]) -> Ragged:
        """The rows of all parts, in order."""
        first = parts[0]
        if all(part.offsets is first.offsets for part in parts):
            # Decoders share the offsets of rows of one length: a hundred requests of one event have the same.
            lengths = np.tile(first.lengths, len(parts))
        else:
            lengths = np.concatenate([part.lengths for part in parts])
        return cls(np.concatenate([part.values for part in parts]), offsets_of(lengths))


def offsets_of(lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where rows of these lengths, shape (n,), begin and end; shape (n + 1,).

    >>> offsets_of(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    offsets = np.zeros(lengths.size + 1, np.intp)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def taken(column: Sequence[Value] | None, rows: NDArray[np.intp]) -> Sequence[Value] | None:
    """Entries of a list; None where there is none."""
    return None if column is None else [column[i] for i in rows]


def joined(columns: list[NDArray[Scalar]]) -> NDArray[Scalar]:
    """One column from several. Decoders share the constant ones of single events: repeated, not read one by one."""
    first = columns[0]
    if len(first) == 1 and all(column is first for column in columns):
        return np.repeat(first, len(columns))
    return np.concatenate(columns)


def joined_or_zero(columns: Sequence[NDArray[Scalar] | None], batches: Sequence[Sized]) -> NDArray[Scalar] | None:
    """One column from several, zeros where a batch has none; None where no batch has one."""
    present = next((column for column in columns if column is not None), None)
    if present is None:
        return None
    return np.concatenate(
        [
            np.zeros(len(batch), present.dtype) if column is None else column
            for column, batch in zip(columns, batches, strict=True)
        ]
    )


def joined_where_any(
    columns: Sequence[Sequence[Value | None] | None], batches: Sequence[Sized]
) -> Sequence[Value | None] | None:
    """One list from several, None for each event of a batch that has none; None where no batch has one."""
    if all(column is None for column in columns):
        return None
    parts = (
        repeat(None, len(batch)) if column is None else column for column, batch in zip(columns, batches, strict=True)
    )
    return list(chain.from_iterable(parts))


def add_in_order(total: float, values: Floats) -> float:
    """A sum and further values, one after the other, shape (n,).

    So it is the same in whatever portions they come: a counter that comes back after a restart an ulp lower than it was
    is read as a reset, and all of it counted again.

    >>> values = np.array([0.1, 0.2, 0.3])
    >>> add_in_order(0.0, values) == add_in_order(add_in_order(0.0, values[:2]), values[2:])
    True
    """
    running = np.empty(values.size + 1)
    running[0], running[1:] = total, values
    return float(np.add.accumulate(running, out=running)[-1])
