"""Joint: several statistics that are each a little high say together what none says alone."""

from __future__ import annotations

import math
from typing import Final

CORRELATED: Final = math.sqrt(3)

INDEPENDENT_LIMIT: Final = 1.05
"""Healthy windows exceed it about as often as all their other limits together; measured."""

WOBBLING_LIMIT: Final = 1.3
"""Where traffic wobbles the scores rise and fall together; measured on streams."""


def joint(mean_shift: float, novelty: float, mahalanobis: float) -> float:
    """The root of the sum of squares of `mean_shift` and of the other two together; scores are at least 0.

    Healthy windows' `novelty` and `mahalanobis` have a correlation of 0.5, so that their sum is as large as
    sqrt(2 + 2 x 0.5) times one of them; `mean_shift` has next to none with either.

    >>> round(joint(mean_shift=0.6, novelty=0.8, mahalanobis=0.586), 2)
    1.0
    """
    return math.hypot(mean_shift, (novelty + mahalanobis) / CORRELATED)


def joint_limit(wobbling: int) -> float:
    """The limit where so many of the members wobble by more than noise."""
    return WOBBLING_LIMIT if wobbling > 1 else INDEPENDENT_LIMIT
