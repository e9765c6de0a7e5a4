"""Vectors, looked for where none may be."""

from __future__ import annotations

import numpy as np


def stands_in(data, rows):
    """Of each vector, whether its numbers stand in these bytes, in any precision, as they are or of length 1."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return [
        any(row.astype(kind).tobytes() in data for row in pair for kind in ("<f2", "<f4", "<f8"))
        for pair in zip(rows, unit, strict=True)
    ]
