"""A fixed random projection: few numbers of a vector, which keep its angles to others to some percent."""

from __future__ import annotations

from functools import lru_cache
from hashlib import shake_256
from typing import Final

import numpy as np
from numpy.typing import NDArray

NUMBERS: Final = 64
"""That are kept of a vector; of one with fewer than four times as many a quarter."""


def projected(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """The directions of vectors, shape (n, d), as few numbers of each, shape (n, `projected_dimension(d)`).

    Finite vectors other than zero, of any length; what comes out is of length 1. O(n d numbers).

    Sums with random signs (Achlioptas 2003, doi 10.1016/S0022-0000(03)00025-4): the cosine of two vectors is kept up to
    (1 - cosine^2) / 8 of standard deviation with 64 numbers. The same everywhere and for ever, so what was projected
    before a restart, or on another replica, compares; and no secret: see docs/reliability.md for what it hides.
    """
    found = _unit(rows) @ _signs(rows.shape[1])
    # A vector whose every sum is 0 has a direction all the same: a cosine to it must be a number.
    found[~found.any(axis=1), 0] = 1.0
    return _unit(found)


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    # float64, whose range holds the squares of every float32.
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    return np.asarray(rows / lengths[:, None], np.float32)


def projected_dimension(dimension: int) -> int:
    """How many numbers are kept of so many: at least one, and never as many, so that the length tells which it is.

    >>> projected_dimension(768), projected_dimension(100), projected_dimension(3), projected_dimension(1)
    (64, 25, 1, 2)
    """
    return 2 if dimension == 1 else min(NUMBERS, max(dimension // 4, 1))


@lru_cache(maxsize=8)
def _signs(dimension: int) -> NDArray[np.float32]:
    """Shape (d, numbers). Of a hash: numpy's random streams may change with its version."""
    numbers = projected_dimension(dimension)
    bits = shake_256(f"embedding-drift-exporter projection {dimension}".encode()).digest(-(-dimension * numbers // 8))
    signs = np.unpackbits(np.frombuffer(bits, np.uint8))[: dimension * numbers].reshape(dimension, numbers)
    return np.asarray((2.0 * signs - 1.0) / np.sqrt(numbers), np.float32)
