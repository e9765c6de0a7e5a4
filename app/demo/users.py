"""Simulated users: what they make of their results.

Every question was taken from one document, so it is known whether the right one is among them. Real users do not say;
what they do is told as any service would tell it.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

import numpy as np
from embedding_drift_client import Outcome

FEEDBACK_SHARE = 0.25
"""The share of queries of which it becomes known what came of them."""
CLICK_PROBABILITY = 0.9
"""That the right document is opened where it stands first; further down over log2(rank + 1), as attention falls."""
STRAY_CLICK_PROBABILITY = 0.15
"""That another document is opened where the right one was not; it does not help."""
ESCALATION_PROBABILITY = 0.1
"""That somebody is asked in its stead, where the right one was not opened."""


class Users:
    """Draws what came of queries. The same seed and calls give the same outcomes."""

    def __init__(self, seed: int = 7) -> None:
        self._rng = np.random.default_rng(seed)

    def outcome(self, shown: Sequence[int], wanted: Container[int]) -> Outcome | None:
        """What a user made of the documents shown, best first; None where it does not become known.

        The better the right documents stand, the likelier it is a success.
        """
        known, found, strayed, asked = self._rng.random(4).tolist()
        if known >= FEEDBACK_SHARE:
            return None
        rank = next((rank for rank, document in enumerate(shown, start=1) if document in wanted), None)
        success = rank is not None and found < CLICK_PROBABILITY / math.log2(rank + 1)
        clicked = success or (bool(shown) and strayed < STRAY_CLICK_PROBABILITY)
        return {"clicked": clicked, "success": success, "escalated": not success and asked < ESCALATION_PROBABILITY}
