"""When nobody was there to see a series' traffic: between the last snapshot before a restart and the restart."""

from __future__ import annotations

from typing import Final

from app.model import Timing
from app.tree import Tree

SHARE: Final = 0.1
"""A window that lacks more of its time than this is not full: the rest of a day has another mean than the day."""

BRIEF_SHARE: Final = 0.2
"""But of the shortest window so much may always be missing: a minute, in which an exporter is replaced."""


class Downtime:
    """Spans of time without an exporter, as far back as the longest window.

    >>> downtime = Downtime(Timing())
    >>> downtime.add(since=1000.0, until=1400.0)
    >>> downtime.leaves_full(300.0, now=1500.0), downtime.leaves_full(86400.0, now=1500.0)
    (False, True)
    >>> downtime.leaves_full(300.0, now=1650.0)
    True
    """

    def __init__(self, timing: Timing) -> None:
        self._longest = max(timing.windows.values())
        self._brief = BRIEF_SHARE * min(timing.windows.values())
        self._spans: list[tuple[float, float]] = []

    def add(self, since: float, until: float) -> None:
        """Nobody was there between these times, in unix seconds."""
        self._spans = [span for span in self._spans if span[1] > until - self._longest]
        self._spans.append((since, until))

    def leaves_full(self, seconds: float, now: float) -> bool:
        """Whether nearly all of the window of so many seconds was seen."""
        missing = sum(max(0.0, until - max(since, now - seconds)) for since, until in self._spans)
        return missing <= max(SHARE * seconds, self._brief)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"spans": [list(span) for span in self._spans]}

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen."""
        self._spans = [(since, until) for since, until in tree["spans"]]
