"""Request bodies to lifecycle events: what a sender may get wrong of the form is found here, and never echoed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.decode import Malformed, TooLarge
from app.decode.event import MAX_ID_BYTES
from app.decode.labels import clean_label
from app.decode.whole_numbers import whole, whole_ids, whole_items, with_integers
from app.lifecycle.events import (
    COUNTED,
    MAX_COUNT,
    MAX_IDS,
    STATUSES,
    TYPES,
    Documents,
    LifecycleEvent,
    Maintenance,
    Refused,
    Reindex,
)
from app.model import EventError, Reason


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw] | None = None


_SHAPE: Final = msgspec.json.Decoder(_Batch | list[msgspec.Raw])
_TYPED: Final = msgspec.json.Decoder(LifecycleEvent)
_UNFIT: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)

_NAME: Final = "must be a string"
_SECONDS: Final = "must be a number of seconds, not negative and at most a year"
_WHEN: Final = "must be unix seconds (a number) or an RFC 3339 string"
_IDS: Final = f"strings or integers of at most {MAX_ID_BYTES} bytes, at most {MAX_IDS:,} in an event"

WANTED: Final[Mapping[str, str]] = {
    "model": _NAME,
    "model_version": _NAME,
    "tokenizer_version": _NAME,
    "index": _NAME,
    "track": "must be stable or canary",
    "deployment": "must be a string of at most 256 characters",
    "reindex": "must be a string of at most 256 characters",
    "timestamp": _WHEN,
    "until": _WHEN,
    "progress": "must be a number from 0 to 1",
    "duration_seconds": _SECONDS,
    "count": f"must be an integer from 0 to {MAX_COUNT:,}",
    "ids": f"must be a list of ids: {_IDS}",
    "documents": f'must be a list of objects {{"id", "timestamp"}}; ids are {_IDS}',
}
"""Field -> what is said where its value has another type or is out of range; status and type say more themselves."""

_INTEGERS: Final = {"count": whole, "ids": whole_items, "documents": whole_ids}

_TIMES: Final = frozenset({"timestamp", "until"})


@dataclass(frozen=True, slots=True)
class Lines:
    """What a request held: the events of the right form, their positions in it, and what was refused."""

    events: tuple[LifecycleEvent, ...]
    index: tuple[int, ...]
    errors: tuple[EventError, ...]


def read(body: bytes, max_events: int, label_bytes: int) -> Lines:
    """The events of a JSON body: one event, a list of them, or an object `{"events": [...]}`.

    Names are fit for label values afterwards. Linear in the size of the body; safe from any thread.

    Raises:
        Malformed: the body is no such document.
        TooLarge: more events than a request may carry.

    >>> lines = read(b'[{"type": "maintenance", "status": "begin"}, {"type": "reindex"}]', 1000, 128)
    >>> len(lines.events), lines.errors[0].index, lines.errors[0].message
    (1, 1, 'status must be one of started, progress, finished, failed')
    """
    try:
        shape = _SHAPE.decode(body)
    except _UNFIT:
        raise Malformed(
            "the body must be JSON: an event, a list of events, or an object with a list of events"
        ) from None
    raws = shape if isinstance(shape, list) else shape.events
    if raws is None:
        raws = [msgspec.Raw(body)]
    if len(raws) > max_events:
        raise TooLarge(f"more than {max_events} events; send them in several requests")
    events: list[LifecycleEvent] = []
    index: list[int] = []
    errors: list[EventError] = []
    for position, raw in enumerate(raws):
        try:
            events.append(_event(raw, label_bytes))
            index.append(position)
        except Refused as refusal:
            errors.append(EventError(position, refusal.field, refusal.reason, refusal.message))
    return Lines(tuple(events), tuple(index), tuple(errors))


def _event(raw: msgspec.Raw, label_bytes: int) -> LifecycleEvent:
    try:
        event: LifecycleEvent = _TYPED.decode(raw)
    except _UNFIT:
        event = _explained(raw)
    _clean_names(event, label_bytes)
    _check(event)
    return event


def _explained(raw: msgspec.Raw) -> LifecycleEvent:
    """The event without its nulls, and 3.0 as 3; where that is still none, the first field at fault is named.

    Raises `Refused`.
    """
    try:
        fields = msgspec.json.decode(raw)
    except _UNFIT:
        raise Refused("", Reason.MALFORMED, "an event must be valid JSON") from None
    if not isinstance(fields, dict):
        raise Refused("", Reason.MALFORMED, "an event must be an object")
    said = with_integers({name: value for name, value in fields.items() if value is not None}, _INTEGERS)
    # The path in the exception's text is for people, and quotes the value: asked again field by field.
    type_ = said.get("type")
    if not isinstance(type_, str) or type_ not in TYPES:
        raise Refused("type", _missing_or_wrong(type_), f"type must be one of {', '.join(TYPES)}")
    if said.get("status") not in STATUSES[type_]:
        message = f"status must be one of {', '.join(STATUSES[type_])}"
        raise Refused("status", _missing_or_wrong(said.get("status")), message)
    struct = TYPES[type_]
    if "model" not in said and struct is not Maintenance:
        raise _no_model()
    try:
        return msgspec.convert(said, struct)
    except _UNFIT:
        pass
    least = {"type": type_, "status": said["status"], "model": ""}
    field = next(name for name in WANTED if name in said and not _fits(least | {name: said[name]}, struct))
    raise Refused(field, Reason.TIMESTAMP if field in _TIMES else Reason.FIELD_TYPE, f"{field} {WANTED[field]}")


def _fits(fields: dict[str, Any], struct: type[LifecycleEvent]) -> bool:
    try:
        msgspec.convert(fields, struct)
    except _UNFIT:
        return False
    return True


def _missing_or_wrong(value: object) -> Reason:
    return Reason.MISSING_FIELD if value is None else Reason.FIELD_TYPE


def _no_model() -> Refused:
    return Refused("model", Reason.MISSING_FIELD, "model is required: the name of the embedding model")


def _clean_names(event: LifecycleEvent, label_bytes: int) -> None:
    for name in event.NAMES:
        text = getattr(event, name)
        try:
            if text:
                setattr(event, name, clean_label(text, label_bytes))
        except ValueError as error:
            raise Refused(name, Reason.LABEL, f"{name} {error}") from None
    if not event.model and not isinstance(event, Maintenance):
        raise _no_model()


def _check(event: LifecycleEvent) -> None:
    """What no type says. Raises `Refused`."""
    if isinstance(event, Reindex) and event.status == "progress" and event.progress is None:
        raise Refused("progress", Reason.MISSING_FIELD, "progress is required with this status: a number from 0 to 1")
    if isinstance(event, Maintenance) and event.until is not None and event.duration_seconds is not None:
        raise Refused("until", Reason.FIELD_TYPE, "until and duration_seconds are two ways to say it: send one")
    if isinstance(event, Documents):
        _check_documents(event)


def _check_documents(event: Documents) -> None:
    ways = ("count", "ids", "documents") if event.status in COUNTED else ("ids", "documents")
    sent = [way for way in ("count", "ids", "documents") if getattr(event, way) is not None]
    if len(sent) != 1 or sent[0] not in ways:
        field = next((way for way in sent if way not in ways), ways[-1])
        raise Refused(field, Reason.MISSING_FIELD, f"with this status send one of {', '.join(ways)}")
    if event.ids is not None and not _short(event.ids):
        raise Refused("ids", Reason.FIELD_TYPE, f"ids {WANTED['ids']}")
    if event.documents is not None and not _short([document.id for document in event.documents]):
        raise Refused("documents", Reason.FIELD_TYPE, f"documents {WANTED['documents']}")


def _short(ids: Sequence[str | int]) -> bool:
    # In bits first: Python refuses to print integers of more than 4,300 digits.
    return all(
        each.bit_length() <= 3 * MAX_ID_BYTES
        if isinstance(each, int)
        else len(each) <= MAX_ID_BYTES and (each.isascii() or len(each.encode()) <= MAX_ID_BYTES)
        for each in ids
    )
