"""The fields of a request's events, side by side, and the judging of one of them over all events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from app.decode.errors import Refused
from app.decode.event import Event
from app.decode.id_rules import plain_ids
from app.decode.number_rows import NumberRows

Value = TypeVar("Value")
Missing = TypeVar("Missing")

Sent = dict[str, Any]
"""Field -> what each event sent, for the fields that at least one event carries.

A sequence with None where an event sent nothing; `embedding` and `scores` may be `NumberRows`.
"""

Refusals = dict[int, Refused]
"""Position among the events judged -> the first thing wrong with it."""


def side_by_side(events: Sequence[Event]) -> Sent:
    """The fields that at least one event carries."""
    # Not strict, twice: a document is an event with one field more.
    if len(events) == 1:
        said = zip(Event.__struct_fields__, msgspec.structs.astuple(events[0]), strict=False)
        return {field: (value,) for field, value in said if value is not None}
    columns = zip(*map(msgspec.structs.astuple, events), strict=True)
    named = zip(Event.__struct_fields__, columns, strict=False)
    return {field: column for field, column in named if carried(column)}


def carried(column: Sequence[object]) -> bool:
    """Whether at least one event carries the field."""
    # Nearly always the first does or none: to count asks each text and list whether it equals None, 20 ns each.
    return bool(column) and (column[0] is not None or column.count(None) < len(column))


def taken(sent: Sent, kept: Sequence[int]) -> Sent:
    """The fields of these events alone."""
    left: Sent = {}
    for field, column in sent.items():
        if isinstance(column, NumberRows):
            left[field] = column.take(kept)
        else:
            values = [column[i] for i in kept]
            if carried(values):
                left[field] = values
    return left


def judged(
    sent: Sent, field: str, rule: Callable[[Any], Value], missing: Missing, refusals: Refusals
) -> list[Value | Missing] | None:
    """The field of every event as its rule reads it; None where no event carries it."""
    if field not in sent:
        return None
    values: list[Value | Missing] = []
    for i, value in enumerate(sent[field]):
        try:
            values.append(missing if value is None else rule(value))
        except Refused as refusal:
            refusals.setdefault(i, refusal)
            values.append(missing)
    return values


def ids(sent: Sent, field: str, rule: Callable[[Any], str | None], refusals: Refusals) -> Sequence[str | None] | None:
    """As `judged`, of ids or hashes, with no call an event for those that are plain."""
    if field not in sent:
        return None
    plain = plain_ids(sent[field])
    return judged(sent, field, rule, None, refusals) if plain is None else plain
