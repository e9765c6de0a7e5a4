"""Cosine of the window's mean and the baseline's: what most tools call embedding drift."""

from __future__ import annotations

import math

from app.drift.sums import VectorSums


def centroid_cosine(current: VectorSums, baseline: VectorSums) -> float:
    """-1 to 1, 1 with no drift; 1 where a mean is zero.

    Diagnostic only: how close to 1 is healthy depends on how much the vectors of a model have in common, so that no
    threshold carries from one population to another.

    >>> import numpy as np
    >>> round(centroid_cosine(VectorSums(2, np.array([2.0, 0.0]), 2.0), VectorSums(4, np.array([4.0, 4.0]), 8.0)), 4)
    0.7071
    """
    lengths = math.sqrt(float(current.total @ current.total) * float(baseline.total @ baseline.total))
    return float(current.total @ baseline.total) / lengths if lengths > 0 else 1.0
