"""Maximum mean discrepancy by random Fourier features: mergeable, and blind to nothing the kernel resolves."""

from __future__ import annotations

import math

import numpy as np

from app.drift.sums import FrameSums


def mmd(current: FrameSums, baseline: FrameSums) -> float:
    """Distance of the mean features of two samples; 0 to 2, 0 with no drift on average of its square.

    The square is the unbiased one: of each side's squared mean the part is taken out that rows have with themselves
    (a row's features have a squared length of about 1). Diagnostic: reads sampling noise as (1/n + 1/m)^0.5 / 2.

    Sources: Gretton et al. (2012), JMLR 13; Rahimi and Recht (2007), NIPS.
    """
    difference = np.asarray(current.features / current.n, np.float64) - baseline.features / baseline.n
    square = float(difference @ difference) - _own_share(current) - _own_share(baseline)
    return math.sqrt(max(square, 0.0))


def _own_share(sums: FrameSums) -> float:
    mean = sums.features / sums.n
    return (1 - float(mean @ mean)) / max(sums.n - 1, 1)
