"""What a user may set of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.evaluate.trailing import SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Rules:
    """What a user may set of an evaluation."""

    min_window_events: int = 200
    """A window with fewer of a signal's events has no score of it."""
    poor_match_similarity: float | None = None
    """None: the pinned baseline's own 5 % quantile."""
    baselines: tuple[str, ...] = ("pinned", "7d", "peer")
    """Those that windows are held against."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """By statistic, limits that stand in for the learned ones."""
    day_seconds: float = SECONDS_PER_DAY
