"""The store in this process's memory: as many series as fit, the rest folded into one."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from threading import Lock
from typing import Final

import numpy as np
import structlog

from app.model import FOLDED, EventBatch, EventError, Ignored, Receipt, SeriesKey, Taken, Timing
from app.series import Series, Slices, SliceView, Totals, full_series_nbytes
from app.store.duplicates import RecentIds
from app.store.promise import ModelKind, StoreCounts
from app.tree import Part, Pieces, Tree

log = structlog.get_logger(__name__)

STORE: Final = "store"
SLICES: Final = "slices/"
SERIES: Final = "series/"
"""Names of parts, or what they begin with."""


class MemoryStore:
    """Series in a dict. See SeriesStore for what it promises.

    A place is given to a new key while there are fewer than `max_series` series and its full size fits
    `max_state_bytes`. For each configured model that has not come yet, a place of that size stays reserved.
    """

    def __init__(
        self,
        timing: Timing,
        *,
        max_series: int,
        max_state_bytes: int,
        reserved_models: tuple[str, ...] = (),
        dimension: int | None = None,
        secret: bytes | None = None,
        seed: int | None = None,
    ) -> None:
        """`secret` is what ids of documents are hashed with, at most 64 bytes; a random one unless given."""
        self._timing = timing
        self._max_series = max_series
        self._max_state_bytes = max_state_bytes
        self._reserved_models = frozenset(reserved_models)
        self._dimension = dimension
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self._rng = np.random.default_rng(seed)
        self._lock = Lock()
        self._series: dict[SeriesKey, Series] = {}
        self._slices: dict[ModelKind, Slices] = {}
        self._reserved_dimensions: dict[SeriesKey, int] = {}
        self._beside = 0
        self._folded: Totals | None = None
        self._told_folded: Totals | None = None
        """As they were told last; None once something folded."""
        self._ids = RecentIds(timing.duplicate_seconds, self._secret)
        self._ignored: Counter[Ignored] = Counter(dict.fromkeys(Ignored, 0))

    def append(self, batch: EventBatch, now: float) -> Receipt:
        """Add a batch; see SeriesStore."""
        receipt = Receipt()
        batch = self._leave_out(batch, receipt, now)
        if len(batch) == 0:
            return receipt
        for key, events in batch.by_series():
            refused = None
            while refused is None:
                series = self._place(key, events, now)
                # None from a series that expired between the two lines: the next round makes a new one.
                refused = self._fold(events, receipt, now) if series is None else series.append(events, now)
            receipt.accepted += len(events) - len(refused)
            receipt.errors += refused
            taken = _without(events, refused) if refused else events
            receipt.taken.append(
                Taken(FOLDED, taken, None) if series is None else Taken(key, taken, series.poor_match_limit)
            )
        return receipt

    def series(self) -> list[Series]:
        """Every live series."""
        with self._lock:
            return list(self._series.values())

    def find(self, key: SeriesKey) -> Series | None:
        """The live series of this key."""
        return self._series.get(key)

    def totals(self, now: float) -> list[Totals]:
        """Totals of every series, the folded one last."""
        totals = [series.totals(now) for series in self.series()]
        with self._lock:
            if self._folded is not None:
                self._told_folded = self._told_folded or self._folded.copy()
                totals.append(self._told_folded)
        return totals

    def slices(self, now: float) -> dict[ModelKind, list[SliceView]]:
        """The slices of each model and kind that has any."""
        with self._lock:
            kept = sorted(self._slices.items())
        return {place: views for place, slices in kept if (views := slices.views(now))}

    def expire(self, now: float) -> list[SeriesKey]:
        """Drop idle series."""
        horizon = now - self._timing.series_ttl_seconds
        with self._lock:
            idle = [key for key, series in self._series.items() if series.retire(idle_since=horizon)]
            for key in idle:
                del self._series[key], self._reserved_dimensions[key]
            # Not with the first of its versions: their counters would step back.
            live = {(key.model, key.kind) for key in self._series}
            self._slices = {place: slices for place, slices in self._slices.items() if place in live}
        return idle

    def reserve(self, nbytes: int) -> None:
        """Set aside memory for what is kept beside the series."""
        self._beside = nbytes

    def counts(self) -> StoreCounts:
        """What was counted beside the series."""
        with self._lock:
            folded = 0 if self._folded is None else self._folded.events
            return StoreCounts(len(self._series), self._max_series, folded, dict(self._ignored))

    def parts(self, now: Callable[[], float]) -> Iterator[Part]:
        """Yield each part; see SeriesStore."""
        with self._lock:
            series, slices = list(self._series.values()), list(self._slices.items())
        yield Part(STORE, self._freeze)
        for place, each in slices:
            yield Part(f"{SLICES}{'/'.join(place)}", partial(_freeze_slices, place, each))
        for one in series:
            yield Part(f"{SERIES}{one.key.id}", partial(self._freeze_series, one, now))

    def thaw(self, parts: MutableMapping[str, Tree], now: float, *, counters: bool) -> int:
        """Go on, as a store just made, from what was frozen; see SeriesStore."""
        lost = 0
        if STORE in parts:
            self._thaw(parts.pop(STORE), counters=counters)
        for name in [each for each in parts if each.startswith(SLICES)]:
            tree = parts.pop(name)
            model, kind = tree["place"]
            self._slices[model, kind] = Slices(self._timing.windows["1h"])
            self._slices[model, kind].thaw(tree["slices"], counters=counters)
        for name in [each for each in parts if each.startswith(SERIES)]:
            lost += self._thaw_series(parts.pop(name), now, counters=counters)
        return lost

    def _freeze(self, pieces: Pieces) -> Tree:
        with self._lock:
            return {
                "ids": self._ids.freeze(pieces),
                "ignored": {reason.value: count for reason, count in self._ignored.items()},
                "folded": None if self._folded is None else self._folded.freeze(),
            }

    def _thaw(self, tree: Tree, *, counters: bool) -> None:
        self._ids.thaw(tree["ids"])
        if counters:
            self._ignored.update({Ignored(name): count for name, count in tree["ignored"].items()})
        if tree["folded"] is not None:
            self._folded = Totals(FOLDED, first_seen=tree["folded"]["first_seen"])
            self._folded.thaw(tree["folded"], counters=counters)

    def _freeze_series(self, series: Series, now: Callable[[], float], pieces: Pieces) -> Tree:
        return {
            "key": list(series.key),
            "dimension": self._reserved_dimensions.get(series.key, 0),
            "series": series.freeze(pieces, now()),
        }

    def _thaw_series(self, tree: Tree, now: float, *, counters: bool) -> int:
        key = SeriesKey(*tree["key"])
        series = self._made(key, now)
        try:
            lost = series.thaw(tree["series"], now, counters=counters)
        except (KeyError, ValueError, TypeError, IndexError):
            # A bug met in one series must not cost the others their past.
            log.exception("series not restored", **key._asdict())
            return 1
        self._series[key], self._reserved_dimensions[key] = series, tree["dimension"]
        return lost

    def _made(self, key: SeriesKey, now: float) -> Series:
        slices = self._slices.setdefault((key.model, key.kind), Slices(self._timing.windows["1h"]))
        return Series(
            key, now, self._timing, self._rng.spawn(1)[0], self._dimension, slices=slices, secret=self._secret
        )

    def _leave_out(self, batch: EventBatch, receipt: Receipt, now: float) -> EventBatch:
        """The batch without duplicates and late events, which are counted."""
        late = batch.timestamp < now - self._timing.late_seconds
        with self._lock:
            ids = batch.event_ids if batch.event_digests is None else batch.event_digests
            duplicates = [] if ids is None else self._ids.seen_before(ids, now)
            if duplicates:
                late[duplicates] = False
            receipt.duplicates = len(duplicates)
            receipt.late = int(np.count_nonzero(late))
            if batch.unknown_labels:
                self._ignored[Ignored.UNKNOWN_LABEL] += batch.unknown_labels
            if not receipt.duplicates and not receipt.late:
                return batch
            self._ignored[Ignored.DUPLICATE] += receipt.duplicates
            self._ignored[Ignored.LATE] += receipt.late
        kept = ~late
        kept[duplicates] = False
        return batch.take(np.flatnonzero(kept))

    def _fold(self, events: EventBatch, receipt: Receipt, now: float) -> list[EventError]:
        with self._lock:
            if self._folded is None:
                self._folded = Totals(FOLDED, first_seen=now)
            self._told_folded = None
            self._folded.accept(events)
            self._folded.add(events, vectors=int(np.count_nonzero(events.vectors.lengths)))
        receipt.folded += len(events)
        return []

    def _place(self, key: SeriesKey, events: EventBatch, now: float) -> Series | None:
        """The series of this key, made if there is room; None where its events must fold."""
        series = self._series.get(key)
        if series is not None and series.dimension_settled:
            return series
        dimension = self._dimension or int(events.vectors.lengths.max(initial=0))
        with self._lock:
            series = self._series.get(key)
            if not self._has_room(key, dimension):
                return None
            self._reserved_dimensions[key] = max(dimension, self._reserved_dimensions.get(key, 0))
            if series is None:
                series = self._made(key, now)
                self._series[key] = series
                log.info("new series", **key._asdict())
        return series

    def _has_room(self, key: SeriesKey, dimension: int) -> bool:
        """Whether the series may be made, or may keep vectors of this dimension if it is there already."""
        reserved = self._reserved_dimensions.get(key)
        if reserved is not None and dimension <= reserved:
            return True
        waiting = len(self._reserved_models - {each.model for each in self._series} - {key.model})
        if reserved is None and len(self._series) + waiting >= self._max_series:
            return False
        others = sum(
            full_series_nbytes(self._timing, self._dimension_of(series))
            for k, series in self._series.items()
            if k != key
        )
        own = full_series_nbytes(self._timing, dimension)
        slices = sum(each.nbytes for each in self._slices.values())
        return others + slices + self._beside + own * (1 + waiting) <= self._max_state_bytes

    def _dimension_of(self, series: Series) -> int:
        """The dimension that a series takes room for: of the longest vectors it was sent, until one is settled."""
        reserved = self._reserved_dimensions[series.key]
        return (series.dimension or 0) if series.dimension_settled else reserved


def _freeze_slices(place: ModelKind, slices: Slices, _: Pieces) -> Tree:
    return {"place": list(place), "slices": slices.freeze()}


def _without(events: EventBatch, refused: list[EventError]) -> EventBatch:
    return events.take(np.flatnonzero(~np.isin(events.index, [error.index for error in refused])))
