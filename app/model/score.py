"""A score."""

from __future__ import annotations

import math
from typing import NamedTuple


class Score(NamedTuple):
    """One statistic of one signal in one window against one baseline."""

    window: str
    baseline: str
    signal: str
    statistic: str
    value: float
    """In the statistic's own unit."""
    limit: float | None
    """The largest value that the baseline's own time blocks make plausible; None where it is not known."""

    @property
    def score(self) -> float | None:
        """Value over limit, at least 0: 1 is the limit. None where there is no limit, or no number."""
        if self.limit is None or not math.isfinite(self.value):
            return None
        return max(self.value / self.limit, 0.0)
