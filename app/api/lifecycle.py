"""POST /v1/lifecycle: deployments, reindexes, documents and maintenance, as they are told."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from app.api.intake import intake
from app.api.services import Services
from app.decode.encoding import inflate
from app.decode.errors import UnsupportedMediaType
from app.decode.schema import NAME, or_null
from app.intake import SentLifecycle, with_hashed_ids
from app.lifecycle import COUNTED, STATUSES, TYPES, LifecycleEvent, Spans, move, read

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
    return await intake(
        request,
        partial(_read, request.app.services),
        max_bytes=MAX_LIFECYCLE_BYTES,
        off_loop_bytes=OFF_LOOP_BYTES,
    )


def _read(services: Services, content_type: str | None, content_encoding: str | None, body: bytes) -> SentLifecycle:
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("unsupported content type; send application/json")
    lines = read(
        inflate(content_encoding, body, MAX_LIFECYCLE_BYTES), services.limits.events, services.limits.label_bytes
    )
    now, offset = services.clock.reading()
    if offset:
        for each in lines.events:
            move(each, -offset)
    return SentLifecycle(with_hashed_ids(lines.events, services.limits.input_key), lines.index, lines.errors, now)


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


_NONE: Final = {"type": "null"}

_WAYS: Final[dict[str, list[dict[str, Any]]]] = {
    "reindex": [
        {"required": ["progress"], "properties": {"progress": {"type": "number"}}},
        {"properties": {"status": {"enum": [status for status in STATUSES["reindex"] if status != "progress"]}}},
    ],
    "documents": [
        {
            "required": ["count"],
            "properties": {
                "status": {"enum": sorted(COUNTED)},
                "count": {"type": "integer"},
                "ids": _NONE,
                "documents": _NONE,
            },
        },
        {"required": ["ids"], "properties": {"ids": {"type": "array"}, "count": _NONE, "documents": _NONE}},
        {"required": ["documents"], "properties": {"documents": {"type": "array"}, "count": _NONE, "ids": _NONE}},
    ],
    "maintenance": [
        {"properties": {"duration_seconds": _NONE}},
        {
            "properties": {
                "until": _NONE,
                "duration_seconds": {"exclusiveMinimum": 0, "maximum": Spans().max_maintenance_seconds},
            }
        },
        {"properties": {"status": {"const": "end"}, "until": _NONE}},
    ],
}
"""`type` -> one of which holds: which fields go together, which the types do not say."""


def _described(struct: type[LifecycleEvent], schema: dict[str, Any]) -> dict[str, Any]:
    """A null is no field, names are fit for labels, and some fields go together: which the types do not say."""
    required = schema["required"]
    for name, plain in schema["properties"].items():
        field = plain | NAME if name in struct.NAMES else plain
        if name not in required and "anyOf" not in field:
            field = or_null(field)
        schema["properties"][name] = field | ({"minLength": 1} if name == "model" and name in required else {})
    (type_,) = schema["properties"]["type"]["enum"]
    return schema | ({"anyOf": _WAYS[type_]} if type_ in _WAYS else {})


def _schema() -> dict[str, Any]:
    structs = tuple(TYPES.values())
    schemas, definitions = msgspec.json.schema_components(structs, ref_template="{name}")
    described = [_described(*each) for each in zip(structs, (_resolved(s, definitions) for s in schemas), strict=True)]
    one = {"title": "LifecycleEvent", "anyOf": described}
    many = {"type": "array", "items": one}
    batch = {"title": "LifecycleBatch", "type": "object", "required": ["events"], "properties": {"events": many}}
    return {"anyOf": [batch, many, one]}


LIFECYCLE_SCHEMA: Final[dict[str, Any]] = {
    "required": True,
    "content": {"application/json": {"schema": _schema(), "examples": _EXAMPLES}},
}
"""The `requestBody` of POST /v1/lifecycle in OpenAPI 3.1."""
