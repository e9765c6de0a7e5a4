"""State as plain values: what a part is frozen to, so that it can be written down, and thawed from.

A tree is a dict of None, booleans, numbers, strings, bytes, numpy arrays, lists and such dicts. What is large and
seldom changes stands in it as a `Piece`: it is written once, and named again by every snapshot after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Tree = dict[str, Any]
"""Not a recursive type: whoever thaws one reads it by its keys, and what is not as it should be raises KeyError,
TypeError, ValueError or IndexError."""

GROUP_ROWS: Final = 32
"""Rows of a sample that are written together: few enough that a new row does not cost all the others."""

_STAMPS: Final = count(1)


def new_stamp() -> int:
    """A number that no other state of anything had in this process. Safe from any thread."""
    return next(_STAMPS)


class Part(NamedTuple):
    """A part of the state, frozen by itself: under its own lock, and written before the next one is asked."""

    name: str
    freeze: Callable[[Pieces], Tree]


class Piece:
    """A part of a tree that is written once."""

    # No dataclass: those would be encoded as dicts of their fields.
    __slots__ = ("stamp", "tree")

    def __init__(self, stamp: int, tree: Tree | None) -> None:
        self.stamp = stamp
        """Changes with what it holds, and is never used again."""
        self.tree = tree
        """None where it need not be written again; and read, where it was damaged."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a part is frozen with: says which pieces are written already, and what may be written at all."""

    is_written: Callable[[int], bool] = field(default=lambda _: False)
    vectors: bool = True
    """Whether single vectors may be written."""

    def piece(self, stamp: int, freeze: Callable[[], Tree]) -> Piece:
        """The piece of this stamp, frozen only where it is not written yet."""
        return Piece(stamp, None if self.is_written(stamp) else freeze())


class RowStamps:
    """Stamps of the rows of a table, by groups of `GROUP_ROWS`."""

    __slots__ = ("_stamps",)

    def __init__(self, rows: int) -> None:
        self._stamps = [new_stamp() for _ in range(-(-rows // GROUP_ROWS))]

    def changed(self, rows: NDArray[np.intp]) -> None:
        """These rows are others now."""
        for group in set((rows // GROUP_ROWS).tolist()):
            self._stamps[group] = new_stamp()

    def freeze(self, size: int, pieces: Pieces, cut: Callable[[slice], Tree]) -> list[Piece]:
        """The first `size` rows; `cut` copies some of them."""
        groups = range(-(-size // GROUP_ROWS))
        return [pieces.piece(self._stamps[group], partial(cut, _rows(group, size))) for group in groups]

    def thaw(self, frozen: Sequence[Piece]) -> Iterator[tuple[slice, Tree]]:
        """Yield rows, as many as were cut, and what they hold. Raises ValueError where some are lost."""
        for group, piece in enumerate(frozen):
            if piece.tree is None:
                raise ValueError("rows are lost")
            self._stamps[group] = piece.stamp
            first = group * GROUP_ROWS
            yield slice(first, first + len(next(iter(piece.tree.values())))), piece.tree


def _rows(group: int, size: int) -> slice:
    return slice(group * GROUP_ROWS, min((group + 1) * GROUP_ROWS, size))
