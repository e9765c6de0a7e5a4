"""What an id may be: of an event, a query, a trace, an input or a document."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.decode.event import MAX_ID_BYTES, refuse
from app.model import DocumentId


def plain_ids(values: Sequence[Any]) -> Sequence[str] | None:
    """The ids, or hashes, of a batch that are all text, ASCII, not empty and short enough; None for any other batch.

    Says what `event_id` and `input_hash` would say of each, without a call an event.
    """
    try:
        # One call that looks at the type and the characters of all.
        ascii_ = "".join(values).isascii()
    except TypeError:
        return None
    return values if ascii_ and all(values) and max(map(len, values)) <= MAX_ID_BYTES else None


def event_id(value: str | int, field: str = "event_id") -> str | None:
    """The id as text; None for an empty one, or all events of a careless sender would be one. Raises `Refused`."""
    # A limit in bits first: Python refuses to print integers of more than 4,300 digits.
    if isinstance(value, int):
        if value.bit_length() > 3 * MAX_ID_BYTES:
            raise refuse(field)
        return str(value)
    return _short(field, value)


def trace_id(value: str) -> str | None:
    """The id as it was sent; None for an empty one. Raises `Refused`."""
    return _short("trace_id", value)


def documents(field: str, ids: Collection[DocumentId], limit: int) -> None:
    """Raise `Refused` for more than `limit` ids, or one that is too long."""
    if len(ids) > limit:
        raise refuse(field, f"must be at most {limit} documents")
    if set(map(type, ids)) == {int} and max(map(int.bit_length, ids)) <= MAX_ID_BYTES:  # type: ignore[arg-type]
        return
    for each in ids:
        event_id(each, field)


def grades(relevant: Sequence[DocumentId] | Mapping[str, float], limit: int) -> Mapping[DocumentId, float] | None:
    """How much each document is relevant, 1 where that was not said; None where none is named. Raises `Refused`."""
    documents("relevant", relevant, limit)
    if isinstance(relevant, Mapping):
        if not all(map(math.isfinite, relevant.values())):
            raise refuse("relevant")
        return dict(relevant.items()) or None
    return dict.fromkeys(relevant, 1.0) or None


def input_hash(value: str) -> str | None:
    """The hash as it was sent; None for an empty one, or all inputs of a careless sender would be one.

    Raises `Refused`.
    """
    return _short("input_hash", value)


def _short(field: str, text: str) -> str | None:
    try:
        size = len(text) if len(text) > MAX_ID_BYTES or text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise refuse(field, "must be valid Unicode") from None
    if size > MAX_ID_BYTES:
        raise refuse(field)
    return text or None
