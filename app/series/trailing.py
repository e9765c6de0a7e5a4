"""The months behind a series, as one pane for each span that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.series.pane import Pane


@dataclass(frozen=True, slots=True)
class Past:
    """Whole days before the last one."""

    pane: Pane
    since: float | None
    """When the first of them began, in unix seconds; None where there is none."""
    days: int
    """Those with events."""


class TrailingSpans:
    """Merges the day panes of a ladder once a day, not at every look."""

    def __init__(self) -> None:
        self._kept: dict[float, tuple[object, Past]] = {}

    def past(self, panes: Sequence[tuple[float, Pane]], seconds: float, now: float) -> Past:
        """What came within these seconds, from the panes of days by their start; the caller's to read alone."""
        chosen = [(start, pane) for start, pane in panes if start >= now - seconds]
        stamp = tuple((start, pane.events, pane.frame is None) for start, pane in chosen)
        kept = self._kept.get(seconds)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        merged = Pane()
        for _, pane in chosen:
            merged.merge(pane)
        past = Past(merged, min((start for start, _ in chosen), default=None), len(chosen))
        self._kept[seconds] = (stamp, past)
        return past
