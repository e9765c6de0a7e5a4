"""Values that every layer shares: series keys, event columns, scores and durations."""

from app.model.columns import Floats, Ragged, Scalar, add_in_order, offsets_of
from app.model.events import METRICS, DocumentId, EventBatch, Hashed, Outcome, SimilarityMetric
from app.model.reasons import (
    MAX_ERROR_TYPES,
    UNKNOWN_ERROR,
    VECTOR_FAULTS,
    Closed,
    EventError,
    Ignored,
    Reason,
    Shed,
    VectorFault,
)
from app.model.receipt import Decoded, Receipt, Taken
from app.model.score import Score
from app.model.series_key import FOLDED, OTHER, Kind, SeriesKey
from app.model.timing import Rung, Timing

__all__ = [
    "FOLDED",
    "MAX_ERROR_TYPES",
    "METRICS",
    "OTHER",
    "UNKNOWN_ERROR",
    "VECTOR_FAULTS",
    "Closed",
    "Decoded",
    "DocumentId",
    "EventBatch",
    "EventError",
    "Floats",
    "Hashed",
    "Ignored",
    "Kind",
    "Outcome",
    "Ragged",
    "Reason",
    "Receipt",
    "Rung",
    "Scalar",
    "Score",
    "SeriesKey",
    "Shed",
    "SimilarityMetric",
    "Taken",
    "Timing",
    "VectorFault",
    "add_in_order",
    "offsets_of",
]
