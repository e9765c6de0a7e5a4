"""Joint: several statistics that are each a little high say together what none says alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

MEMBERS: Final = ("mean_shift", "novelty", "mahalanobis")

INDEPENDENT_LIMIT: Final = 1.05
"""Three independent scores exceed it together about as often as one of them exceeds 1 on its own."""

WOBBLING_LIMIT: Final = 1.3
"""Where traffic wobbles the scores rise and fall together; measured on streams."""


def joint(scores: Iterable[float]) -> float:
    """The root of the sum of squares of the scores above 0 of `mean_shift`, `novelty` and `mahalanobis`.

    >>> joint([0.6, 0.8, -3.0])
    1.0
    """
    return math.hypot(*(max(score, 0.0) for score in scores))


def joint_limit(wobbling: int) -> float:
    """The limit where so many of the members wobble by more than noise."""
    return WOBBLING_LIMIT if wobbling > 1 else INDEPENDENT_LIMIT
