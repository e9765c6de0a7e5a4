"""One series of the last evaluation, and which part of it is exported: a full series has a budget of samples.

Of the pinned (or uploaded) baseline everything is exported. Against the others every drift score is, for they alarm;
what explains a score is exported of the window `FULL_WINDOW` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.evaluate import SeriesView
from app.evaluate.diagnostics import DIAGNOSED_WINDOW
from app.metrics.family import SERIES_LABELS, Family

FULL_WINDOW: Final = DIAGNOSED_WINDOW
"""The window of which raw values are exported, and effects against every baseline."""

OWN_BASELINES: Final = frozenset({"pinned", "uploaded"})
"""What a series is measured in the frame of; it has one of them."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One series of the last evaluation, and how many events a window needs to be read."""

    view: SeriesView
    min_window_events: int


def in_budget(window: str, baseline: str) -> bool:
    """Whether it is exported how large the change of a window against a baseline is.

    >>> in_budget("5m", "pinned"), in_budget("1h", "7d"), in_budget("5m", "7d")
    (True, True, False)
    """
    return baseline in OWN_BASELINES or window == FULL_WINDOW


def of_the_hour(window: str, _: str) -> bool:
    """Whether it is of the window that people look at, against any baseline."""
    return window == FULL_WINDOW


def of_its_own(window: str, baseline: str) -> bool:
    """Whether it is of the window that people look at, against the baseline that has the frame."""
    return window == FULL_WINDOW and baseline in OWN_BASELINES


def not_of_minutes(window: str, baseline: str) -> bool:
    """As `in_budget`, but for five minutes, in which it is noise."""
    return in_budget(window, baseline) and window != "5m"


IN_BUDGET: Final = f"Against other baselines than pinned and uploaded: window {FULL_WINDOW} only."
"""The same in words."""


def gauge(name: str, text: str, *labels: str) -> Family:
    """A gauge of a series."""
    return Family(f"embedding_{name}", "gauge", (*SERIES_LABELS, *labels), text)
