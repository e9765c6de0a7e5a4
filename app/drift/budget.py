"""The budget of false alarms, turned into how often one look at a healthy window may exceed a limit."""

from __future__ import annotations

import math

DAYS_PER_YEAR = 365.25

LOOKS = 3
"""Independent looks that a sliding window of one length is worth; a rule of thumb."""

SECONDS_PER_DAY = 86400.0


def alpha_of_budget(
    false_alarms_per_series_year: float, window_seconds: float, windows: int, baselines: int, *, confirmed: bool = True
) -> float:
    """Probability for the whole alarm family in one look at one window against one baseline; at most 0.05.

    `confirmed` where rules wait for longer than the window, so that two disjoint windows must exceed their limits:
    then a look's probability is the root of the alarm's. All windows and baselines share the budget alike.

    >>> f"{alpha_of_budget(1, 3600, windows=3, baselines=2):.1e}"
    '1.0e-03'
    """
    alarms_per_day = false_alarms_per_series_year / DAYS_PER_YEAR
    alarm = alarms_per_day * window_seconds / SECONDS_PER_DAY / LOOKS
    look = math.sqrt(alarm) if confirmed else alarm
    return min(look / (windows * baselines), 0.05)
