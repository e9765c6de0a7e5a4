"""Requests as they were decoded: each kind can be applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from app.decode.document_keys import document_keys
from app.intake.answer import Answer
from app.intake.ledger import Ledger
from app.lifecycle import Document, Documents, LifecycleEvent
from app.model import EventBatch, EventError, Hashed, Outcome
from app.outcomes import Joined, query_digests, take_queries
from app.store import event_digests


@dataclass(frozen=True, slots=True)
class SentEvents:
    """Of `POST /v1/events`."""

    batch: EventBatch
    errors: Sequence[EventError]
    now: float

    def apply(self, ledger: Ledger) -> Answer:
        """Into their series; queries with an id are remembered for outcomes."""
        receipt = ledger.store.append(self.batch, self.now)
        for taken in receipt.taken:
            take_queries(ledger.outcomes, taken, ledger.input_key, self.now)
        return Answer.of(receipt, self.errors)

    def hashed(self, key: bytes) -> SentEvents:
        """Itself, with digests of the ids of events and queries. 0.4 us an id."""
        batch = self.batch
        # In its place: a copy of the batch costs 5 % of a request of one event, and nobody else has it yet.
        if batch.event_ids is not None:
            batch.event_digests = event_digests(batch.event_ids, key)
        if batch.query_ids is not None:
            batch.query_digests = query_digests(batch.query_ids, key)
        return self


@dataclass(frozen=True, slots=True)
class SentOutcomes:
    """Of `POST /v1/outcomes`."""

    query_keys: Sequence[int]
    """`query_keys` of the ids."""
    outcomes: Sequence[Outcome]
    errors: Sequence[EventError]
    now: float

    def apply(self, ledger: Ledger) -> Answer:
        """To the queries of these ids."""
        joined = Counter(ledger.outcomes.join(self.query_keys, self.outcomes, self.now))
        counts = {
            "accepted": joined[Joined.COUNTED],
            "duplicates": joined[Joined.DUPLICATE],
            "unmatched": joined[Joined.UNMATCHED],
        }
        return Answer.to(counts, self.errors)

    def hashed(self, key: bytes) -> SentOutcomes:  # noqa: ARG002 - the promise's signature
        """The same: ids of queries are hashed as they are decoded."""
        return self


@dataclass(frozen=True, slots=True)
class SentLifecycle:
    """Of `POST /v1/lifecycle`."""

    events: Sequence[LifecycleEvent]
    """`with_hashed_ids`."""
    index: Sequence[int]
    """Of each event, its position in the request."""
    errors: Sequence[EventError]
    now: float

    def apply(self, ledger: Ledger) -> Answer:
        """In their order."""
        return Answer.of(ledger.lifecycle.apply(self.events, self.now, self.index), self.errors)

    def hashed(self, key: bytes) -> SentLifecycle:  # noqa: ARG002 - the promise's signature
        """The same: ids of documents are hashed before anything is locked, with a journal or without."""
        return self


def with_hashed_ids(events: Sequence[LifecycleEvent], key: bytes) -> list[LifecycleEvent]:
    """The same with ids of documents as keyed hashes, hashed no more. 0.6 us an id."""
    return [_hashed(event, key) for event in events]


def _hashed(event: LifecycleEvent, key: bytes) -> LifecycleEvent:
    if not isinstance(event, Documents):
        return event
    ids = None if event.ids is None else [Hashed(each) for each in document_keys(event.ids, key)]
    documents = event.documents
    if documents is not None:
        keys = document_keys((each.id for each in documents), key)
        documents = [Document(Hashed(new), each.timestamp) for each, new in zip(documents, keys, strict=True)]
    return msgspec.structs.replace(event, ids=ids, documents=documents)
