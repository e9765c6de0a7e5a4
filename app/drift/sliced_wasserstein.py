"""Sliced Wasserstein distance of two samples of vectors."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SLICES: Final = 64
GRID: Final = (np.arange(200) + 0.5) / 200


def sliced_wasserstein(current: NDArray[np.float32], baseline: NDArray[np.float32]) -> float:
    """Mean over 64 fixed random directions of the Wasserstein distance W1 along each; 0 to unbounded.

    In the vectors' unit; a shift by v reads about |v| sqrt(2 / (pi k)) in k dimensions. Rows of shape (n, k) and
    (m, k), from reservoirs in the leading components; quantiles on a grid of 200. Diagnostic.

    Source: Bonneel et al. (2015), doi 10.1007/s10851-014-0506-3.

    >>> rows = np.zeros((4, 1), np.float32)
    >>> round(sliced_wasserstein(rows, rows + 3), 6)
    3.0
    """
    directions = np.random.default_rng(7).normal(size=(current.shape[1], SLICES))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.abs(_quantiles(current @ directions) - _quantiles(baseline @ directions)).mean())


def _quantiles(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """As numpy.quantile over GRID, in a tenth of its time: it partitions for each of the 200 anew."""
    ordered = np.sort(columns, axis=0)
    place = GRID * (len(ordered) - 1)
    below = place.astype(np.intp)
    share = (place - below)[:, None]
    above = np.minimum(below + 1, len(ordered) - 1)
    return np.asarray(ordered[below] * (1 - share) + ordered[above] * share)
