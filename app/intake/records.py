"""Requests as records of a journal, and what happens of itself: nothing in a record is text, a vector or an id."""

from __future__ import annotations

from typing import Final

import msgspec

from app.intake.columns import Columns, pack_batch, unpack_batch
from app.intake.ledger import Ledger, SentRequest
from app.intake.repeats import Claim
from app.intake.sent import SentEvents, SentLifecycle, SentOutcomes
from app.lifecycle import Document, Documents, LifecycleEvent
from app.model import EventError, Hashed, Outcome, SeriesKey


class _Record(msgspec.Struct, array_like=True, tag=True, forbid_unknown_fields=True):
    """Tagged by its class name, which therefore stays."""


class EventsRecord(_Record):
    """Of `POST /v1/events`."""

    now: float
    claim: tuple[bytes, bytes] | None
    errors: list[EventError]
    """What the decoder refused; only where a claim may ask for the answer once more."""
    columns: Columns


class OutcomesRecord(_Record):
    """Of `POST /v1/outcomes`."""

    now: float
    claim: tuple[bytes, bytes] | None
    errors: list[EventError]
    query_keys: list[int]
    outcomes: list[Outcome]


class LifecycleRecord(_Record):
    """Of `POST /v1/lifecycle`; ids as keyed hashes."""

    now: float
    claim: tuple[bytes, bytes] | None
    errors: list[EventError]
    index: list[int]
    events: list[LifecycleEvent]


class ExpireRecord(_Record):
    """Idle series were let go."""

    now: float


class LimitRecord(_Record):
    """A series judges its matches by another limit."""

    key: SeriesKey
    poor_match_limit: float | None


Record = EventsRecord | OutcomesRecord | LifecycleRecord | ExpireRecord | LimitRecord

_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=int)
"""The hook is for `Hashed`; nothing else of what is in a record is unknown to msgpack."""

_DECODER: Final = msgspec.msgpack.Decoder(Record)


def encode_request(request: SentRequest, claim: Claim | None) -> bytes:
    """The record of a request whose ids are `hashed`. Raises TypeError for a kind that has none."""
    errors = [] if claim is None else list(request.errors)
    record: Record
    if isinstance(request, SentEvents):
        record = EventsRecord(request.now, claim, errors, pack_batch(request.batch))
    elif isinstance(request, SentOutcomes):
        record = OutcomesRecord(request.now, claim, errors, list(request.query_keys), list(request.outcomes))
    elif isinstance(request, SentLifecycle):
        record = LifecycleRecord(request.now, claim, errors, list(request.index), list(request.events))
    else:
        raise TypeError(f"{type(request).__name__} has no record")
    return _ENCODER.encode(record)


def encode_note(note: ExpireRecord | LimitRecord) -> bytes:
    """The record of what happened of itself."""
    return _ENCODER.encode(note)


def replay(payload: bytes, ledger: Ledger) -> tuple[float | None, int]:
    """Apply a record; its time, and how many events were in it.

    Raises ValueError where it is none of this version.
    """
    try:
        record = _DECODER.decode(payload)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    if isinstance(record, ExpireRecord):
        ledger.expire(record.now)
        return record.now, 0
    if isinstance(record, LimitRecord):
        ledger.judge_by(record.key, record.poor_match_limit)
        return None, 0
    request: SentRequest
    if isinstance(record, EventsRecord):
        request = SentEvents(unpack_batch(record.columns), record.errors, record.now)
        size = len(request.batch)
    elif isinstance(record, OutcomesRecord):
        request = SentOutcomes(record.query_keys, record.outcomes, record.errors, record.now)
        size = len(record.outcomes)
    else:
        request = SentLifecycle([_known(each) for each in record.events], record.index, record.errors, record.now)
        size = len(record.events)
    ledger.take(request, None if record.claim is None else Claim(*record.claim))
    return record.now, size


def _known(event: LifecycleEvent) -> LifecycleEvent:
    """The ids in records are hashes."""
    if not isinstance(event, Documents):
        return event
    ids = None if event.ids is None else [Hashed(each) for each in event.ids]
    documents = event.documents and [Document(Hashed(each.id), each.timestamp) for each in event.documents]
    return msgspec.structs.replace(event, ids=ids, documents=documents)
