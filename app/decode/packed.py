"""`application/msgpack`: what JSON has, in the same shape, with vectors and scores as bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from app.decode.columnar import decode_columns, plain_defaults
from app.decode.columns import check_count, columns
from app.decode.errors import Malformed, Refused, TooLarge
from app.decode.event import RULES, Event, event_from
from app.decode.json_document import LARGE_BYTES, MAX_VALUES, UNTYPED, fill
from app.decode.limits import Limits
from app.model import Decoded, EventError, Reason

_NOTHING: Final = msgspec.Raw(b"")
_NIL: Final = b"\xc0"

_SLACK_BYTES: Final = 64 * 1024
_BYTES_PER_NUMBER: Final = 9
_BYTES_PER_RESULT: Final = 1024
"""A score, and ids of 256 bytes in `ids`, `top_k` and `relevant`."""


class PackedEvent(Event, gc=False):
    """An event whose vector and scores may be little-endian float32."""

    embedding: bytes | list[float | None] | None = None  # type: ignore[assignment]
    scores: bytes | list[float] | None = None  # type: ignore[assignment]


class _Document(PackedEvent, gc=False):
    """The body: a batch with defaults for all its events, or (without `events`) one event."""

    events: msgspec.Raw = _NOTHING


_DOCUMENT: Final = msgspec.msgpack.Decoder(_Document)
_EVENTS: Final = msgspec.msgpack.Decoder(list[PackedEvent])
_PARTS: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_FIELDS: Final = msgspec.msgpack.Decoder(dict[Any, msgspec.Raw])
_ANYTHING: Final = msgspec.msgpack.Decoder()


def decode_packed(body: bytes, limits: Limits, now: float) -> Decoded:
    """MessagePack in the shape of JSON: `embedding` and `scores` may be bytes of little-endian float32."""
    if not body or body.isspace():
        raise Malformed("the body is empty; send an event, a list of events, or a map with events")
    if len(body) > LARGE_BYTES:
        check_values(body, limits)
    try:
        if (count := _items(body)) is not None:
            # Before any is made: an empty map is one byte, and an event two hundred.
            check_count(count, limits)
            return columns(_EVENTS.decode(body), None, (), limits, now)
        document = _DOCUMENT.decode(body)
        if document.events in (_NOTHING, _NIL):
            return columns([document], None, (), limits, now)
        count = _items(document.events)
        if count is None:
            parts = _FIELDS.decode(document.events)
            return decode_columns(_plain(parts, limits, limits.events), plain_defaults(document), limits, now)
        check_count(count, limits)
        events = _EVENTS.decode(document.events)
        fill(document, events)
    except UNTYPED:
        return _one_by_one(body, limits, now)
    return columns(events, None, (), limits, now)


def check_values(body: bytes, limits: Limits) -> None:
    """Raise `TooLarge` for a large body of tiny values, before each of them takes up to seventy times its bytes.

    Counts what lists and maps say that they hold, down to the fields of events; what lies deeper is of one field.
    """
    level = [msgspec.Raw(body)]
    values = 0
    for _ in range(4):
        inner: list[msgspec.Raw] = []
        for packed in level:
            items, entries = _items(packed), _entries(packed)
            values += items or entries or 0
            if values > MAX_VALUES:
                raise TooLarge(f"more than {MAX_VALUES} values; send fewer events a request")
            try:
                if items and items <= limits.events:
                    inner += _PARTS.decode(packed)
                elif entries and entries <= limits.events:
                    inner += _FIELDS.decode(packed).values()
            except UNTYPED:
                continue  # told by whoever reads it
        level = inner


def _items(packed: bytes | msgspec.Raw) -> int | None:
    """How many items an array says that it has; None for anything else. Raises `Malformed`."""
    head = bytes(memoryview(packed)[:5])
    try:
        if head[0] & 0xF0 == 0x90:
            return head[0] & 0x0F
        if head[0] == 0xDC:
            return int(struct.unpack_from(">H", head, 1)[0])
        return int(struct.unpack_from(">I", head, 1)[0]) if head[0] == 0xDD else None
    except struct.error:
        raise _malformed() from None


def _entries(packed: msgspec.Raw) -> int | None:
    """How many entries a map says that it has; None for anything else. Raises `Malformed`."""
    head = bytes(memoryview(packed)[:5])
    try:
        if head[0] & 0xF0 == 0x80:
            return head[0] & 0x0F
        if head[0] == 0xDE:
            return int(struct.unpack_from(">H", head, 1)[0])
        return int(struct.unpack_from(">I", head, 1)[0]) if head[0] == 0xDF else None
    except struct.error:
        raise _malformed() from None


def _one_by_one(body: bytes, limits: Limits, now: float) -> Decoded:
    try:
        if _items(body) is not None:
            return _each(_PARTS.decode(body), {}, limits, now)
        beside = _FIELDS.decode(body)
        packed = beside.pop("events", _NOTHING)
        if packed in (_NOTHING, _NIL):
            return _each([msgspec.Raw(body)], {}, limits, now)
        defaults = {name: value for name, value in _plain(beside, limits, 1).items() if value is not None}
        if (count := _items(packed)) is not None:
            check_count(count, limits)
            return _each(_PARTS.decode(packed), defaults, limits, now)
        named = _plain(_FIELDS.decode(packed), limits, limits.events)
    except UNTYPED:
        raise _malformed() from None
    return decode_columns(named, defaults, limits, now)


def _each(parts: list[msgspec.Raw], defaults: Mapping[str, Any], limits: Limits, now: float) -> Decoded:
    check_count(len(parts), limits)
    events: list[Event] = []
    index: list[int] = []
    errors: list[EventError] = []
    for position, part in enumerate(parts):
        try:
            events.append(event_from(_value(part, limits, 1), defaults))
            index.append(position)
        except Refused as refusal:
            errors.append(refusal.at(position))
        except UNTYPED:
            message = "an event must be valid MessagePack, its text UTF-8"
            errors.append(Refused("", Reason.MALFORMED, message).at(position))
    return columns(events, index, errors, limits, now)


def _plain(named: Mapping[Any, msgspec.Raw], limits: Limits, events: int) -> dict[str, Any]:
    """The values of the fields that an event has, and the count of columns."""
    return {name: _value(named[name], limits, events) for name in (*RULES, "count") if name in named}


def _value(packed: msgspec.Raw, limits: Limits, events: int) -> Any:  # noqa: ANN401 - whatever was sent
    """A plain value. Raises `TooLarge` for more bytes than so many events may have, or what `UNTYPED` names."""
    # Small things in a row take seventy times their bytes in memory.
    most = _SLACK_BYTES + events * (_BYTES_PER_NUMBER * limits.dimension + _BYTES_PER_RESULT * limits.top_k)
    if len(memoryview(packed)) > most:
        raise TooLarge(f"more bytes than {events} events may have")
    return _ANYTHING.decode(packed)


def _malformed() -> Malformed:
    return Malformed("the body is not valid MessagePack: a map with events, a list of events, or one event")
