"""Batches of events for tests: the columns that a decoder would make, from what the test cares about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from app.model import (
    METRICS,
    VECTOR_FAULTS,
    DocumentId,
    EventBatch,
    Outcome,
    Ragged,
    SeriesKey,
    SimilarityMetric,
    VectorFault,
)

KEY = SeriesKey("e5", "2", "1", "query")


def ragged(rows: Sequence[ArrayLike | None], dtype: type[np.floating]) -> Ragged:
    """Rows of unequal length; None is an empty one."""
    arrays = [np.asarray(() if row is None else row, dtype=dtype) for row in rows]
    offsets = np.concatenate(([0], np.cumsum([array.size for array in arrays]))).astype(np.intp)
    return Ragged(np.concatenate([np.empty(0, dtype), *arrays]), offsets)


def events(
    timestamps: Sequence[float] | np.ndarray,
    *,
    key: SeriesKey = KEY,
    keys: Sequence[SeriesKey] | None = None,
    vectors: Sequence[ArrayLike | None] | np.ndarray | None = None,
    norms: Sequence[float] | np.ndarray | None = None,
    faults: Sequence[VectorFault | None] | None = None,
    scores: Sequence[ArrayLike | None] | np.ndarray | None = None,
    metrics: Sequence[SimilarityMetric] | SimilarityMetric = SimilarityMetric.COSINE,
    weights: ArrayLike = 1.0,
    empty: Sequence[bool] | None = None,
    errors: Sequence[str | None] | None = None,
    latencies: ArrayLike = np.nan,
    ids: Sequence[str | None] | None = None,
    spaces: Sequence[str] | None = None,
    inputs: Sequence[int] | None = None,
    probe: Sequence[bool] | None = None,
    labels: Sequence[Mapping[str, str] | None] | None = None,
    documents: Sequence[Sequence[DocumentId] | None] | None = None,
    relevant: Sequence[Mapping[DocumentId, float] | None] | None = None,
    query_ids: Sequence[str | None] | None = None,
    trace_ids: Sequence[str | None] | None = None,
    outcomes: Sequence[Outcome | None] | None = None,
    withdrawn: Sequence[int] | None = None,
    unknown_labels: int = 0,
) -> EventBatch:
    """One event for each timestamp; `keys` gives each its own series, else all are of `key`.

    `spaces` are those of the distinct series, `inputs` keyed hashes with 0 for none.

    The norm is the vector's unless given; an event is a query if it has scores, is empty or failed.
    """
    n = len(timestamps)
    rows = [None] * n if vectors is None else list(vectors)
    columns = ragged(rows, np.float32)
    scored = ragged([None] * n if scores is None else list(scores), np.float64)
    if norms is None:
        norms = [np.nan if row is None or len(row) == 0 else np.linalg.norm(np.float64(row)) for row in rows]
    each = [metrics] * n if isinstance(metrics, SimilarityMetric) else metrics
    metric = np.where(scored.lengths > 0, [METRICS.index(metric) for metric in each], -1).astype(np.int8)
    found_nothing = np.zeros(n, np.bool_) if empty is None else np.asarray(empty, np.bool_)
    failed = np.zeros(n, np.bool_) if errors is None else np.array([error is not None for error in errors])
    distinct = (key,) if keys is None else tuple(dict.fromkeys(keys))
    return EventBatch(
        keys=distinct,
        spaces=tuple(key.default_space for key in distinct) if spaces is None else tuple(spaces),
        key_index=np.array([0] * n if keys is None else [distinct.index(k) for k in keys], dtype=np.intp),
        index=np.arange(n),
        timestamp=np.asarray(timestamps, np.float64),
        weight=np.broadcast_to(np.asarray(weights, np.float64), n).copy(),
        vectors=columns,
        norm=np.asarray(norms, np.float64),
        fault=np.array(
            [0 if fault is None else 1 + VECTOR_FAULTS.index(fault) for fault in faults or [None] * n], dtype=np.int8
        ),
        scores=scored,
        metric=metric,
        query=(scored.lengths > 0) | found_nothing | failed,
        empty=found_nothing,
        failed=failed,
        latency_seconds=np.broadcast_to(np.asarray(latencies, np.float64), n).copy(),
        event_ids=ids,
        errors=errors,
        inputs=None if inputs is None else np.array(inputs, np.uint64),
        probe=None if probe is None else np.array(probe, np.bool_),
        labels=labels,
        ids=documents,
        relevant=relevant,
        query_ids=query_ids,
        trace_ids=trace_ids,
        outcomes=outcomes,
        withdrawn=None if withdrawn is None else np.array(withdrawn),
        unknown_labels=unknown_labels,
    )


def traffic(
    rng: np.random.Generator,
    timestamps: Sequence[float] | np.ndarray,
    *,
    key: SeriesKey = KEY,
    dimension: int = 8,
    top1_mean: float = 0.7,
    top1_deviation: float = 0.1,
    norm: float = 1.0,
    top_k: int = 3,
) -> EventBatch:
    """Queries with vectors about `norm` long and `top_k` descending cosines, as a healthy service sends them."""
    n = len(timestamps)
    vectors = rng.normal(size=(n, dimension))
    vectors *= (rng.normal(norm, 0.05 * norm, n) / np.linalg.norm(vectors, axis=1))[:, None]
    top1 = np.clip(rng.normal(top1_mean, top1_deviation, n), -1, 1)
    scores = np.maximum(top1[:, None] - np.arange(top_k) * rng.uniform(0.01, 0.05, (n, 1)), -1)
    batch = events(timestamps[:0], key=key)
    vectors = vectors.astype(np.float32)
    return replace(
        batch,
        key_index=np.zeros(n, np.intp),
        index=np.arange(n),
        timestamp=np.asarray(timestamps, np.float64),
        weight=np.ones(n),
        vectors=Ragged(vectors.ravel(), np.arange(n + 1) * dimension),
        norm=np.linalg.norm(vectors.astype(np.float64), axis=1),
        fault=np.zeros(n, np.int8),
        scores=Ragged(scores.ravel(), np.arange(n + 1) * top_k),
        metric=np.full(n, METRICS.index(SimilarityMetric.COSINE), np.int8),
        query=np.ones(n, np.bool_),
        empty=np.zeros(n, np.bool_),
        failed=np.zeros(n, np.bool_),
        latency_seconds=np.full(n, np.nan),
    )
