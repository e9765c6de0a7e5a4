"""Time blocks of a baseline, and what their rows measured: each kind as a few arrays, as a file has them.

A day has 288 of each, which are read when limits are learned and hardly ever after it. As objects with views of their
own they would take 0.3 MiB more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Generic, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from app.drift.sums import FrameSums, VectorSums
from app.model import Floats
from app.series import Block

Arrays = dict[str, NDArray[np.generic]]

BLOCK_SIGNALS: Final = ("norm", "top1_similarity")

T = TypeVar("T")


class Stacked(Sequence[T], Generic[T]):
    """Some of a kind, each made anew whenever it is asked for; several of them are a tuple."""

    __slots__ = ("_arrays", "_count")

    def __init__(self, each: Arrays, beside: Arrays) -> None:
        """Arrays that have a row for `each`, and others.

        Raises ValueError or IndexError where one of them cannot be made.
        """
        self._count = min(map(len, each.values()))
        self._arrays = {name: array.view() for name, array in (each | beside).items()}
        for array in self._arrays.values():
            # What is made of them holds views: who adds to one would change the baseline.
            array.flags.writeable = False
        if any(len(array) != self._count for array in each.values()):
            raise ValueError("arrays of different lengths")
        for _ in self:
            pass  # now, and not when limits are learned, a file is refused whose arrays do not fit each other

    @property
    def arrays(self) -> Arrays:
        """Those of a file; not to be changed."""
        return self._arrays

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self._arrays.values())

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[T, ...]: ...

    def __getitem__(self, at: int | slice) -> T | tuple[T, ...]:
        places = range(self._count)[at]
        return self._made(places) if isinstance(places, int) else tuple(map(self._made, places))

    def __iter__(self) -> Iterator[T]:
        # That of a sequence would take an IndexError of one that is broken for the end.
        return map(self._made, range(self._count))

    @abstractmethod
    def _made(self, place: int) -> T:
        """The one at a place, 0 to the last."""


class StackedBlocks(Stacked[Block]):
    """Blocks, oldest first."""

    __slots__ = ("_ends",)

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Of arrays as `arrays` has them. Raises KeyError, ValueError or IndexError where they are no such."""
        quantiles, steps = np.asarray(arrays["quantiles"], np.float32), np.asarray(arrays["steps"], np.int64)
        self._ends = np.cumsum(steps, dtype=np.int64)
        super().__init__(
            {
                "start": np.asarray(arrays["start"], np.float64),
                "counts": np.asarray(arrays["counts"], np.int64),
                "squares": np.asarray(arrays["squares"], np.float64),
                "totals": _matrix(arrays["totals"]),
                "signals": np.asarray(arrays["signals"], np.int64),
                "steps": steps,
            },
            {"quantiles": quantiles},
        )

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> Self:
        """These blocks, copied unless they are stacked already."""
        if isinstance(blocks, cls):
            return blocks
        signals = [[dict(block.signals).get(name, 0) for name in BLOCK_SIGNALS] for block in blocks]
        counts = [[block.events, block.invalid, block.vectors.n] for block in blocks]
        return cls(
            {
                "start": np.array([block.start for block in blocks], np.float64),
                "counts": np.array(counts, np.int64).reshape(-1, 3),
                "squares": np.array([block.vectors.squares for block in blocks], np.float64),
                "totals": _stacked([block.vectors.total for block in blocks]),
                "signals": np.array(signals, np.int64).reshape(-1, len(BLOCK_SIGNALS)),
                "quantiles": np.concatenate([np.empty(0, np.float32), *(_ordered(block) for block in blocks)]),
                "steps": np.array([block.quantiles.size for block in blocks], np.int64),
            }
        )

    def _made(self, place: int) -> Block:
        each = self._arrays
        events, invalid, n = each["counts"][place].tolist()
        vectors = VectorSums(n, each["totals"][place], float(each["squares"][place])) if n else VectorSums.none()
        counts = zip(BLOCK_SIGNALS, each["signals"][place].tolist(), strict=True)
        before = int(self._ends[place - 1]) if place else 0
        return Block(
            float(each["start"][place]),
            events,
            invalid,
            vectors,
            tuple((name, count) for name, count in counts if count),
            np.asarray(each["quantiles"][before : int(self._ends[place])], np.float32),
        )


class StackedSums(Stacked[FrameSums]):
    """What the rows of each block measured in the frame."""

    __slots__ = ()

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Of arrays as `arrays` has them. Raises KeyError, ValueError or IndexError where they are no such."""
        super().__init__(
            {
                "n": np.asarray(arrays["n"], np.int64),
                "scalars": np.asarray(arrays["scalars"], np.float64),
                "below": np.asarray(arrays["below"], np.int64),
                "novel": _matrix(arrays["novel"]),
                "features": _matrix(arrays["features"]),
            },
            {},
        )

    @classmethod
    def of(cls, sums: Sequence[FrameSums]) -> Self:
        """These sums, copied unless they are stacked already."""
        if isinstance(sums, cls):
            return sums
        scalars = [[each.depth, each.depth_squares, each.distance, each.distance_squares] for each in sums]
        return cls(
            {
                "n": np.array([each.n for each in sums], np.int64),
                "scalars": np.array(scalars, np.float64).reshape(-1, 4),
                "below": np.array([each.below for each in sums], np.int64),
                "novel": _stacked([each.novel for each in sums]),
                "features": _stacked([each.features for each in sums]),
            }
        )

    def _made(self, place: int) -> FrameSums:
        each = self._arrays
        n = int(each["n"][place])
        if not n:
            return FrameSums.none()
        depth, depth_squares, distance, distance_squares = each["scalars"][place].tolist()
        return FrameSums(
            n,
            depth,
            depth_squares,
            distance,
            distance_squares,
            each["below"][place],
            each["novel"][place],
            each["features"][place],
        )


def _ordered(block: Block) -> NDArray[np.float32]:
    """The block's quantiles in the order of BLOCK_SIGNALS."""
    return np.concatenate([np.empty(0, np.float32), *(block.steps_of(name) for name in BLOCK_SIGNALS)])


def _stacked(rows: Sequence[NDArray[np.generic] | Floats]) -> NDArray[np.float32]:
    """Rows of one width as a matrix, those that are empty as zeros."""
    width = max((row.size for row in rows), default=0)
    matrix = np.zeros((len(rows), width), np.float32)
    for i, row in enumerate(rows):
        matrix[i, : row.size] = row
    return matrix


def _matrix(rows: NDArray[np.generic]) -> NDArray[np.float32]:
    if rows.ndim != 2:
        raise ValueError("rows of no width")
    return np.asarray(rows, np.float32)
