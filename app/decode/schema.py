"""The event as its sender sees it: the JSON schema that OpenAPI shows, every field of the contract in it."""

from __future__ import annotations

from typing import Any, Final

from app.decode import DECODERS
from app.decode.event import MAX_ID_BYTES
from app.decode.limits import Limits
from app.model import SimilarityMetric

JsonSchema = dict[str, Any]

_LIMITS = Limits()
_LABEL: Final[JsonSchema] = {"type": "string", "maxLength": _LIMITS.label_bytes}
_ID: Final[JsonSchema] = {"type": ["string", "integer"], "maxLength": MAX_ID_BYTES}
_DOCUMENT: Final[JsonSchema] = _ID | {"minLength": 1}

EVENT_FIELDS: Final[dict[str, JsonSchema]] = {
    "model": _LABEL
    | {
        "minLength": 1,
        "description": "Name of the embedding model. Like every name here: no control characters, and not `__other__`.",
        "examples": ["all-MiniLM-L6-v2"],
    },
    "model_version": _LABEL
    | {
        "default": "",
        "description": "With model, tokenizer_version and kind: the identity of the series.",
        "examples": ["2"],
    },
    "tokenizer_version": _LABEL
    | {"default": "", "description": "Version of the tokenizer in front of the model.", "examples": ["2024-05"]},
    "kind": {
        "type": "string",
        "enum": ["query", "document"],
        "default": "query",
        "description": "Which side of the index the vector is from.",
    },
    "space": _LABEL
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
    "deployment": _LABEL
    | {"description": "The deployment that served the event; never a label of a gauge.", "examples": ["blue"]},
    "timestamp": {
        "oneOf": [{"type": "number"}, {"type": "string", "format": "date-time"}],
        "description": "Unix seconds, or RFC 3339. Default: arrival. Events more than an hour old are counted as late, "
        f"those more than {_LIMITS.future_seconds / 60:g} min ahead are refused.",
        "examples": [1767225600.25, "2026-01-01T00:00:00Z"],
    },
    "sample_rate": {
        "type": "number",
        "exclusiveMinimum": 0,
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
    "probe": _LABEL
    | {
        "description": "Name of a fixed input that is embedded again and again; such events feed the same-input "
        "check. It goes before input_hash.",
        "examples": ["golden-7"],
    },
    "embedding": {
        "oneOf": [
            {"type": "array", "items": {"type": ["number", "null"]}, "maxItems": _LIMITS.dimension},
            {"type": "string", "format": "byte", "contentEncoding": "base64"},
        ],
        "description": "The vector: numbers, or base64 of little-endian float32 (smaller, and five times as fast). "
        "A vector that is zero or not finite is dropped and counted, the rest of its event is kept.",
        "examples": [[0.6, 0.8], "mpkZP83MTD8="],
    },
    "norm": {
        "type": "number",
        "minimum": 0,
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
            "properties": {"id": _DOCUMENT, "score": {"type": "number"}},
        },
        "maxItems": _LIMITS.top_k,
        "description": "Ids and scores as objects, best first; scores and ids go before it. Its ids count if every "
        "result has one.",
        "examples": [[{"id": "doc-1", "score": 0.83}]],
    },
    "relevant": {
        "oneOf": [
            {"type": "array", "items": _DOCUMENT, "maxItems": _LIMITS.top_k},
            {"type": "object", "additionalProperties": {"type": "number"}, "maxProperties": _LIMITS.top_k},
        ],
        "description": "Ground truth: the ids of all relevant documents, or their grades; 0 is not relevant. The query "
        "is judged if it tells what it found: ids, or that there is nothing.",
        "examples": [["doc-1"], {"doc-1": 3, "doc-9": 1}],
    },
    "outcome": {
        "type": "object",
        "properties": {name: {"type": "boolean"} for name in ("success", "clicked", "no_answer", "escalated")},
        "description": "What came of the query, where that is known by now. Each of them counts once a query_id.",
        "examples": [{"clicked": True}],
    },
    "latency_seconds": {
        "type": "number",
        "minimum": 0,
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

EVENT_SCHEMA: Final[JsonSchema] = {
    "title": "Event",
    "type": "object",
    "required": ["model"],
    "properties": EVENT_FIELDS,
    "description": "One sampled query or document, with a vector, scores, or both. "
    "Unknown fields are ignored; a null is no field.",
}

_BATCH_SCHEMA: Final[JsonSchema] = {
    "title": "Batch",
    "type": "object",
    "required": ["events"],
    # What the batch says for all, an event need not say: so nothing is required of these.
    "properties": {
        "events": {
            "type": "array",
            "maxItems": _LIMITS.events,
            "items": {key: value for key, value in EVENT_SCHEMA.items() if key != "required"},
        },
        **EVENT_FIELDS,
    },
    "description": "Events, and beside them any field of an event as a default for all of them.",
}

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
        "schema": {"anyOf": [_BATCH_SCHEMA, {"type": "array", "items": EVENT_SCHEMA}, EVENT_SCHEMA]},
        "examples": _EXAMPLES,
    }
    return {"required": True, "content": content}
