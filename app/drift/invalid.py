"""Invalid: the share of vectors that are zero, not finite or of another dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from app.drift.noise import FAMILY

FLOOR: Final = 0.001
"""One vector in a thousand more than the baseline had is not worth a word."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """Share of invalid vectors less the baseline's; -1 to 1.

    The limit is exact: given all k invalid vectors of window and baseline, those of the window are binomial
    (Przyborowski and Wilenski 1940, doi 10.1093/biomet/31.3-4.313).
    """

    count: int
    """Invalid vectors of the baseline."""
    events: int
    """Vectors of the baseline, invalid ones counted."""

    def value(self, count: int, n: int) -> float:
        """For `count` invalid vectors of n.

        >>> round(Invalid(count=10, events=1000).value(30, 1000), 3)
        0.02
        """
        return count / n - self.count / self.events

    def limit(self, n: int, alpha: float) -> float:
        """The value that n healthy vectors exceed with a probability of at most alpha / FAMILY; at least FLOOR.

        >>> round(Invalid(count=0, events=2000).limit(500, 1e-3) * 500)
        5
        """
        least, share = 0, n / (n + self.events)
        most = int(self.count * n / self.events + 10 * np.sqrt((self.count + 10) * (n / self.events + 1)) + 50)
        counts = np.arange(least, most + 1)
        within = scipy.special.bdtrc(counts, self.count + counts + 1, share) <= alpha / FAMILY
        allowed = float(counts[within][0]) if within.any() else float(most)
        return max(allowed / n - self.count / self.events, FLOOR)
