"""What the OpenAPI document says of replies: status -> description and body."""

from __future__ import annotations

from typing import Any, Final

Reply = dict[str, Any]
"""A response object of OpenAPI 3.1."""

_ERROR: Final[dict[str, Any]] = {
    "title": "Error",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "What was wrong and what would be right; never a part of the input."}
    },
}

_EVENT_ERROR: Final[dict[str, Any]] = {
    "title": "EventError",
    "type": "object",
    "required": ["index", "field", "reason"],
    "properties": {
        "index": {"type": "integer", "minimum": 0, "description": "Position of the event in the request."},
        "field": {"type": "string", "description": "Empty where the event as a whole is at fault."},
        "reason": {"type": "string", "description": "What would be right; never a part of the input."},
    },
}

_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}

RECEIPT: Final[dict[str, Any]] = {
    "title": "Receipt",
    "type": "object",
    "required": ["accepted", "rejected", "duplicates", "late", "errors"],
    "properties": {
        "accepted": _COUNT,
        "rejected": _COUNT,
        "duplicates": _COUNT,
        "late": _COUNT,
        "errors": {"type": "array", "maxItems": 10, "items": _EVENT_ERROR, "description": "The first ten."},
    },
}


def receipt_or_error(receipt: dict[str, Any]) -> dict[str, Any]:
    """The schema of a reply that refuses each entry, or the request."""
    return {"anyOf": [receipt, _ERROR]}


def json_body(description: str, schema: dict[str, Any] | None = None) -> Reply:
    """A reply in JSON; any object unless there is a schema."""
    return {"description": description, "content": {"application/json": {"schema": schema or {"type": "object"}}}}


def refusal(description: str) -> Reply:
    """A reply `{"error": "..."}`."""
    return json_body(description, _ERROR)


def text(description: str, media_type: str = "text/plain") -> Reply:
    """A reply in text."""
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def download(description: str) -> Reply:
    """A reply in bytes."""
    # Without a schema, which OpenAPI 3.1 says is a binary file.
    return {"description": description, "content": {"application/octet-stream": {}}}


BODY_REFUSALS: Final[dict[int, Reply]] = {
    400: refusal("Malformed, or cut short."),
    408: refusal("The body did not arrive in time."),
    413: refusal("Too large, before or after decompression."),
    415: refusal("Unsupported content type or encoding; the message lists those supported."),
    429: refusal("Too much is under way: try again after `Retry-After`."),
    503: refusal("The exporter is stopping, or its journal cannot be written: try again after `Retry-After`."),
}

REFUSALS: Final[dict[int, Reply]] = {
    401: refusal("Credentials are wanted, or not known; `WWW-Authenticate` says which."),
    403: refusal("The token is one for something else."),
}
"""Of every route with a role; only where it has credentials."""

EVENT_REPLIES: Final[dict[int, Reply]] = {
    202: json_body("At least one event was taken, or all were duplicates or late, or there were none.", RECEIPT),
    422: json_body(
        "Every event was refused; or the Idempotency-Key came with another body.", receipt_or_error(RECEIPT)
    ),
    **BODY_REFUSALS,
}

PIN_REPLIES: Final[dict[int, Reply]] = {
    201: json_body("Pinned."),
    404: refusal("No such series."),
    409: refusal("The series has a final baseline and `replace` is not true; or there are too many baselines."),
    422: refusal("No such window, or too few events in it; or a file of which no baseline can be made."),
    **BODY_REFUSALS,
    503: refusal("The exporter is stopping, or takes another file: try again after `Retry-After`."),
}

UNKNOWN_BASELINE: Final[dict[int, Reply]] = {404: refusal("No such baseline.")}
