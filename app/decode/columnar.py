"""Events as columns: each field once, with its value for all events or a list of one value an event.

What JSON and MessagePack may hold in the place of a list of events, and what an Arrow record batch is. A value that is
the same for all is written once, and vectors are one matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_type_hints

import msgspec
import pybase64

from app.decode.columns import check_count, judge
from app.decode.errors import Malformed, Refused
from app.decode.event import IN_BYTES, INTEGERS, RULES, UNFIT, Event, refuse
from app.decode.fields import Refusals, Sent, carried, taken
from app.decode.limits import Limits
from app.decode.number_rows import NumberRows, matrix
from app.decode.whole_numbers import whole
from app.model import Decoded

COUNT: Final = "count"
"""How many events there are; needed where no column is a list."""

_Lists: Final = msgspec.defstruct(
    "_Lists",
    [
        (name, list[each] | None, None)  # type: ignore[valid-type]
        for name, each in get_type_hints(Event, include_extras=True).items()
    ],
)
"""A list of values for each field."""


def decode_columns(named: Mapping[Any, object], defaults: Mapping[str, Any], limits: Limits, now: float) -> Decoded:
    """The events of plain columns by their fields' names, with the batch's defaults where an event is silent.

    A list has one value an event; `NumberRows` one row. Any other value is that of all events, but `embedding` and
    `scores` as one text (base64) or bytes are a matrix of little-endian float32 with one row an event.

    Raises `Malformed` where the columns do not say how many events there are, `TooLarge` for too many.
    """
    columns = {name: named[name] for name in RULES if named.get(name) is not None}
    count = _count(columns, whole(named.get(COUNT)))
    check_count(count, limits)
    refusals: Refusals = {}
    sent: Sent = {}
    for field in [name for name in RULES if name in columns or name in defaults]:
        try:
            sent[field] = _spread(field, columns.get(field), count)
        except Refused as refusal:
            refusals.update(dict.fromkeys(range(count), refusal))
            sent[field] = [None] * count
        if field in defaults:
            default = defaults[field]
            sent[field] = [default if value is None else value for value in _listed(field, sent[field])]
    rows = {field: column for field, column in sent.items() if isinstance(column, NumberRows)}
    sent = rows | _typed({field: column for field, column in sent.items() if field not in rows}, refusals)
    if not refusals:
        return judge(sent, count, limits, now)
    kept = [i for i in range(count) if i not in refusals]
    errors = [refusals[i].at(i) for i in sorted(refusals)]
    return judge(taken(sent, kept), len(kept), limits, now, index=kept, errors=errors)


def plain_defaults(document: Event) -> dict[str, Any]:
    """What a typed document says for all its events, as plain values."""
    said = ((name, getattr(document, name)) for name in RULES)
    return {name: msgspec.to_builtins(value, builtin_types=(bytes,)) for name, value in said if value is not None}


def _count(columns: Mapping[str, object], said: object) -> int:
    """How many events there are. Raises `Malformed`."""
    lengths = {len(column) for column in columns.values() if isinstance(column, list | NumberRows)}
    if said is not None:
        if not isinstance(said, int) or isinstance(said, bool) or said < 0:
            raise Malformed("count must be an integer, not negative: how many events the columns hold")
        lengths.add(said)
    if not lengths:
        raise Malformed("events as columns must have a list with one value an event, or say their count")
    if len(lengths) > 1:
        raise Malformed("events as columns must have lists of one length: one value an event")
    return lengths.pop()


def _spread(field: str, column: object, count: int) -> Any:  # noqa: ANN401 - whatever was sent
    """One value, or row, an event. Raises `Refused` for a matrix that is none."""
    if isinstance(column, list | NumberRows):
        return column
    if field not in IN_BYTES or not isinstance(column, str | bytes) or count == 0:
        return [column] * count
    if isinstance(column, str):
        try:
            column = pybase64.b64decode(column, validate=True)
        except ValueError:
            raise refuse(field, "as text must be base64 (standard alphabet, padded, no line breaks)") from None
    return matrix(field, column, count)


def _listed(field: str, column: Any) -> Sequence[Any]:  # noqa: ANN401 - whatever was sent
    if not isinstance(column, NumberRows):
        return column  # type: ignore[no-any-return]
    return column.in_bytes() if field == "embedding" else column.in_lists()


def _typed(columns: Mapping[str, Sequence[Any]], refusals: Refusals) -> Sent:
    """The values as the types of an event have them; None where one is of another, whose event is refused."""
    # Bytes not through the types, which are those of formats without them.
    packed = {name: columns[name] for name in IN_BYTES if bytes in set(map(type, columns.get(name, ())))}
    plain = {
        name: [None if isinstance(value, bytes) else value for value in column] if name in packed else column
        for name, column in columns.items()
    }
    found = _converted(plain)
    if found is None:
        # Such as a column with nulls that a data frame made floats of.
        plain |= {
            name: [rewrite(value) for value in plain[name]] for name, rewrite in INTEGERS.items() if name in plain
        }
        found = _converted(plain) or {name: _one_by_one(name, column, refusals) for name, column in plain.items()}
    for name, column in packed.items():
        both = zip(column, found[name], strict=True)
        found[name] = [value if isinstance(value, bytes) else each for value, each in both]
    # As of events side by side: what no event carries is not there.
    return {name: column for name, column in found.items() if carried(column)}


def _converted(columns: Mapping[str, Sequence[Any]]) -> dict[str, Any] | None:
    """None where a value of any of them is of another type."""
    try:
        lists = msgspec.convert(columns, _Lists)
    except UNFIT:
        return None
    return {name: getattr(lists, name) for name in columns}


def _one_by_one(field: str, column: Sequence[Any], refusals: Refusals) -> list[Any]:
    values = []
    for i, value in enumerate(column):
        try:
            values.append(getattr(msgspec.convert({field: value}, Event), field))
        except UNFIT:
            # In the order of the rules, as of one event: what is wrong first is told in every format alike.
            refusals.setdefault(i, refuse(field))
            values.append(None)
    return values
