"""The event as its sender sees it: the JSON schema that OpenAPI shows, every field of the contract in it."""

from __future__ import annotations

from typing import Any, Final

from app.decode import DECODERS
from app.decode.event import MAX_ID_BYTES, MAX_NUMBER, MIN_SAMPLE_RATE
from app.decode.limits import Limits
from app.model import OTHER, SimilarityMetric

JsonSchema = dict[str, Any]

_LIMITS = Limits()
NAME: Final[JsonSchema] = {
    "type": "string",
    "maxLength": _LIMITS.label_bytes,
    # No control characters and line separators, as app.decode.labels has them. Nor lone surrogates: which regular
    # expressions of most languages cannot say, and JSON texts in UTF-8 cannot hold.
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
    "not": {"const": OTHER},
}
"""Text that becomes a label value. What no schema can say: the limit is of bytes in UTF-8, and of the composed form."""

_BASE64: Final = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

_ID: Final[JsonSchema] = {"type": ["string", "integer"], "maxLength": MAX_ID_BYTES}
_DOCUMENT: Final[JsonSchema] = _ID | {"minLength": 1}

EVENT_FIELDS: Final[dict[str, JsonSchema]] = {
    "model": NAME
    | {
        "minLength": 1,
        "description": "Name of the embedding model. Like every name here: no control characters, and not `__other__`.",
        "examples": ["all-MiniLM-L6-v2"],
    },
    "model_version": NAME
    | {
        "default": "",
        "description": "With model, tokenizer_version and kind: the identity of the series.",
        "examples": ["2"],
    },
    "tokenizer_version": NAME
    | {"default": "", "description": "Version of the tokenizer in front of the model.", "examples": ["2024-05"]},
    "kind": {
        "type": "string",
        "enum": ["query", "document"],
        "default": "query",
        "description": "Which side of the index the vector is from.",
    },
    "space": NAME
    | {
        "description": "Vectors of two series are compared only within one space, which the last event of a series "
        "that names one tells. Default: `model@model_version`, or the model alone where there is no version.",
        "examples": ["all-MiniLM-L6-v2@2"],
    },
    "labels": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Slices of the traffic. Names that the setting `slice_labels` has not are ignored and counted; "
        "a value of the others is a name like `model`.",
        "examples": [{"locale": "de"}],
    },
    "deployment": {
        "description": "The deployment that served the event, a string; never a label of a gauge, and not looked at.",
        "examples": ["blue"],
    },
    "timestamp": {
        "oneOf": [{"type": "number"}, {"type": "string", "format": "date-time"}],
        "description": "Unix seconds, or RFC 3339. Default: arrival. Events more than an hour old are counted as late, "
        f"those more than {_LIMITS.future_seconds / 60:g} min ahead are refused.",
        "examples": [1767225600.25, "2026-01-01T00:00:00Z"],
    },
    "sample_rate": {
        "type": "number",
        "minimum": MIN_SAMPLE_RATE,
        "maximum": 1,
        "default": 1,
        "description": "Share of the traffic that the events were sampled from.",
        "examples": [0.1],
    },
    "event_id": {
        "type": ["string", "integer"],
        "maxLength": MAX_ID_BYTES,
        "description": "Events with an id seen within the last 10 min, or the last 100,000 ids, are counted once.",
        "examples": ["0b5c2f9e"],
    },
    "query_id": _ID
    | {
        "description": "Joins outcomes that are sent later: within an hour, to one of the last 100,000 queries. Only a "
        "keyed hash of it is kept, and the id itself of the few queries that matched worst.",
        "examples": ["q-1041"],
    },
    "input_hash": {
        "type": "string",
        "maxLength": MAX_ID_BYTES,
        "description": "Hash of the exact input text: the same input must give the same vector. Only a keyed hash of "
        "it is kept.",
        "examples": ["9f86d081884c7d65"],
    },
    "probe": NAME
    | {
        "description": "Name of a fixed input that is embedded again and again; such events feed the same-input "
        "check. It goes before input_hash.",
        "examples": ["golden-7"],
    },
    "embedding": {
        "oneOf": [
            {"type": "array", "items": {"type": ["number", "null"]}, "maxItems": _LIMITS.dimension},
            {"type": "string", "format": "byte", "contentEncoding": "base64", "pattern": _BASE64},
        ],
        "description": "The vector: numbers, or base64 of little-endian float32 (smaller, and five times as fast). "
        "A vector that is zero or not finite is dropped and counted, the rest of its event is kept.",
        "examples": [[0.6, 0.8], "mpkZP83MTD8="],
    },
    "norm": {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": MAX_NUMBER,
        "description": "L2 norm, where no vector is sent or as it was before normalisation. 0 counts as a zero vector.",
        "examples": [1.0],
    },
    "scores": {
        "type": "array",
        "items": {"type": "number"},
        "maxItems": _LIMITS.top_k,
        "description": "Scores of the top-k as the engine returns them, best first. An empty list is an empty result.",
        "examples": [[0.83, 0.79, 0.64]],
    },
    "similarity_metric": {
        "type": "string",
        "enum": list(SimilarityMetric),
        "default": SimilarityMetric.COSINE.value,
        "description": "What a score measures. Cosines lie in [-1, 1]; distances (l2, l2_squared) become similarities, "
        "which are cosines for unit vectors.",
    },
    "result_count": {
        "type": "integer",
        "minimum": 0,
        "description": "Number of results; 0 is an empty result.",
        "examples": [10],
    },
    "ids": {
        "type": "array",
        "items": _DOCUMENT,
        "maxItems": _LIMITS.top_k,
        "description": "Ids of the documents found, best first, beside scores. 7 and `7` are one document.",
        "examples": [["doc-1", 7]],
    },
    "top_k": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["score"],
            "properties": {"id": {**_DOCUMENT, "type": [*_DOCUMENT["type"], "null"]}, "score": {"type": "number"}},
        },
        "maxItems": _LIMITS.top_k,
        "description": "Ids and scores as objects, best first; scores and ids go before it. Its ids count if every "
        "result has one.",
        "examples": [[{"id": "doc-1", "score": 0.83}]],
    },
    "relevant": {
        "oneOf": [
            {"type": "array", "items": _DOCUMENT, "maxItems": _LIMITS.top_k},
            {
                "type": "object",
                "propertyNames": {"minLength": 1, "maxLength": MAX_ID_BYTES},
                "additionalProperties": {"type": "number"},
                "maxProperties": _LIMITS.top_k,
            },
        ],
        "description": "Ground truth: the ids of all relevant documents, or their grades; 0 is not relevant. The query "
        "is judged if it tells what it found: ids, or that there is nothing.",
        "examples": [["doc-1"], {"doc-1": 3, "doc-9": 1}],
    },
    "outcome": {
        "type": "object",
        "properties": {
            name: {"type": ["boolean", "null"]} for name in ("success", "clicked", "no_answer", "escalated")
        },
        "description": "What came of the query, where that is known by now. Each of them counts once a query_id.",
        "examples": [{"clicked": True}],
    },
    "latency_seconds": {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": MAX_NUMBER,
        "description": "How long the query took.",
        "examples": [0.042],
    },
    "error": {
        "type": "string",
        "description": "Short type of the error, where the query failed; empty is none.",
        "examples": ["timeout"],
    },
    "trace_id": {
        "type": "string",
        "maxLength": MAX_ID_BYTES,
        "description": "Trace of the request, for exemplars and samples.",
        "examples": ["4bf92f3577b34da6a3ce929d0e0e4736"],
    },
}
"""Field -> its schema. A null is read as if the field were not there."""


def or_null(schema: JsonSchema) -> JsonSchema:
    """The schema, or null.

    >>> or_null({"type": "string", "enum": ["a"]})
    {'type': ['string', 'null'], 'enum': ['a', None]}
    """
    wider: JsonSchema = {}
    if "oneOf" in schema:
        wider["oneOf"] = [*schema["oneOf"], {"type": "null"}]
    if "type" in schema:
        wider["type"] = [*(schema["type"] if isinstance(schema["type"], list) else [schema["type"]]), "null"]
    if "enum" in schema:
        wider["enum"] = [*schema["enum"], None]
    return schema | wider


_DEFAULTS: Final = {name: or_null(schema) for name, schema in EVENT_FIELDS.items()}

EVENT_SCHEMA: Final[JsonSchema] = {
    "title": "Event",
    "type": "object",
    "required": ["model"],
    "properties": _DEFAULTS | {"model": EVENT_FIELDS["model"]},
    "description": "One sampled query or document, with a vector, scores, or both. "
    "Unknown fields are ignored; a null is no field.",
}


def _batch(title: str, required: list[str], event: JsonSchema, defaults: JsonSchema) -> JsonSchema:
    return {
        "title": title,
        "type": "object",
        "required": required,
        "properties": {"events": {"type": "array", "maxItems": _LIMITS.events, "items": event}, **defaults},
        "description": "Events, and beside them any field of an event as a default for all of them.",
    }


# What the batch says for all, an event need not say.
_BATCHES: Final = (
    _batch(
        "Batch",
        ["events", "model"],
        {key: value for key, value in EVENT_SCHEMA.items() if key != "required"} | {"properties": _DEFAULTS},
        EVENT_SCHEMA["properties"],
    ),
    _batch("BatchOfModels", ["events"], EVENT_SCHEMA, _DEFAULTS),
)

_EXAMPLES: Final[JsonSchema] = {
    "batch": {
        "summary": "Several events with defaults",
        "value": {
            "model": "all-MiniLM-L6-v2",
            "model_version": "2",
            "sample_rate": 0.1,
            "events": [
                {"event_id": "a1", "embedding": "mpkZP83MTD8=", "scores": [0.83, 0.79]},
                {"event_id": "a2", "embedding": [0.6, 0.8], "scores": [], "latency_seconds": 0.042},
            ],
        },
    },
    "single": {
        "summary": "One event",
        "value": {"model": "all-MiniLM-L6-v2", "embedding": [0.6, 0.8], "scores": [0.83, 0.79, 0.64]},
    },
}


def events_request_body() -> JsonSchema:
    """The `requestBody` of `POST /v1/events` in OpenAPI 3.1: every media type of `DECODERS`.

    >>> sorted(events_request_body()["content"]) == sorted(DECODERS)
    True
    """
    content: JsonSchema = {
        media_type: {"schema": {"type": "string", "format": "binary", "description": decoder.__doc__}}
        for media_type, decoder in DECODERS.items()
    }
    content["application/json"] = {
        "schema": {"anyOf": [*_BATCHES, {"type": "array", "items": EVENT_SCHEMA}, EVENT_SCHEMA]},
        "examples": _EXAMPLES,
    }
    return {"required": True, "content": content}
