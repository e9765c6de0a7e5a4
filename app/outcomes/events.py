"""The body of `POST /v1/outcomes`: good outcomes beside bad ones are kept, as of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.decode.columns import check_count
from app.decode.encoding import inflate
from app.decode.errors import Malformed, Refused, UnsupportedMediaType
from app.decode.event import MAX_ID_BYTES, Rule, timestamp_seconds
from app.decode.id_rules import event_id
from app.decode.json_document import check_size, parse
from app.decode.limits import Limits
from app.decode.whole_numbers import whole, with_integers
from app.model import EventError, Outcome, Reason
from app.outcomes.memory import query_keys

MEDIA_TYPE: Final = "application/json"


class OutcomeEvent(msgspec.Struct, gc=False):
    """An outcome as its sender wrote it; None where nothing or null was written, other fields are skipped."""

    query_id: str | int | None = None
    success: bool | None = None
    clicked: bool | None = None
    no_answer: bool | None = None
    escalated: bool | None = None
    timestamp: float | str | None = None


_VALUE: Final = Rule(Reason.FIELD_TYPE, "must be true or false")

RULES: Final[dict[str, Rule]] = {
    "query_id": Rule(Reason.FIELD_TYPE, f"must be a string or an integer of at most {MAX_ID_BYTES} bytes"),
    **dict.fromkeys(Outcome._fields, _VALUE),
    "timestamp": Rule(Reason.TIMESTAMP, "must be unix seconds (a number) or an RFC 3339 string"),
}


_INTEGERS: Final = {"query_id": whole}


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeRequest:
    """What a request body held: the acceptable outcomes, each beside the key of its query, and the refused ones."""

    query_keys: NDArray[np.uint64]
    """Shape (n,), none of them 0."""
    outcomes: tuple[Outcome, ...]
    errors: tuple[EventError, ...]


def decode_outcomes(
    content_type: str | None, content_encoding: str | None, body: bytes, limits: Limits, now: float
) -> OutcomeRequest:
    """The outcomes of a request body: one object, a list, or an object with a list `events` or `outcomes`.

    A timestamp is looked at, so that a sender learns of a wrong clock, and not needed: what joins an outcome is when it
    arrives. Raises a `DecodeError` where nothing of the body can be taken, and nothing else, whatever the bytes.

    >>> body = b'[{"query_id": "q1", "clicked": true}, {"query_id": "q2"}]'
    >>> request = decode_outcomes("application/json", None, body, Limits(), now=0.0)
    >>> request.outcomes
    (Outcome(success=None, clicked=True, no_answer=None, escalated=None),)
    >>> request.errors[0].message
    'an outcome must say at least one of success, clicked, no_answer, escalated: true or false'
    """
    if (content_type or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UnsupportedMediaType(f"unsupported content type; send {MEDIA_TYPE}")
    body = inflate(content_encoding, body, limits.inflated_bytes)
    check_size(body, limits)
    sent = _listed(body)
    check_count(len(sent), limits)
    ids: list[str] = []
    outcomes: list[Outcome] = []
    errors: list[EventError] = []
    for position, fields in enumerate(sent):
        try:
            query_id, outcome = _judged(_event(fields), limits, now)
        except Refused as refusal:
            errors.append(refusal.at(position))
        else:
            ids.append(query_id)
            outcomes.append(outcome)
    return OutcomeRequest(query_keys(ids, limits.input_key), tuple(outcomes), tuple(errors))


def _listed(body: bytes) -> list[Any]:
    try:
        # Bytes that are not UTF-8 become lone surrogates: they cost their own outcome, not its neighbours.
        document = parse(body.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        raise Malformed("the body is not valid JSON") from None
    if isinstance(document, dict):
        listed = next((document[name] for name in ("events", "outcomes") if document.get(name) is not None), None)
        document = [document] if listed is None else listed
    if not isinstance(document, list):
        raise Malformed("the body must be an outcome, a list of outcomes, or an object with a list events or outcomes")
    return document


def _event(fields: object) -> OutcomeEvent:
    if not isinstance(fields, dict):
        raise Refused("", Reason.MALFORMED, "an outcome must be an object")
    if (event := _converted(fields)) is not None:
        return event
    fields = with_integers(fields, _INTEGERS)
    if (event := _converted(fields)) is not None:
        return event
    # Asked again one by one: the path in the exception's text is for people, and quotes the value.
    raise _refusal(next(name for name in RULES if name in fields and _converted({name: fields[name]}) is None))


def _converted(fields: dict[str, object]) -> OutcomeEvent | None:
    try:
        return msgspec.convert(fields, OutcomeEvent)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None


def _judged(event: OutcomeEvent, limits: Limits, now: float) -> tuple[str, Outcome]:
    outcome = Outcome(event.success, event.clicked, event.no_answer, event.escalated)
    if event.query_id is None or event.query_id == "":
        raise Refused("query_id", Reason.MISSING_FIELD, "query_id is required: the one that the query's event carried")
    try:
        query_id = event_id(event.query_id)
    except Refused:
        raise _refusal("query_id") from None
    assert query_id is not None
    if outcome == Outcome():
        names = ", ".join(Outcome._fields)
        raise Refused("", Reason.MISSING_FIELD, f"an outcome must say at least one of {names}: true or false")
    if event.timestamp is not None:
        timestamp_seconds(event.timestamp, limits, now)
    return query_id, outcome


def _refusal(field: str) -> Refused:
    rule = RULES[field]
    return Refused(field, rule.reason, f"{field} {rule.wanted}")
