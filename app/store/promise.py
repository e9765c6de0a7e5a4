"""The promise that every store keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Protocol

from app.model import EventBatch, Ignored, Kind, Receipt, SeriesKey
from app.series import Series, SliceView, Totals
from app.tree import Part, Tree

ModelKind = tuple[str, Kind]
"""What slices are of: a model's queries or documents, of all its versions."""


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """What the store counted beside its series."""

    series: int
    series_limit: int
    folded_events: int
    ignored: dict[Ignored, int]


class SeriesStore(Protocol):
    """Series by their key, within limits. Safe from any thread."""

    def append(self, batch: EventBatch, now: float) -> Receipt:
        """Add a batch of events to their series and say what became of each.

        Duplicates and late events are counted and left out; past a limit events fold into the `__other__` series,
        so that the sum over all series stays exact. What is accepted is in the totals of the next read, and in the
        receipt, by series.
        """
        ...

    def series(self) -> list[Series]:
        """Every live series, without the folded one."""
        ...

    def find(self, key: SeriesKey) -> Series | None:
        """The live series of this key."""
        ...

    def totals(self, now: float) -> list[Totals]:
        """Totals of every live series and, once anything folded, of the `__other__` series.

        For reading alone: later events do not change them. Those of a series to which nothing came since the last call
        are the very object of that call, so that a scrape sees what it need not write again.
        """
        ...

    def slices(self, now: float) -> dict[ModelKind, list[SliceView]]:
        """The slices of the traffic of each model and kind that has a live series and any; sorted.

        With all that was accepted before the last `totals`.
        """
        ...

    def expire(self, now: float) -> list[SeriesKey]:
        """Drop the series without events for `series_ttl_seconds`; return their keys."""
        ...

    def reserve(self, nbytes: int) -> None:
        """Take memory that is kept beside the series (baselines of departed ones) off what series may use."""
        ...

    def parts(self, now: Callable[[], float]) -> Iterator[Part]:
        """Yield each part of what is kept, to be frozen one by one; `now` is asked as each is."""
        ...

    def thaw(self, parts: MutableMapping[str, Tree], now: float, *, counters: bool) -> int:
        """Go on, as a store just made, from parts that were frozen; how much of them is lost.

        `counters` says whether what is counted for ever goes on, or begins at 0. Each part is taken out of `parts`
        first, so that what one frees serves the next: all series twice would be the most memory that the process ever
        takes. Other parts are left alone.
        """
        ...

    def counts(self) -> StoreCounts:
        """What the store counted so far."""
        ...
