"""`application/x-ndjson`: one event a line; a bad line is one refused event."""

from __future__ import annotations

import msgspec

from app.decode.columns import columns
from app.decode.errors import Malformed, Refused, TooLarge
from app.decode.event import Event, event_from
from app.decode.json_document import UNTYPED, check_size, parse
from app.decode.lifting import lift
from app.decode.limits import Limits
from app.model import Decoded, EventError, Reason

_EVENT = msgspec.json.Decoder(Event)


def decode_lines(body: bytes, limits: Limits, now: float) -> Decoded:
    """JSON objects, one event a line; blank lines are skipped, an event's index counts the others."""
    body = body.strip()
    if not body:
        raise Malformed("the body is empty; send one event a line")
    # Splitting stops past the limit, so that empty lines cannot fill the memory.
    lines = body.split(b"\n", limits.events)
    if len(lines) > limits.events:
        raise TooLarge(f"more than {limits.events} lines; send them in several requests")
    check_size(body, limits)
    events: list[Event] = []
    index: list[int] = []
    errors: list[EventError] = []
    for position, line in enumerate(line for line in lines if line and not line.isspace()):
        try:
            events.append(_event(line))
            index.append(position)
        except Refused as refusal:
            errors.append(refusal.at(position))
    return columns(events, index, errors, limits, now)


def _event(line: bytes) -> Event:
    lifted = lift(line, limit_vectors=1)
    try:
        event = _EVENT.decode(lifted.text)
    except UNTYPED:
        try:
            fields = parse(line.decode(errors="surrogateescape"))
        except (ValueError, RecursionError):
            raise Refused("", Reason.MALFORMED, "the line is not valid JSON; send one event a line") from None
        return event_from(fields, {})
    lifted.restore(event)
    return event
