"""Whether two vectors are the same: one measure for inputs that a baseline knows and those that came just before."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.model import Floats

CHANGED_COSINE: Final = 0.999
"""Below it a vector is another one. Storage in float16 leaves 0.9999995, in int8 0.9999."""


def cosines(rows: NDArray[np.floating], others: NDArray[np.floating]) -> Floats:
    """The cosine of each row, shape (n, d), to the row of `others` beside it: at most 1; shape (n,).

    Exact to 1e-15 of what is stored, for finite rows other than zero.

    >>> cosines(np.array([[0, 2], [3, 4]], np.float32), np.array([[0, 1], [0, 1]], np.float16)).tolist()
    [1.0, 0.8]
    """
    # float64, whose range holds the squares of every float32, and whose digits tell 0.9999999 from 1.
    a, b = rows.astype(np.float64), others.astype(np.float64)
    lengths = np.sqrt(np.vecdot(a, a) * np.vecdot(b, b))
    return np.asarray(np.minimum(np.vecdot(a, b) / lengths, 1.0), np.float64)


def count_changed(found: Floats) -> int:
    """How many of the cosines say that the vector is another one."""
    return int(np.count_nonzero(found < CHANGED_COSINE))
