"""Energy distance of two samples of vectors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def energy_rows(current: NDArray[np.float32], baseline: NDArray[np.float32]) -> float:
    """The root of 2 E|X - Y| - E|X - X'| - E|Y - Y'|, pairs of a row with itself left out; 0 to unbounded.

    In the root of the vectors' unit. Rows of shape (n, k) and (m, k), n, m >= 2, from reservoirs in the leading
    components. Diagnostic. O((n + m)^2 k).

    Source: Szekely and Rizzo (2013), doi 10.1016/j.jspi.2013.03.018.

    >>> energy_rows(np.zeros((2, 2), np.float32), np.array([[0, 2], [0, 2]], np.float32))
    2.0
    """
    n, m = len(current), len(baseline)
    between = float(_distances(current, baseline).mean())
    within = float(_distances(current, current).sum()) / (n * (n - 1))
    before = float(_distances(baseline, baseline).sum()) / (m * (m - 1))
    return math.sqrt(max(2 * between - within - before, 0.0))


def _distances(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = left.astype(np.float64), right.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0.0))
    if left is right:
        np.fill_diagonal(distances, 0.0)
    return distances
