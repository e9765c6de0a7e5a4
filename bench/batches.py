"""Batches as the decoder makes them of one series' queries, of what a benchmark cares about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.model import METRICS, EventBatch, Floats, Ragged, SeriesKey, SimilarityMetric


def queries(
    key: SeriesKey,
    *,
    timestamp: Floats,
    vectors: Ragged,
    norm: Floats,
    scores: Ragged,
    latency_seconds: Floats,
    inputs: NDArray[np.uint64],
    fault: NDArray[np.int8] | None = None,
    empty: NDArray[np.bool_] | None = None,
    failed: NDArray[np.bool_] | None = None,
    errors: Sequence[str | None] | None = None,
) -> EventBatch:
    """Queries of `key`, scored by cosines, each for itself alone; columns as `EventBatch` has them.

    All went well unless `fault`, `empty` or `failed` say otherwise.
    """
    n = len(timestamp)
    nowhere = np.zeros(n, np.bool_)
    return EventBatch(
        keys=(key,),
        spaces=(key.default_space,),
        key_index=np.zeros(n, np.intp),
        index=np.arange(n),
        timestamp=timestamp,
        weight=np.ones(n),
        vectors=vectors,
        norm=norm,
        fault=np.zeros(n, np.int8) if fault is None else fault,
        scores=scores,
        metric=np.where(scores.lengths > 0, METRICS.index(SimilarityMetric.COSINE), -1).astype(np.int8),
        query=np.ones(n, np.bool_),
        empty=nowhere if empty is None else empty,
        failed=nowhere if failed is None else failed,
        latency_seconds=latency_seconds,
        event_ids=None,
        errors=errors,
        inputs=inputs,
        probe=None,
        labels=None,
        ids=None,
        relevant=None,
        query_ids=None,
        trace_ids=None,
        outcomes=None,
        withdrawn=None,
        unknown_labels=0,
    )
