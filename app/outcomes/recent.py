"""Outcomes of the last hour beside those before it, from counts that only grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from app.model import SeriesKey
from app.outcomes.totals import OutcomeCounts

NOTES = 12
"""In an hour: by a twelfth of it the last hour may be longer than one."""


class Share(NamedTuple):
    """How often an outcome was true, of how many queries it is known."""

    true: int
    known: int

    @property
    def ratio(self) -> float | None:
        """From 0 to 1; None where nothing is known."""
        return self.true / self.known if self.known else None


class RecentOutcomes:
    """Tells the last hour's outcomes from those before it, by remembering twelve times an hour what the counts were.

    Some 40 KiB a series with all outcomes. One thread notes, any may read.

    >>> recent = RecentOutcomes(seconds=3600.0)
    >>> from app.outcomes import OutcomeValue
    >>> series, clicked = SeriesKey("e5", "2", "1", "query"), OutcomeValue("clicked", True, "poor")
    >>> recent.note({series: {clicked: 3}}, now=0.0)
    >>> recent.note({series: {clicked: 4}}, now=3600.0)
    >>> recent.shares(series)
    {'clicked': (Share(true=1, known=1), Share(true=3, known=3))}
    """

    def __init__(self, seconds: float = 3600.0) -> None:
        self._seconds = seconds
        self._notes: deque[tuple[float, Mapping[SeriesKey, OutcomeCounts]]] = deque()
        """The first is of an hour ago, or of the start."""
        self._now: tuple[Mapping[SeriesKey, OutcomeCounts], Mapping[SeriesKey, OutcomeCounts]] = ({}, {})
        """What the counts were an hour ago, and are."""

    def note(self, counts: Mapping[SeriesKey, OutcomeCounts], now: float) -> None:
        """Take the counts of every series as they are now; the mapping must not change afterwards."""
        notes = self._notes
        if not notes or now >= notes[-1][0] + self._seconds / NOTES:
            notes.append((now, counts))
        while len(notes) > 1 and notes[1][0] <= now - self._seconds:
            notes.popleft()
        self._now = notes[0][1], counts

    def shares(self, key: SeriesKey) -> dict[str, tuple[Share, Share]]:
        """By outcome, as far as any is known of the series: of the last hour, and before it."""
        before, latest = (each.get(key, {}) for each in self._now)
        if any(latest.get(value, 0) < count for value, count in before.items()):
            # The series went and came anew meanwhile.
            before = {}
        shares = {}
        for name in dict.fromkeys(each.outcome for each in latest):
            past, all_of_it = _share(before, name), _share(latest, name)
            shares[name] = Share(all_of_it.true - past.true, all_of_it.known - past.known), past
        return shares


def _share(counts: OutcomeCounts, name: str) -> Share:
    values = [(each.value, count) for each, count in counts.items() if each.outcome == name]
    return Share(sum(count for value, count in values if value), sum(count for _, count in values))
