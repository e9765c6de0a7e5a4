"""Requests as they were decoded: each kind can be applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from app.decode.document_keys import document_keys
from app.intake.answer import Answer
from app.intake.ledger import Ledger
from app.lifecycle import Document, Documents, LifecycleEvent
from app.model import EventBatch, EventError, Hashed, Outcome
from app.outcomes import Joined, take_queries


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


@dataclass(frozen=True, slots=True)
class SentLifecycle:
    """Of `POST /v1/lifecycle`."""

    events: Sequence[LifecycleEvent]
    index: Sequence[int]
    """Of each event, its position in the request."""
    errors: Sequence[EventError]
    now: float

    def apply(self, ledger: Ledger) -> Answer:
        """In their order."""
        return Answer.of(ledger.lifecycle.apply(self.events, self.now, self.index), self.errors)

    def hashed(self, key: bytes) -> SentLifecycle:
        """The same with ids of documents as keyed hashes, hashed no more."""
        return replace(self, events=[_hashed(event, key) for event in self.events])


def _hashed(event: LifecycleEvent, key: bytes) -> LifecycleEvent:
    if not isinstance(event, Documents):
        return event
    ids = None if event.ids is None else [Hashed(each) for each in document_keys(event.ids, key)]
    documents = event.documents
    if documents is not None:
        keys = document_keys((each.id for each in documents), key)
        documents = [Document(Hashed(new), each.timestamp) for each, new in zip(documents, keys, strict=True)]
    return msgspec.structs.replace(event, ids=ids, documents=documents)
