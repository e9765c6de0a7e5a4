"""Looking keys up in a sorted array of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def find(table: NDArray[np.uint64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each of the keys stands in a sorted table of distinct ones, and whether it is there at all. O(n log k).

    >>> positions, present = find(np.array([2, 5], np.uint64), np.array([5, 3, 9], np.uint64))
    >>> positions[present].tolist(), present.tolist()
    ([1], [True, False, False])
    """
    positions = np.searchsorted(table, keys)
    positions[positions == table.size] = 0
    return positions, table[positions] == keys if table.size else np.zeros(keys.size, np.bool_)
