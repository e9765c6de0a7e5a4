"""What became of a request's events, from layer to layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from app.model.events import EventBatch
from app.model.reasons import EventError
from app.model.series_key import SeriesKey


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a request body held: the acceptable events as columns, and the refused ones."""

    batch: EventBatch
    errors: tuple[EventError, ...]


class Taken(NamedTuple):
    """The accepted events of one series, and how it judges them."""

    key: SeriesKey
    """`FOLDED` where they were folded into that."""
    events: EventBatch
    poor_match_limit: float | None
    """The limit in force as they came."""


@dataclass(slots=True)
class Receipt:
    """What became of a batch in the store."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    folded: int = 0
    errors: list[EventError] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
