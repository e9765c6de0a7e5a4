"""POST /v1/outcomes: what came of queries, joined by query_id."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi import Request, Response

from app.api.intake import intake
from app.api.replies import BODY_REFUSALS, RECEIPT, Reply, json_body, receipt_or_error
from app.api.services import Services
from app.decode.schema import EVENT_FIELDS, or_null
from app.intake import SentOutcomes
from app.outcomes import decode_outcomes

_OUTCOME: Final[dict[str, Any]] = {
    "title": "Outcome",
    "type": "object",
    "required": ["query_id"],
    "anyOf": [
        {"required": [name], "properties": {name: {"type": "boolean"}}}
        for name in EVENT_FIELDS["outcome"]["properties"]
    ],
    "properties": {
        "query_id": EVENT_FIELDS["query_id"]
        | {"minLength": 1, "description": "The one that the query's event carried."},
        **EVENT_FIELDS["outcome"]["properties"],
        "timestamp": or_null(EVENT_FIELDS["timestamp"])
        | {"description": "When it was seen. It is checked, and an outcome counts as of its arrival."},
    },
}

OUTCOMES_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    {"type": "object", "required": [name], "properties": {name: {"type": "array", "items": _OUTCOME}}}
                    for name in ("events", "outcomes")
                ]
                + [{"type": "array", "items": _OUTCOME}, _OUTCOME]
            },
            "example": [{"query_id": "q-1041", "clicked": True}, {"query_id": "q-1042", "no_answer": False}],
        }
    },
}

_COUNTS: Final = ("accepted", "duplicates", "unmatched")

_OUTCOME_RECEIPT: Final[dict[str, Any]] = {
    **RECEIPT,
    "title": "OutcomeReceipt",
    "required": [*_COUNTS, "rejected", "errors"],
    "properties": {
        **dict.fromkeys((*_COUNTS, "rejected"), RECEIPT["properties"]["accepted"]),
        "errors": RECEIPT["properties"]["errors"],
    },
}

OUTCOME_REPLIES: Final[dict[int, Reply]] = {
    202: json_body("At least one outcome was acceptable, or there were none.", _OUTCOME_RECEIPT),
    422: json_body(
        "Every outcome was refused; or the Idempotency-Key came with another body.", receipt_or_error(_OUTCOME_RECEIPT)
    ),
    **BODY_REFUSALS,
}


async def post_outcomes(request: Request) -> Response:
    """Take what came of queries: success, clicked, no_answer, escalated, each true or false, by the query's query_id.

    202 says how many were accepted, rejected, duplicates (nothing new about their query) and unmatched (their query is
    not known: not sent, not sampled, or more than an hour or 100,000 queries ago), with the first ten errors. 422 when
    nothing was acceptable, 400 for a malformed body, 408 too slow, 413 too large, 415 for an unknown content type.
    """
    return await intake(request, partial(_read, request.app.services))


def _read(services: Services, content_type: str | None, content_encoding: str | None, body: bytes) -> SentOutcomes:
    now, offset = services.clock.reading()
    decoded = decode_outcomes(content_type, content_encoding, body, services.limits, now + offset)
    return SentOutcomes(decoded.query_keys.tolist(), decoded.outcomes, decoded.errors, now)
