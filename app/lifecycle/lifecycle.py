"""The life of models and indexes: what was told of it, and what became of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from app.decode.document_keys import document_keys
from app.lifecycle.deployments import Deployed, Deployments
from app.lifecycle.documents import DocumentsView, Freshness
from app.lifecycle.events import Deployment, Document, Documents, LifecycleEvent, Maintenance, Refused, Reindex
from app.lifecycle.maintenance import EVERY, MaintenancePeriods
from app.lifecycle.places import IndexLabels, Places
from app.lifecycle.reindexes import Reindexes, ReindexView
from app.lifecycle.spans import Late, Spans
from app.lifecycle.withdrawn import Withdrawn
from app.model import OTHER, EventBatch, EventError, Reason, Receipt, SeriesKey
from app.tree import Piece, Pieces, Tree, new_stamp


class LeftOut(StrEnum):
    """What was told and not kept: the `reason` of embedding_lifecycle_ignored_total."""

    DUPLICATE = "duplicate"
    LATE = "late"
    UNMATCHED_DOCUMENT = "unmatched_document"
    DROPPED_DOCUMENT = "dropped_document"
    DROPPED_WITHDRAWN = "dropped_withdrawn"
    DROPPED_RUN = "dropped_run"


@dataclass(frozen=True, slots=True)
class LifecycleView:
    """Everything at one moment, as a copy. Counts only grow from one to the next."""

    deployments: Mapping[tuple[str, str], Mapping[str, int]]
    """Model and track -> result -> how many."""
    deployed: Mapping[tuple[str, str, str], Deployed]
    """Model, track and status -> the latest."""
    reindexes: Mapping[IndexLabels, ReindexView]
    documents: Mapping[IndexLabels, DocumentsView]
    freshness_limit_seconds: float
    maintenance: Mapping[str, bool]
    """Model -> whether it is under maintenance."""
    left_out: Mapping[LeftOut, int]
    """Every reason, at 0 from the start."""


class Lifecycle:
    """What was told of deployments, reindexes, documents and maintenance. Safe from any thread; bounded.

    `input_key` is the secret that ids of documents are hashed with, at most 64 bytes.

    >>> lifecycle = Lifecycle(b"secret", freshness_limit_seconds=900)
    >>> ingested = Documents("ingested", model="e5", ids=["a", "b"])
    >>> indexed = Documents("indexed", model="e5", ids=["a"])
    >>> lifecycle.apply([ingested], now=0.0).accepted, lifecycle.apply([indexed], now=60.0).accepted
    (1, 1)
    >>> view = lifecycle.view(now=60.0).documents["e5", ""]
    >>> view.ingested, view.fresh, view.lag.sum
    (2, 1, 60.0)
    """

    def __init__(self, input_key: bytes, freshness_limit_seconds: float, spans: Spans | None = None) -> None:
        self._key = input_key
        self._spans = Spans() if spans is None else spans
        self._lock = Lock()
        self._places = Places()
        self._deployments = Deployments(self._spans)
        self._reindexes = Reindexes(self._spans)
        self._freshness = Freshness(freshness_limit_seconds)
        self._maintenance = MaintenancePeriods(self._spans)
        self._withdrawn = Withdrawn()
        self._duplicates = 0
        self._late = 0
        self._stamp = new_stamp()

    def apply(self, events: Sequence[LifecycleEvent], now: float, index: Sequence[int] | None = None) -> Receipt:
        """Take events in their order, each wholly or not at all; `index` holds their positions in the request.

        The names of an event are fit for label values: `read` sees to that. The lock is held for one event at a time.
        """
        receipt = Receipt()
        for position, event in zip(range(len(events)) if index is None else index, events, strict=True):
            try:
                news = self._take(event, now)
            except Refused as refusal:
                receipt.errors.append(EventError(position, refusal.field, refusal.reason, refusal.message))
            except Late:
                receipt.late += 1
            else:
                receipt.accepted += news
                receipt.duplicates += not news
        with self._lock:
            self._stamp = new_stamp()
            self._duplicates += receipt.duplicates
            self._late += receipt.late
        return receipt

    def view(self, now: float, models: Iterable[str] = ()) -> LifecycleView:
        """Everything as of now; `models` are those known elsewhere, for maintenance that was announced for all."""
        with self._lock:
            return LifecycleView(
                deployments={place: dict(counts) for place, counts in self._deployments.counts.items()},
                deployed=dict(self._deployments.latest),
                reindexes=self._reindexes.views(now),
                documents=self._freshness.views(now),
                freshness_limit_seconds=self._freshness.limit_seconds,
                maintenance=self._maintenance.views(now, models),
                left_out={
                    LeftOut.DUPLICATE: self._duplicates,
                    LeftOut.LATE: self._late,
                    LeftOut.UNMATCHED_DOCUMENT: self._freshness.unmatched(),
                    LeftOut.DROPPED_DOCUMENT: self._freshness.dropped(),
                    LeftOut.DROPPED_WITHDRAWN: self._withdrawn.dropped,
                    LeftOut.DROPPED_RUN: self._deployments.dropped + self._reindexes.dropped,
                },
            )

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes. Holds the lock for some 100 us, and 15 ms where 100,000 documents wait."""
        with self._lock:
            return {"lifecycle": pieces.piece(self._stamp, self._freeze)}

    def _freeze(self) -> Tree:
        return {
            "places": self._places.freeze(),
            "deployments": self._deployments.freeze(),
            "reindexes": self._reindexes.freeze(),
            "freshness": self._freshness.freeze(),
            "maintenance": self._maintenance.freeze(),
            "withdrawn": self._withdrawn.freeze(),
            "left_out": [self._duplicates, self._late],
        }

    def thaw(self, tree: Tree, *, counters: bool) -> None:
        """Go on, as one just made, from what was frozen; without `counters` every count begins at 0."""
        piece: Piece = tree["lifecycle"]
        if piece.tree is None:
            return
        with self._lock:
            self._stamp, tree = piece.stamp, piece.tree
            self._places.thaw(tree["places"])
            self._deployments.thaw(tree["deployments"], counters=counters)
            self._reindexes.thaw(tree["reindexes"], counters=counters)
            self._freshness.thaw(tree["freshness"], counters=counters)
            self._maintenance.thaw(tree["maintenance"])
            self._withdrawn.thaw(tree["withdrawn"], counters=counters)
            if counters:
                self._duplicates, self._late = tree["left_out"]

    def announced(self, key: SeriesKey) -> bool:
        """Whether a deployment of the series' versions was told of, however it went."""
        with self._lock:
            return self._deployments.announced(key)

    def withdrawn(self, model: str, keys: Iterable[int]) -> int:
        """How many of these documents (`document_keys` of their ids, with the same secret) are withdrawn."""
        return self._withdrawn.count(model, keys)

    def withdrawn_results(self, batch: EventBatch) -> NDArray[np.int64] | None:
        """How many of the documents that each event found are withdrawn ones, shape (n,).

        None where no document is withdrawn or no event told what it found; else 0.7 us a document.
        """
        if not len(self._withdrawn) or batch.ids is None:
            return None
        models = [batch.keys[each].model for each in batch.key_index.tolist()]
        found = zip(models, batch.ids, strict=True)
        return np.array(
            [self.withdrawn(model, document_keys(ids, self._key)) if ids else 0 for model, ids in found], np.int64
        )

    def _take(self, event: LifecycleEvent, now: float) -> bool:
        """Whether the event was news. Raises `Refused` or `Late`, and then nothing of it was taken."""
        at = self._spans.moment(event.timestamp, now)
        if isinstance(event, Documents):
            return self._take_documents(event, at, now)
        with self._lock:
            if isinstance(event, Deployment):
                return self._deployments.apply(event, self._places.model(event.model), at, now)
            if isinstance(event, Reindex):
                return self._reindexes.apply(event, self._places.index(event.model, event.index), at, now)
            assert isinstance(event, Maintenance)
            model = self._places.model(event.model) if event.model else EVERY
            return self._maintenance.apply(event, model, at)

    def _take_documents(self, event: Documents, at: float, now: float) -> bool:
        documents: Iterator[Document] | list[Document] = event.documents or []
        if event.ids is not None:
            keys, moments = document_keys(event.ids, self._key), [at] * len(event.ids)
        else:
            keys = document_keys((document.id for document in documents), self._key)
            moments = [self._document_moment(document, at, now) for document in documents]
        number = len(keys) if event.count is None else event.count
        if not number:
            return True
        with self._lock:
            if event.status == "withdrawn":
                return self._withdrawn.withdraw(event.model, keys) > 0
            if event.status == "restored":
                return self._withdrawn.restore(event.model, keys) > 0
            labels = self._places.index(event.model, event.index)
            if event.count is not None or OTHER in labels:
                ingested = number if event.status == "ingested" else 0
                # Past the limit of labels ids of several indexes would be taken for each other: they are counted.
                self._freshness.count(labels, ingested, number - ingested)
                return True
            if event.status == "ingested":
                return self._freshness.ingest(labels, keys, moments, now)
            return self._freshness.index(labels, keys, moments, now)

    def _document_moment(self, document: Document, at: float, now: float) -> float:
        try:
            return at if document.timestamp is None else self._spans.moment(document.timestamp, now)
        except Refused as refusal:
            raise Refused("documents", Reason.TIMESTAMP, f"documents: a {refusal.message}") from None
