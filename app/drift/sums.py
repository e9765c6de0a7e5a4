"""Running sums of vectors: all that panes and windows keep of them, and all that most vector statistics need."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.model import Floats
from app.tree import Tree

Sums = NDArray[np.float64] | NDArray[np.float32]
"""Exact, or in the half of the memory where there are many of them."""

NOVELTY_LEVELS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the baseline below the novelty quantiles that panes count events against."""


@dataclass(slots=True, eq=False)
class VectorSums:
    """Exact sums over every vector of a pane or window: 8 d + 16 bytes."""

    n: int
    total: Sums
    """Sum of the vectors, shape (d,)."""
    squares: float
    """Sum of their squared lengths."""

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> Self:
        """The sums of rows, shape (n, d).

        >>> sums = VectorSums.of(np.array([[1, 0], [0, 3]], np.float32))
        >>> sums.total.tolist(), sums.squares, sums.variance
        ([1.0, 3.0], 10.0, 5.0)
        """
        return cls(rows.shape[0], rows.sum(axis=0, dtype=np.float64), _squares(rows))

    @classmethod
    def merged(cls, parts: Iterable[VectorSums]) -> Self:
        """The sums of all parts, one or more."""
        each = [part for part in parts if part.n]
        if not each:
            return cls.none()
        total = np.stack([part.total for part in each]).sum(axis=0, dtype=np.float64)
        return cls(sum(part.n for part in each), total, sum(part.squares for part in each))

    @classmethod
    def none(cls, dimension: int = 0) -> Self:
        """No vectors yet."""
        return cls(0, np.zeros(dimension), 0.0)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"n": self.n, "total": self.total.copy(), "squares": self.squares}

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The sums that were frozen."""
        return cls(tree["n"], tree["total"], tree["squares"])

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.total.size

    def update(self, rows: NDArray[np.float32]) -> None:
        """Add rows, shape (n, d). About 0.1 us a row of 768 numbers.

        The sums of one batch are float32's, off by some 1e-7 of themselves; they are added up in float64.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.ones(len(rows), np.float32) @ rows
            squares = float(np.vdot(rows, rows))
        if not (math.isfinite(squares) and np.isfinite(total).all()):
            # Numbers whose squares or sums leave float32, in a fifth of the speed.
            wide = rows.astype(np.float64)
            total, squares = wide.sum(axis=0), float(np.vdot(wide, wide))
        self.n += len(rows)
        self.total += total
        self.squares += squares

    def merge(self, other: VectorSums) -> None:
        """Add the sums of `other`, whose vectors have the same length."""
        self.n += other.n
        self.total += other.total
        self.squares += other.squares

    @property
    def mean(self) -> Floats:
        """Shape (d,); n >= 1."""
        return self.total / self.n

    @property
    def variance(self) -> float:
        """Total variance, the trace of the unbiased covariance; >= 0; n >= 2."""
        return max(self.squares - float(self.total @ self.total) / self.n, 0.0) / (self.n - 1)


@dataclass(slots=True, eq=False)
class FrameSums:
    """Sums over the rows of a pane or window that were measured in the frame: 8 x (12 + d + features) bytes.

    They may be a sample of its events. Sums of one frame merge; which frame it is, the keeper remembers.
    """

    n: int
    depth: float
    """Sum of the novelty depths: how far a row's nearest anchor is below the baseline's 20 % quantile."""
    depth_squares: float
    distance: float
    """Sum of the squared whitened distances from the baseline's mean."""
    distance_squares: float
    below: NDArray[np.int64]
    """Rows whose novelty is below the baseline's quantile of each of NOVELTY_LEVELS; shape (7,)."""
    novel: Sums
    """Sum of the vectors from the baseline's mean, each times how novel it is, see `drift.joint`; shape (d,), or empty
    where it was left out: over few rows it is nearly one of them."""
    features: Sums
    """Sum of the random Fourier features, shape (f,), or empty where nobody asks for them."""

    @classmethod
    def none(cls) -> Self:
        """No rows."""
        return cls(0, 0.0, 0.0, 0.0, 0.0, np.zeros(len(NOVELTY_LEVELS), np.int64), np.zeros(0), np.zeros(0))

    @classmethod
    def merged(cls, parts: Iterable[FrameSums]) -> Self:
        """The sums of all parts, one or more."""
        each = [part for part in parts if part.n]
        if not each:
            return cls.none()
        return cls(
            sum(part.n for part in each),
            sum(part.depth for part in each),
            sum(part.depth_squares for part in each),
            sum(part.distance for part in each),
            sum(part.distance_squares for part in each),
            np.sum([part.below for part in each], axis=0, dtype=np.int64),
            np.stack([part.novel for part in each]).sum(axis=0, dtype=np.float64)
            if all(part.novel.size for part in each)
            else np.zeros(0),
            np.stack([part.features for part in each]).sum(axis=0, dtype=np.float64)
            if all(part.features.size for part in each)
            else np.zeros(0),
        )

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        scalars = (self.depth, self.depth_squares, self.distance, self.distance_squares)
        return {
            "n": self.n,
            "scalars": list(scalars),
            "below": self.below.copy(),
            "novel": self.novel.copy(),
            "features": self.features.copy(),
        }

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The sums that were frozen."""
        depth, depth_squares, distance, distance_squares = tree["scalars"]
        return cls(
            tree["n"],
            depth,
            depth_squares,
            distance,
            distance_squares,
            tree["below"],
            tree["novel"],
            tree["features"],
        )

    def compact(self) -> FrameSums:
        """A copy in half the memory: what panes keep. Off by some 1e-7 of itself."""
        return replace(
            self,
            below=self.below.copy(),
            novel=self.novel.astype(np.float32),
            features=self.features.astype(np.float32),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.below.nbytes + self.novel.nbytes + self.features.nbytes

    def merge(self, other: FrameSums) -> None:
        """Add the sums of `other`, of the same frame; both hold rows, and features that one has not are left out."""
        self.n += other.n
        self.depth += other.depth
        self.depth_squares += other.depth_squares
        self.distance += other.distance
        self.distance_squares += other.distance_squares
        self.below += other.below
        self.novel += other.novel
        if self.features.size and other.features.size:
            self.features += other.features
        else:
            self.features = np.zeros(0, np.float32)

    @property
    def depth_variance(self) -> float:
        """Variance of one row's novelty depth."""
        return max(self.depth_squares / self.n - (self.depth / self.n) ** 2, 0.0)

    @property
    def distance_variance(self) -> float:
        """Variance of one row's squared whitened distance."""
        return max(self.distance_squares / self.n - (self.distance / self.n) ** 2, 0.0)


def _squares(rows: NDArray[np.float32]) -> float:
    return float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
