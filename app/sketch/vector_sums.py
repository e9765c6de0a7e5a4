"""Running sums over vectors: all that means, spreads and their merges need."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.model import Floats


class VectorSums:
    """Number, sum and sum of squared norms of the vectors of a stream.

    >>> sums = VectorSums(2)
    >>> sums.update(np.array([[3.0, 4.0], [1.0, 0.0]], dtype=np.float32))
    >>> sums.n, sums.total.tolist(), sums.squared_norms
    (2, [4.0, 4.0], 26.0)
    """

    __slots__ = ("n", "squared_norms", "total")

    def __init__(self, dimension: int) -> None:
        self.n = 0
        self.total: Floats = np.zeros(dimension)
        self.squared_norms = 0.0

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.total.size

    def update(self, vectors: NDArray[np.float32]) -> None:
        """Add the rows of an (n, dimension) matrix. About 0.1 us a row of 768 numbers.

        The sums of one batch are float32's, off by some 1e-7 of themselves; they are added up in float64.
        """
        self.n += len(vectors)
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.ones(len(vectors), np.float32) @ vectors
            squared_norms = float(np.vdot(vectors, vectors))
        if not (math.isfinite(squared_norms) and np.isfinite(total).all()):
            # Numbers whose squares or sums leave float32, in a fifth of the speed.
            wide = vectors.astype(np.float64)
            total, squared_norms = wide.sum(axis=0), float(np.vdot(wide, wide))
        self.total += total
        self.squared_norms += squared_norms

    def merge(self, other: VectorSums) -> None:
        """Add the sums of `other`, whose vectors have the same length."""
        self.n += other.n
        self.total += other.total
        self.squared_norms += other.squared_norms
