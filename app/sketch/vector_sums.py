"""Running sums over vectors: all that means, spreads and their merges need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.model import Floats


class VectorSums:
    """Number, sum and sum of squared norms of the vectors of a stream, in float64.

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
        """Add the rows of an (n, dimension) matrix."""
        self.n += len(vectors)
        wide = vectors.astype(np.float64)
        self.total += wide.sum(axis=0)
        self.squared_norms += float(np.vdot(wide, wide))

    def merge(self, other: VectorSums) -> None:
        """Add the sums of `other`, whose vectors have the same length."""
        self.n += other.n
        self.total += other.total
        self.squared_norms += other.squared_norms
