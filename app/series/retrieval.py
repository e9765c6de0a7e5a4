"""What a series keeps of its queries and of the documents that they found: hashes of them, and the lowest matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.decode.document_keys import document_keys
from app.model import METRICS, DocumentId, EventBatch, SimilarityMetric, Timing
from app.signals import top1_similarity
from app.sketch import DistinctKeys, RecentKeys, Sliding, TopInputs
from app.tree import Tree
from app.triage import LowestSimilarity, LowMatch, Query

WINDOW: Final = "1h"
"""The window that all but the lowest matches are of."""

SAMPLED_QUERIES_A_SECOND: Final = 50.0
"""Queries whose results are looked at: hashing those of all would cost as much as decoding their vectors."""

SAVED_SECONDS: Final = 10.0
"""So much of that is saved up while there are fewer."""

SAMPLED_RESULTS: Final = 100
"""Of one query."""

HUB_CAPACITY: Final = 256
HUBS: Final = 10
"""Documents whose share of the results is told."""

_UNORDERED: Final = METRICS.index(SimilarityMetric.OTHER)


@dataclass(frozen=True, slots=True, eq=False)
class ResultKeys:
    """Distinct documents among results, by hashes of their ids, and the mark of the secret that those are made with."""

    distinct: DistinctKeys
    mark: int

    def overlap(self, other: ResultKeys) -> float | None:
        """The share of the documents here that are there too; None where too few say, or the secrets differ."""
        return self.distinct.overlap(other.distinct) if self.mark == other.mark else None

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"distinct": self.distinct.freeze(), "mark": self.mark}

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The keys that were frozen."""
        return cls(DistinctKeys.thaw(tree["distinct"]), tree["mark"])

    def copy(self) -> ResultKeys:
        """The same, which later documents do not change."""
        distinct = DistinctKeys(self.distinct.k)
        distinct.merge(self.distinct)
        return ResultKeys(distinct, self.mark)


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalWindow:
    """The last hour's queries and results."""

    distinct_queries: float | None = None
    """By the hashes of their inputs; None where none has one."""
    sampled_queries: int = 0
    """Those whose results were looked at, in the last one to two hours."""
    results: ResultKeys | None = None
    """Of them; None where none told ids."""
    top_share: float | None = None
    """Share of the results that the ten most frequent documents take, in the last one to two hours."""


@dataclass(slots=True)
class _Hubs:
    queries: int = 0
    documents: TopInputs = field(default_factory=lambda: TopInputs(HUB_CAPACITY))

    def freeze(self) -> Tree:
        return {"queries": self.queries, "documents": self.documents.freeze()}

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        return cls(tree["queries"], TopInputs.thaw(tree["documents"]))


class Retrieval:
    """Sketches of the last hour's inputs and results, and the lowest matches; a part stands only where there is any.

    At most 56 KiB of sketches, and 120 KiB of the 100 lowest matches where ids are of usual length.
    """

    def __init__(self, timing: Timing, secret: bytes, rng: np.random.Generator) -> None:
        self._seconds = timing.windows[WINDOW]
        self._secret = secret
        self._rng = rng
        # By the window's length, so that a time-scaled exporter samples as many of an hour's.
        self._rate = SAMPLED_QUERIES_A_SECOND * 3600.0 / self._seconds
        self._most = SAMPLED_QUERIES_A_SECOND * SAVED_SECONDS
        self._saved, self._saved_at = self._most, 0.0
        self._queries: RecentKeys | None = None
        self._results: RecentKeys | None = None
        self._hubs: Sliding[_Hubs] | None = None
        self._lowest = LowestSimilarity(span_seconds=timing.windows["5m"])

    def add(self, batch: EventBatch, now: float) -> NDArray[np.uint64]:
        """Take queries in; the hashes of the sampled ones' results.

        Of replayed ones the inputs alone: their ids stand for nothing outside their batch.
        """
        if batch.inputs is not None:
            if self._queries is None:
                self._queries = RecentKeys(self._seconds)
            self._queries.update(batch.inputs, now)
        if batch.replayed:
            return np.empty(0, np.uint64)
        if batch.scores.values.size:
            self._add_matches(batch, now)
        return np.empty(0, np.uint64) if batch.ids is None else self._add_results(batch.ids, now)

    def window(self, now: float) -> RetrievalWindow:
        """The hour that ends at `now`."""
        queries = None if self._queries is None else self._queries.window(now).count
        if self._results is None or self._hubs is None:
            return RetrievalWindow(queries)
        before, filling = self._hubs.blocks(now)
        documents = TopInputs(HUB_CAPACITY)
        for each in (before, filling):
            documents.merge(each.documents)
        return RetrievalWindow(
            distinct_queries=queries,
            sampled_queries=before.queries + filling.queries,
            results=ResultKeys(self._results.window(now), self.mark),
            top_share=min(1.0, float(documents.shares()[1][:HUBS].sum())) if documents.n else None,
        )

    def lowest(self, now: float) -> list[LowMatch]:
        """The lowest matches of this span of five minutes and the one before."""
        return self._lowest.rows(now)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {
            "mark": self.mark,
            "saved": [self._saved, self._saved_at],
            "queries": None if self._queries is None else self._queries.freeze(),
            "results": None if self._results is None else self._results.freeze(),
            "hubs": None if self._hubs is None else self._hubs.freeze(_Hubs.freeze),
            "lowest": self._lowest.freeze(),
        }

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen; documents that were hashed with another secret are forgotten."""
        self._saved, self._saved_at = tree["saved"]
        self._lowest.thaw(tree["lowest"])
        if tree["queries"] is not None:
            self._queries = RecentKeys(self._seconds)
            self._queries.thaw(tree["queries"])
        if tree["results"] is not None and tree["hubs"] is not None and tree["mark"] == self.mark:
            self._results, self._hubs = RecentKeys(self._seconds), Sliding(self._seconds, lambda _: _Hubs())
            self._results.thaw(tree["results"])
            self._hubs.thaw(tree["hubs"], _Hubs.thaw)

    @property
    def mark(self) -> int:
        """Tells hashes made with one secret from those made with another."""
        return _mark(self._secret)

    @property
    def nbytes(self) -> int:
        """Bytes of the sketches."""
        hubs = 0 if self._hubs is None else 2 * TopInputs(HUB_CAPACITY).nbytes
        return hubs + sum(each.nbytes for each in (self._queries, self._results) if each is not None)

    def _add_matches(self, batch: EventBatch, now: float) -> None:
        unknown = batch.failed | (batch.metric == _UNORDERED)
        similarity = top1_similarity(batch)
        if np.count_nonzero(unknown):
            similarity = np.where(unknown, np.nan, similarity)
        self._lowest.update(similarity, batch.inputs, lambda position: _told(batch, position), now)

    def _add_results(self, ids: Sequence[Sequence[DocumentId] | None], now: float) -> NDArray[np.uint64]:
        rows = self._sampled([row for row in ids if row], now)
        if not rows:
            return np.empty(0, np.uint64)
        found = chain.from_iterable(row[:SAMPLED_RESULTS] for row in rows)
        keys = np.array(document_keys(found, self._secret), np.uint64)
        if self._results is None or self._hubs is None:
            self._results, self._hubs = RecentKeys(self._seconds), Sliding(self._seconds, lambda _: _Hubs())
        self._results.update(keys, now)
        hubs = self._hubs.filling(now)
        hubs.queries += len(rows)
        hubs.documents.update(keys)
        return keys

    def _sampled(self, rows: list[Sequence[DocumentId]], now: float) -> list[Sequence[DocumentId]]:
        """As many of them as the rate allows, at equal distances."""
        passed, self._saved_at = max(0.0, now - self._saved_at), now
        self._saved = min(self._most, self._saved + passed * self._rate)
        count = int(self._saved)
        if count < len(rows):
            step = len(rows) / count if count else 0.0
            first = self._rng.random() * step
            rows = [rows[min(int(first + step * i), len(rows) - 1)] for i in range(count)]
        self._saved -= len(rows)
        return rows


def _told(batch: EventBatch, position: int) -> Query:
    query_id = None if batch.query_ids is None else batch.query_ids[position]
    ids = None if batch.ids is None else batch.ids[position]
    first, end = batch.scores.offsets[position : position + 2].tolist()
    return Query(
        timestamp=float(batch.timestamp[position]),
        query_id=query_id,
        trace_id=None if batch.trace_ids is None else batch.trace_ids[position],
        ids=tuple(map(str, ids or ())),
        scores=tuple(batch.scores.values[first:end].tolist()),
    )


@lru_cache(maxsize=8)
def _mark(secret: bytes) -> int:
    # No sender's id: those have at least one character.
    return document_keys([""], secret)[0]
