"""How soon documents that were ingested are to be found.

M9, the share of documents that are indexed within the freshness limit, with a target above 99 %, in PromQL:

    sum by (model, index) (increase(embedding_documents_fresh_total[1d]))
      / sum by (model, index) (increase(embedding_documents_ingested_total[1d]))

Documents of the last minutes are ingested and not yet indexed, so a range of hours is wanted, or the exact form, in
which a document has a part once it is known whether it was in time:

    sum by (model, index) (increase(embedding_documents_fresh_total[1h]))
      / sum by (model, index) (increase(embedding_documents_fresh_total[1h])
        + increase(embedding_documents_late_total[1h]))
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Self

import numpy as np

from app.lifecycle.places import IndexLabels
from app.sketch import BucketCounts
from app.tree import Tree

LAG_BOUNDS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0, 259200.0)
"""Seconds; fixed for ever."""

MAX_WAITING: Final = 100_000
"""Documents of an index that wait to be indexed, and as many of all indexes twice."""
MAX_RECENT: Final = 10_000
"""Documents of an index that were indexed lately, and as many of all indexes ten times."""
_AT_ONCE: Final = 1000
"""Documents that the fullest index gives up at a time: with 64 indexes it has more."""

Keys = Sequence[int]
Moments = Sequence[float]


class DocumentsView(NamedTuple):
    """The documents of one index."""

    ingested: int
    indexed: int
    fresh: int | None
    """Indexed within the limit; None where documents were told by their number alone."""
    late: int | None
    """Not indexed within the limit; None as above."""
    lag: BucketCounts
    """Seconds from ingested to indexed."""


class _Waiting(NamedTuple):
    ingested: float
    heard: float


class _Indexed(NamedTuple):
    at: float
    expected: bool
    """Its ingestion was known."""


class _Index:
    """One index. A document is fresh or late once that is known: indexed, or not within the limit since we heard of it.

    Since we heard, not since it came: pipelines tell of an hour at once. A document that is ingested again while it
    waits is one. What came in the wrong order, indexed before ingested, is put right for the 10,000 indexed last.
    """

    def __init__(self) -> None:
        self.ingested = 0
        self.indexed = 0
        self.fresh = 0
        self.late = 0
        self.unmatched = 0
        self.dropped = 0
        self.by_count = False
        self.lag = BucketCounts(LAG_BOUNDS)
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        """In the order in which we heard of them."""
        self._overdue: OrderedDict[int, float] = OrderedDict()
        """When they were ingested; late already, and still to have their lag measured."""
        self._recent: OrderedDict[int, _Indexed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._overdue)

    def ingest(self, keys: Keys, moments: Moments, now: float, limit_seconds: float) -> bool:
        """Documents came in; whether any was news."""
        before = self.ingested
        lags = []
        for key, at in zip(keys, moments, strict=True):
            if key in self._waiting or key in self._overdue:
                continue
            indexed = self._recent.get(key)
            if indexed is None or indexed.at < at:
                self.ingested += 1
                self._waiting[key] = _Waiting(at, now)
            elif not indexed.expected:
                self.ingested += 1
                self._recent[key] = _Indexed(indexed.at, expected=True)
                lags.append(indexed.at - at)
        self._settle(lags, limit_seconds)
        self.drop(len(self) - MAX_WAITING)
        return self.ingested > before

    def index(self, keys: Keys, moments: Moments, limit_seconds: float) -> bool:
        """Documents are to be found; whether any was news."""
        before = self.indexed
        lags, overdue = [], []
        for key, at in zip(keys, moments, strict=True):
            again = self._recent.get(key)
            if again is not None and again.at == at:
                continue
            self.indexed += 1
            waiting = self._waiting.pop(key, None)
            ingested = self._overdue.pop(key, None) if waiting is None else waiting.ingested
            # Clocks of two machines: what was indexed before it came in was indexed at once.
            if waiting is not None:
                lags.append(max(0.0, at - waiting.ingested))
            elif ingested is not None:
                overdue.append(max(0.0, at - ingested))
            else:
                self.unmatched += 1
            self._recent[key] = _Indexed(at, expected=ingested is not None)
            self._recent.move_to_end(key)
        self._settle(lags, limit_seconds)
        self.lag.update(np.array(overdue))
        self.forget(self.recent() - MAX_RECENT)
        return self.indexed > before

    def recent(self) -> int:
        """How many of those indexed lately are remembered."""
        return len(self._recent)

    def forget(self, excess: int) -> None:
        """Forget the oldest of those indexed lately."""
        for _ in range(excess):
            self._recent.popitem(last=False)

    def expire(self, now: float, limit_seconds: float) -> None:
        """Count those as late that nobody told to be indexed within the limit. Linear in their number."""
        while self._waiting:
            key, waiting = next(iter(self._waiting.items()))
            if now - waiting.heard <= limit_seconds:
                break
            del self._waiting[key]
            self._overdue[key] = waiting.ingested
            self.late += 1

    def drop(self, excess: int) -> None:
        """Forget the oldest: first of those that are late already, which costs their lag alone."""
        for _ in range(excess):
            if self._overdue:
                self._overdue.popitem(last=False)
            else:
                self._waiting.popitem(last=False)
                self.dropped += 1

    def freeze(self) -> Tree:
        """What `thaw` takes. Some 100 us a thousand documents that wait."""
        waiting, recent = self._waiting, self._recent
        return {
            "counts": [self.ingested, self.indexed, self.fresh, self.late, self.unmatched, self.dropped],
            "by_count": self.by_count,
            "lag": self.lag.freeze(),
            "waiting": np.fromiter(waiting, np.uint64, len(waiting)),
            "times": np.array(list(waiting.values()), np.float64).reshape(-1, 2),
            "overdue": np.fromiter(self._overdue, np.uint64, len(self._overdue)),
            "ingested": np.fromiter(self._overdue.values(), np.float64, len(self._overdue)),
            "recent": np.fromiter(recent, np.uint64, len(recent)),
            "indexed": np.fromiter((each.at for each in recent.values()), np.float64, len(recent)),
            "expected": np.fromiter((each.expected for each in recent.values()), np.bool_, len(recent)),
        }

    @classmethod
    def thaw(cls, tree: Tree, *, counters: bool) -> Self:
        """The index that was frozen; without `counters` every count begins at 0."""
        thawed = cls()
        thawed.by_count = tree["by_count"]
        if counters:
            counts = tree["counts"]
            thawed.ingested, thawed.indexed, thawed.fresh, thawed.late, thawed.unmatched, thawed.dropped = counts
            thawed.lag = BucketCounts.thaw(tree["lag"], LAG_BOUNDS)
        for key, (ingested, heard) in zip(tree["waiting"].tolist(), tree["times"].tolist(), strict=True):
            thawed._waiting[key] = _Waiting(ingested, heard)
        thawed._overdue.update(zip(tree["overdue"].tolist(), tree["ingested"].tolist(), strict=True))
        indexed = zip(tree["indexed"].tolist(), tree["expected"].tolist(), strict=True)
        for key, (at, expected) in zip(tree["recent"].tolist(), indexed, strict=True):
            thawed._recent[key] = _Indexed(at, expected)
        return thawed

    def _settle(self, lags: list[float], limit_seconds: float) -> None:
        self.lag.update(np.array(lags))
        fresh = sum(lag <= limit_seconds for lag in lags)
        self.fresh += fresh
        self.late += len(lags) - fresh


class Freshness:
    """Documents by index. Bounded: 129 labels, 100,000 waiting documents an index and 200,000 in all: some 60 MiB.

    Past that the oldest are forgotten, of the index with most of them, and counted where they were not yet late.
    """

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        self._indexes: dict[IndexLabels, _Index] = {}

    def count(self, labels: IndexLabels, ingested: int, indexed: int) -> None:
        """Documents of which nothing is known but their number: their freshness is not known from now on."""
        index = self._index(labels)
        index.by_count = True
        index.ingested += ingested
        index.indexed += indexed

    def ingest(self, labels: IndexLabels, keys: Keys, moments: Moments, now: float) -> bool:
        """Documents came in at these moments (unix seconds); whether any was news."""
        index = self._index(labels)
        index.expire(now, self.limit_seconds)
        news = index.ingest(keys, moments, now, self.limit_seconds)
        self._shrink(len, _Index.drop, 2 * MAX_WAITING)
        return news

    def index(self, labels: IndexLabels, keys: Keys, moments: Moments, now: float) -> bool:
        """Documents are to be found since these moments (unix seconds); whether any was news."""
        index = self._index(labels)
        index.expire(now, self.limit_seconds)
        news = index.index(keys, moments, self.limit_seconds)
        self._shrink(_Index.recent, _Index.forget, 10 * MAX_RECENT)
        return news

    def views(self, now: float) -> dict[IndexLabels, DocumentsView]:
        """Every index that was heard of; the counts only grow."""
        for index in self._indexes.values():
            index.expire(now, self.limit_seconds)
        return {
            labels: DocumentsView(
                index.ingested,
                index.indexed,
                None if index.by_count else index.fresh,
                None if index.by_count else index.late,
                index.lag.copy(),
            )
            for labels, index in self._indexes.items()
        }

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"indexes": [[*labels, index.freeze()] for labels, index in self._indexes.items()]}

    def thaw(self, tree: Tree, *, counters: bool) -> None:
        """Go on from what was frozen; without `counters` every count begins at 0."""
        for model, index, frozen in tree["indexes"]:
            self._indexes[model, index] = _Index.thaw(frozen, counters=counters)

    def unmatched(self) -> int:
        """Documents that were indexed before anybody told that they were ingested, or without it."""
        return sum(index.unmatched for index in self._indexes.values())

    def dropped(self) -> int:
        """Documents forgotten for want of room before it was known whether they are fresh."""
        return sum(index.dropped for index in self._indexes.values())

    def _shrink(self, size: Callable[[_Index], int], drop: Callable[[_Index, int], None], limit: int) -> None:
        excess = sum(map(size, self._indexes.values())) - limit
        while excess > 0:
            drop(max(self._indexes.values(), key=size), min(excess, _AT_ONCE))
            excess -= _AT_ONCE

    def _index(self, labels: IndexLabels) -> _Index:
        return self._indexes.setdefault(labels, _Index())
