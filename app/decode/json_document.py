"""`application/json`: one document, read with its types; only where that fails, event by event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from app.decode.columnar import decode_columns, plain_defaults
from app.decode.columns import check_count, columns
from app.decode.errors import Malformed, Refused, TooLarge
from app.decode.event import RULES, Event, event_from
from app.decode.lifting import lift
from app.decode.limits import Limits
from app.model import Decoded, EventError

UNTYPED = (msgspec.MsgspecError, ValueError, RecursionError)
"""What a typed decoder raises for bytes that are not JSON, or not of its types."""

LARGE_BYTES = 4 * 1024 * 1024
_OBJECTS_PER_EVENT = 16
"""Objects and lists that one event may hold beside those of its top-k."""
MAX_VALUES = 4 * 1024 * 1024
"""In a large body: each may take 32 bytes of memory, and one call that nothing else runs beside reads them all.
As many as 32 MiB hold at eight characters each; numbers of real vectors have ten or more."""


class Document(Event, gc=False):
    """The body: a batch with defaults for all its events, or (without `events`) one event."""

    events: list[Event] | dict[str, Any] | None = None


_DOCUMENT = msgspec.json.Decoder(Document | list[Event])


def decode_document(body: bytes, limits: Limits, now: float) -> Decoded:
    """A JSON object `{"events": [...]}` with defaults for its events, a bare list of events, or one event.

    In the place of the list may be an object of columns.
    """
    if not body or body.isspace():
        raise Malformed("the body is empty; send an event, a list of events, or an object with events")
    check_size(body, limits)
    lifted = lift(body, limits.events)
    try:
        document = _DOCUMENT.decode(lifted.text)
        if lifted.vectors and isinstance(document, Document) and isinstance(document.events, dict):
            # A column of vectors, of which only the first was lifted, or none.
            document = _DOCUMENT.decode(body)
    except UNTYPED:
        return _one_by_one(body, limits, now)
    if isinstance(document, list):
        events = document
    elif document.events is None:
        events = [document]
    elif isinstance(document.events, dict):
        return decode_columns(document.events, plain_defaults(document), limits, now)
    else:
        events = document.events
        fill(document, events)
    check_count(len(events), limits)
    if lifted.vectors:
        for event in events:
            lifted.restore(event)
    return columns(events, None, (), limits, now)


def check_size(body: bytes, limits: Limits) -> None:
    """Raise `TooLarge` for a large body of tiny values, before each of them takes up to fifty times its text."""
    if len(body) <= LARGE_BYTES:
        return
    if body.count(b"{") + body.count(b"[") > limits.events * (limits.top_k + _OBJECTS_PER_EVENT):
        raise TooLarge(f"more objects and lists than {limits.events} events can hold; send fewer events a request")
    if body.count(b",") > MAX_VALUES:
        raise TooLarge(f"more than {MAX_VALUES} values; send fewer events a request")


def parse(text: str) -> Any:  # noqa: ANN401
    """JSON as plain values, NaN and Infinity and lone surrogates included. Raises ValueError or RecursionError."""
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | float:
    # Python refuses to read integers of more than 4,300 digits; as floats they are infinite, and refused by name.
    return int(digits) if len(digits) < 300 else float(digits)


def fill(defaults: Event, events: Sequence[Event]) -> None:
    """Give each event the defaults for what it is silent about."""
    # Not strict: the document has one field more, the events themselves.
    said = zip(Event.__struct_fields__, msgspec.structs.astuple(defaults), strict=False)
    for field, default in [each for each in said if each[1] is not None]:
        for event in events:
            if getattr(event, field) is None:
                setattr(event, field, default)


def _one_by_one(body: bytes, limits: Limits, now: float) -> Decoded:
    try:
        # Bytes that are not UTF-8 become lone surrogates: they cost their own event, not its neighbours.
        document = parse(body.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        raise Malformed("the body is not valid JSON") from None
    defaults: dict[str, Any] = {}
    if isinstance(document, dict) and document.get("events") is not None:
        defaults = {name: value for name, value in document.items() if name in RULES and value is not None}
        document = document["events"]
        if isinstance(document, dict):
            return decode_columns(document, defaults, limits, now)
    elif isinstance(document, dict):
        document = [document]
    if not isinstance(document, list):
        raise Malformed("the body must be an event, a list of events, or an object with events: a list, or columns")
    check_count(len(document), limits)
    events: list[Event] = []
    index: list[int] = []
    errors: list[EventError] = []
    for position, fields in enumerate(document):
        try:
            events.append(event_from(fields, defaults))
            index.append(position)
        except Refused as refusal:
            errors.append(refusal.at(position))
    return columns(events, index, errors, limits, now)
