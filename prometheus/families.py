"""Every metric that rules may read, and its labels: the catalogue's, and those that are promised and still to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.metrics.catalog import FAMILIES
from app.metrics.family import SERIES_LABELS

_INDEX: Final = ("model", "index")
_SLICE: Final = ("model", "kind", "slice_label", "slice_value")

PROMISED: Final[Mapping[str, tuple[str, ...]]] = {
    "embedding_labelled_queries_total": SERIES_LABELS,
    "embedding_recall_total": (*SERIES_LABELS, "k"),
    "embedding_outcomes_total": (*SERIES_LABELS, "outcome", "value", "band"),
    "embedding_deployments_total": ("model", "track", "result"),
    "embedding_deployment_timestamp_seconds": ("model", "track", "status", "model_version", "tokenizer_version"),
    "embedding_reindex_in_progress": _INDEX,
    "embedding_reindex_started_timestamp_seconds": _INDEX,
    "embedding_documents_fresh_total": _INDEX,
    "embedding_documents_late_total": _INDEX,
    "embedding_maintenance": ("model",),
    "embedding_version_announced": SERIES_LABELS,
    "embedding_slice_queries_total": _SLICE,
    "embedding_slice_poor_match_queries_total": _SLICE,
    "embedding_canary_result": ("model", "model_version", "tokenizer_version", "result"),
    "embedding_exporter_state_last_success_timestamp_seconds": (),
}
"""Families that rules read and that the exporter may not export yet: their rules are silent until it does."""

TARGET_LABELS: Final = ("job", "instance")
"""What Prometheus adds to every sample of a target."""

LABELS: Final[Mapping[str, tuple[str, ...]]] = (
    dict(PROMISED)
    | {family.name: family.labels for family in FAMILIES if family.kind != "histogram"}
    | {f"{family.name}_bucket": (*family.labels, "le") for family in FAMILIES if family.kind == "histogram"}
    | {"up": ()}
)
"""Sample name -> labels, without those of the target."""
