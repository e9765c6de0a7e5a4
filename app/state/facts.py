"""What is told of the state on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from app.journal import Status

Mode = Literal["memory", "snapshot", "journal"]

Restored = Literal["empty", "whole", "previous", "partial"]

RESTORED: Final[tuple[Restored, ...]] = ("empty", "whole", "previous", "partial")
"""Nothing was there; the newest generation; one before it, as it was damaged; what a damaged one has left."""


class JournalFacts(NamedTuple):
    """Of the journal, where there is one."""

    status: Status
    replayed: int
    """Records, at the start."""
    exact: bool
    """Whether counters went on at the start: nothing was missing."""


@dataclass(frozen=True, slots=True)
class StateFacts:
    """As of now; None and 0 where nothing is kept on disk."""

    mode: Mode = "memory"
    saved_at: float | None = None
    """When the newest generation was begun, in unix seconds; before the first, when the exporter started."""
    failures: int = 0
    damaged: int = 0
    """Files set aside."""
    nbytes: int | None = None
    """On disk."""
    duration_seconds: float | None = None
    """That the newest generation took."""
    restored_age_seconds: float | None = None
    """How old what was restored was; None where nothing was."""
    restored: Mapping[Restored, int] = field(default_factory=dict)
    """1 for what became of this start, 0 for the others."""
    journal: JournalFacts | None = None
