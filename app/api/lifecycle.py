"""POST /v1/lifecycle: deployments, reindexes, documents and maintenance, as they are told."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.body import BodyRefused, header, media_type
from app.api.intake import MAX_ERRORS_TOLD
from app.api.reply import error_reply, json_reply
from app.api.services import Services
from app.decode import DecodeError, Malformed, TooLarge
from app.decode.encoding import inflate
from app.lifecycle import TYPES, read
from app.model import Reason, Receipt

MAX_LIFECYCLE_BYTES: Final = 4 * 1024 * 1024
"""Of a body, before and after decompression: some 200,000 ids, and a fifth of a second."""
OFF_LOOP_BYTES: Final = 64 * 1024
"""A larger body is taken beside the loop: some three thousand ids take three milliseconds."""


async def post_lifecycle(request: Request) -> Response:
    """Tell of deployments, reindexes, documents and maintenance: one event, a list, or an object with `events`.

    202 says how many were accepted, rejected, duplicates and late, with the first ten errors; good events beside bad
    ones are kept. 422 when nothing was acceptable, 400 for a malformed body, 408 too slow, 413 too large, 415 for
    another content type than JSON.
    """
    services: Services = request.app.state.services
    if media_type(request) != "application/json":
        services.metrics.own.count_failure(Reason.MEDIA_TYPE)
        return error_reply(415, "unsupported content type; send application/json")
    try:
        body = await services.bodies.read(request, MAX_LIFECYCLE_BYTES)
    except BodyRefused as refused:
        services.metrics.own.count_failure(refused.reason)
        return error_reply(refused.status_code, refused.message, {"Connection": "close"})
    content_encoding = header(request, b"content-encoding")
    try:
        if len(body) > OFF_LOOP_BYTES or content_encoding:
            receipt = await run_in_threadpool(_take, services, content_encoding, body)
        else:
            receipt = _take(services, content_encoding, body)
    except DecodeError as error:
        services.metrics.own.count_failure(error.reason)
        return error_reply(_status(error), error.message)
    return _reply(services, receipt)


def _take(services: Services, content_encoding: str | None, body: bytes) -> Receipt:
    lines = read(
        inflate(content_encoding, body, MAX_LIFECYCLE_BYTES), services.limits.events, services.limits.label_bytes
    )
    receipt = services.lifecycle.apply(lines.events, services.clock.now(), lines.index)
    if lines.errors:
        # In the order of the request: times are judged later than the form.
        receipt.errors = sorted([*lines.errors, *receipt.errors], key=attrgetter("index"))
    return receipt


def _status(error: DecodeError) -> int:
    if isinstance(error, TooLarge):
        return 413
    return 400 if isinstance(error, Malformed) else 415


def _reply(services: Services, receipt: Receipt) -> Response:
    errors = receipt.errors
    for reason, count in Counter(error.reason for error in errors).items():
        services.metrics.own.count_failure(reason, count)
    nothing = bool(errors) and not (receipt.accepted or receipt.duplicates or receipt.late)
    content = {
        "accepted": receipt.accepted,
        "rejected": len(errors),
        "duplicates": receipt.duplicates,
        "late": receipt.late,
        "errors": [
            {"index": error.index, "field": error.field, "reason": error.message} for error in errors[:MAX_ERRORS_TOLD]
        ],
    }
    return json_reply(content, 422 if nothing else 202)


_EXAMPLES: Final[dict[str, Any]] = {
    "deployment": {
        "summary": "A canary is rolled out",
        "value": {
            "type": "deployment",
            "status": "started",
            "model": "e5",
            "model_version": "3",
            "track": "canary",
            "deployment": "search-1041",
        },
    },
    "documents": {
        "summary": "Documents came in, and the earlier ones are to be found",
        "value": [
            {
                "type": "documents",
                "status": "ingested",
                "model": "e5",
                "index": "products",
                "documents": [{"id": "doc-7", "timestamp": "2026-01-01T00:00:00Z"}],
            },
            {"type": "documents", "status": "indexed", "model": "e5", "index": "products", "ids": ["doc-5", "doc-6"]},
        ],
    },
    "maintenance": {
        "summary": "Two hours of maintenance",
        "value": {"type": "maintenance", "status": "begin", "model": "e5", "duration_seconds": 7200},
    },
}


def _resolved(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """A schema with its definitions in their places: OpenAPI would look for references at the root of its document."""
    if isinstance(schema, list):
        return [_resolved(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(definitions[schema["$ref"]], definitions)
    return {name: _resolved(value, definitions) for name, value in schema.items()}


def _schema() -> dict[str, Any]:
    structs = tuple(TYPES.values())
    schemas, definitions = msgspec.json.schema_components(structs, ref_template="{name}")
    one = {"title": "LifecycleEvent", "anyOf": [_resolved(schema, definitions) for schema in schemas]}
    many = {"type": "array", "items": one}
    batch = {"title": "LifecycleBatch", "type": "object", "required": ["events"], "properties": {"events": many}}
    return {"anyOf": [batch, many, one]}


LIFECYCLE_SCHEMA: Final[dict[str, Any]] = {
    "required": True,
    "content": {"application/json": {"schema": _schema(), "examples": _EXAMPLES}},
}
"""The `requestBody` of POST /v1/lifecycle in OpenAPI 3.1."""
