"""Every duration of the lifecycle, and when a sender's time is one to go by."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from app.lifecycle.events import Refused, When
from app.model import Reason

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR


class Late(Exception):  # noqa: N818 - named for what the event is
    """The event is too old to tell anything. Never leaves the package."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Durations in seconds."""

    future_seconds: float = 600.0
    """A timestamp so far ahead is taken for now: clocks differ; one further ahead is a mistake."""
    past_seconds: float = 7 * DAY
    """An event older than this is late."""
    repeat_seconds: float = 600.0
    """The same again within it, of something without an id, is a sender that tried again."""
    same_id_seconds: float = DAY
    """The same again within it, of the same id, is one."""
    stalled_seconds: float = 7 * DAY
    """A reindex of which nothing was heard for so long is not waited for any more."""
    maintenance_seconds: float = 4 * HOUR
    """How long maintenance lasts that does not say so."""
    max_maintenance_seconds: float = 7 * DAY

    def scaled(self, time_scale: float) -> Spans:
        """The same durations, `time_scale` times shorter.

        >>> Spans().scaled(10).repeat_seconds
        60.0
        """
        return Spans(**{each.name: getattr(self, each.name) / time_scale for each in fields(self)})

    def moment(self, told: When | None, now: float, field: str = "timestamp") -> float:
        """Unix seconds of what a sender told, not later than now.

        Raises:
            Refused: it is no time, or lies further ahead than clocks differ.
            Late: it is too old.

        >>> Spans().moment(None, 1e9), Spans().moment(1e9 + 60, 1e9), Spans().moment(1e9 - 60, 1e9) - 1e9
        (1000000000.0, 1000000000.0, -60.0)
        """
        if told is None:
            return now
        at = seconds(told, field)
        if at > now + self.future_seconds:
            hint = "; it looks like milliseconds, unix seconds are wanted" if at > 1e11 else ""
            message = f"{field} must be at most {self.future_seconds:g} s ahead of the exporter's clock{hint}"
            raise Refused(field, Reason.TIMESTAMP, message)
        if at < now - self.past_seconds:
            raise Late
        return min(at, now)


def seconds(told: When, field: str) -> float:
    """Unix seconds, finite. Raises `Refused`."""
    try:
        at = told.timestamp() if isinstance(told, datetime) else float(told)
    except (ValueError, OverflowError):
        at = math.nan
    if not math.isfinite(at):
        raise Refused(field, Reason.TIMESTAMP, f"{field} must be unix seconds (a number) or an RFC 3339 string")
    return at
