"""What traffic after a baseline may teach: more about how traffic wobbles, and little about where its middle is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.drift.window import Window

LEARNING_SECONDS: Final = 7 * 86400.0
"""Closed windows are learned from for so long after the baseline: a slow drift is not."""

SETTLING_SECONDS: Final = 6 * 3600.0
"""The middle is corrected by so much traffic alone: it has eight times the rows of the baseline's sample, and a change
that begins later is not taken for normal."""


def teaches(score: float, age_seconds: float) -> bool:
    """Whether a closed window is learned from: it was not called drift, and came soon enough after the baseline.

    `score` is the largest of the alarm family, by the limits of that time; `age_seconds` is from the baseline's end.
    """
    return score <= 1 and age_seconds <= LEARNING_SECONDS


def settled(windows: Sequence[Window], seconds: float) -> Window | None:
    """The traffic that may correct the baseline's middle, from learned windows of so many seconds in order of time.

    None where there are none yet.
    """
    first = windows[: max(round(SETTLING_SECONDS / seconds), 1)]
    return Window.merged(first) if first else None
