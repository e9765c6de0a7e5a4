"""Running sums of vectors: all that panes and windows keep of them, and all that most vector statistics need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.model import Floats

NOVELTY_LEVELS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the baseline below the novelty quantiles that panes count events against."""


@dataclass(slots=True, eq=False)
class VectorSums:
    """Exact sums over every vector of a pane or window: 8 d + 16 bytes."""

    n: int
    total: Floats
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
        each = list(parts)
        total = np.stack([part.total for part in each]).sum(axis=0)
        return cls(sum(part.n for part in each), total, sum(part.squares for part in each))

    def update(self, rows: NDArray[np.float32]) -> None:
        """Add rows, shape (n, d)."""
        self.n += rows.shape[0]
        self.total += rows.sum(axis=0, dtype=np.float64)
        self.squares += _squares(rows)

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
    novel: Floats
    """Sum of the vectors from the baseline's mean, each times how novel it is, see `drift.joint`; shape (d,)."""
    features: Floats
    """Sum of the random Fourier features, shape (f,)."""

    @classmethod
    def merged(cls, parts: Iterable[FrameSums]) -> Self:
        """The sums of all parts, one or more."""
        each = list(parts)
        return cls(
            sum(part.n for part in each),
            sum(part.depth for part in each),
            sum(part.depth_squares for part in each),
            sum(part.distance for part in each),
            sum(part.distance_squares for part in each),
            np.sum([part.below for part in each], axis=0, dtype=np.int64),
            np.sum([part.novel for part in each], axis=0, dtype=np.float64),
            np.sum([part.features for part in each], axis=0, dtype=np.float64),
        )

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
