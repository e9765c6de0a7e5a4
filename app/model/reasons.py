"""Why something was refused, dropped, left out or closed: the `reason` labels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

UNKNOWN_ERROR = "other"
"""The error type that stands for all past the first `MAX_ERROR_TYPES`."""

MAX_ERROR_TYPES = 32


class VectorFault(StrEnum):
    """Why a vector was dropped while the rest of its event was kept."""

    ZERO = "zero"
    NON_FINITE = "non_finite"
    DIMENSION = "dimension"


VECTOR_FAULTS = tuple(VectorFault)
"""`EventBatch.fault` holds 1 + the position in this tuple, 0 where there is none."""


class Reason(StrEnum):
    """Why an event, or a whole request, was refused: the `reason` of embedding_event_failures_total."""

    MALFORMED = "malformed"
    MEDIA_TYPE = "media_type"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    DISCONNECTED = "disconnected"
    FIELD_TYPE = "field_type"
    MISSING_FIELD = "missing_field"
    LABEL = "label"
    TIMESTAMP = "timestamp"
    SAMPLE_RATE = "sample_rate"
    EMBEDDING = "embedding"
    NORM = "norm"
    SCORES = "scores"
    SIMILARITY_METRIC = "similarity_metric"
    IDEMPOTENCY_KEY = "idempotency_key"
    NOT_WRITTEN = "not_written"


class Shed(StrEnum):
    """Which bound a request to ingest met: the `reason` of embedding_exporter_shed_requests_total."""

    REQUESTS = "requests"
    BYTES = "bytes"


class Closed(StrEnum):
    """Why a connection was closed on its client: the `reason` of embedding_exporter_closed_connections_total."""

    CROWDED = "crowded"
    SLOW_REQUEST = "slow_request"
    SLOW_READER = "slow_reader"
    HEAD_TOO_LARGE = "head_too_large"
    MALFORMED = "malformed"
    HANDSHAKE = "handshake"


class Ignored(StrEnum):
    """Why an event, or a part of it, was left out on purpose: the `reason` of embedding_events_ignored_total."""

    DUPLICATE = "duplicate"
    LATE = "late"
    UNKNOWN_LABEL = "unknown_label"


@dataclass(frozen=True, slots=True)
class EventError:
    """One refused event: its position in the request, the field at fault and what would be right.

    `message` never holds any part of the input.
    """

    index: int
    field: str
    reason: Reason
    message: str
