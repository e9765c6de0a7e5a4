"""The store in this process's memory: as many series as fit, the rest folded into one."""

from __future__ import annotations

from collections import Counter
from threading import Lock

import numpy as np
import structlog

from app.model import FOLDED, EventBatch, EventError, Ignored, Receipt, SeriesKey, Timing
from app.series import Series, Totals
from app.store.duplicates import RecentIds
from app.store.promise import StoreCounts

log = structlog.get_logger(__name__)


SKETCH_BYTES_A_PANE = 10_000
FIXED_BYTES = 1_300_000
VECTOR_BYTES_A_DIMENSION = 2 * (2048 + 2 * (256 + 128 + 128)) + 4 * 128
"""Two bytes for each row sampled for the baseline and the windows, four for each staged one."""


def full_series_nbytes(timing: Timing, dimension: int) -> int:
    """What a series takes at most, once all its panes and samples are full; held to by tests/test_memory.py."""
    panes = sum(rung.panes for rung in timing.rungs)
    return FIXED_BYTES + panes * SKETCH_BYTES_A_PANE + dimension * (panes * 8 + VECTOR_BYTES_A_DIMENSION)


class MemoryStore:
    """Series in a dict. See SeriesStore for what it promises.

    A place is given to a new key while there are fewer than `max_series` series, not counting places reserved
    for configured models that have not come yet, and while the series' full size fits `max_state_bytes`.
    """

    def __init__(
        self,
        timing: Timing,
        *,
        max_series: int,
        max_state_bytes: int,
        reserved_models: tuple[str, ...] = (),
        dimension: int | None = None,
        seed: int | None = None,
    ) -> None:
        self._timing = timing
        self._max_series = max_series
        self._max_state_bytes = max_state_bytes
        self._reserved_models = frozenset(reserved_models)
        self._dimension = dimension
        self._rng = np.random.default_rng(seed)
        self._lock = Lock()
        self._series: dict[SeriesKey, Series] = {}
        self._reserved_dimensions: dict[SeriesKey, int] = {}
        self._beside = 0
        self._folded = Totals(FOLDED, first_seen=0.0)
        self._ids = RecentIds(timing.duplicate_seconds)
        self._ignored: Counter[Ignored] = Counter(dict.fromkeys(Ignored, 0))

    def append(self, batch: EventBatch, now: float) -> Receipt:
        """Add a batch; see SeriesStore."""
        receipt = Receipt()
        batch = self._leave_out(batch, receipt, now)
        for key, events in batch.by_series():
            refused = None
            while refused is None:
                series = self._place(key, events, now)
                # None from a series that expired between the two lines: the next round makes a new one.
                refused = self._fold(events, receipt) if series is None else series.append(events, now)
            receipt.errors += refused
            receipt.accepted += len(events) - len(refused)
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
            if self._folded.events:
                totals.append(self._folded.copy())
        return totals

    def expire(self, now: float) -> list[SeriesKey]:
        """Drop idle series."""
        horizon = now - self._timing.series_ttl_seconds
        with self._lock:
            idle = [key for key, series in self._series.items() if series.retire(idle_since=horizon)]
            for key in idle:
                del self._series[key], self._reserved_dimensions[key]
        return idle

    def reserve(self, nbytes: int) -> None:
        """Set aside memory for what is kept beside the series."""
        self._beside = nbytes

    def counts(self) -> StoreCounts:
        """What was counted beside the series."""
        with self._lock:
            return StoreCounts(len(self._series), self._max_series, self._folded.events, dict(self._ignored))

    def _leave_out(self, batch: EventBatch, receipt: Receipt, now: float) -> EventBatch:
        """The batch without duplicates and late events, which are counted."""
        kept = batch.timestamp >= now - self._timing.late_seconds
        late = ~kept
        with self._lock:
            if batch.event_ids is not None:
                fresh = self._ids.first_seen(list(batch.event_ids), now)
                late &= fresh
                kept &= fresh
                receipt.duplicates = len(batch) - int(np.count_nonzero(fresh))
            receipt.late = int(np.count_nonzero(late))
            self._ignored[Ignored.DUPLICATE] += receipt.duplicates
            self._ignored[Ignored.LATE] += receipt.late
            self._ignored[Ignored.UNKNOWN_LABEL] += batch.unknown_labels
        return batch if kept.all() else batch.take(np.flatnonzero(kept))

    def _fold(self, events: EventBatch, receipt: Receipt) -> list[EventError]:
        with self._lock:
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
                series = Series(key, now, self._timing, self._rng.spawn(1)[0], self._dimension)
                self._series[key] = series
                log.info("new series", **key._asdict())
        return series

    def _has_room(self, key: SeriesKey, dimension: int) -> bool:
        """Whether the series may be made, or may keep vectors of this dimension if it is there already."""
        reserved = self._reserved_dimensions.get(key)
        if reserved is not None and dimension <= reserved:
            return True
        others = sum(
            full_series_nbytes(self._timing, size) for k, size in self._reserved_dimensions.items() if k != key
        )
        if others + self._beside + full_series_nbytes(self._timing, dimension) > self._max_state_bytes:
            return False
        if reserved is not None:
            return True
        waiting = self._reserved_models - {each.model for each in self._series} - {key.model}
        return len(self._series) + len(waiting) < self._max_series
