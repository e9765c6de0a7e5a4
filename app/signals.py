"""The numbers taken from an event: what series keep sketches of, and the histograms that Prometheus sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.model import EventBatch, Floats


def norm(batch: EventBatch) -> Floats:
    """L2 norm of the vector, as sent or computed; NaN where the event has neither. Shape (n,)."""
    return batch.norm


def top1_similarity(batch: EventBatch) -> Floats:
    """Similarity of the best result; NaN where the event has no scores. Shape (n,)."""
    return _rank(batch, 0)


def similarity_mean(batch: EventBatch) -> Floats:
    """Mean similarity over all results of the event; NaN where it has no scores. Shape (n,)."""
    width = batch.scores.width
    if width and batch.scores.values.size:
        rows = np.asarray(batch.scores.values, np.float64).reshape(-1, width)
        return np.asarray(rows.mean(axis=1), np.float64)
    lengths = batch.scores.lengths
    present = lengths > 0
    means = np.full(len(batch), np.nan)
    if batch.scores.values.size:
        # Rows without scores share an offset with the next row: left out, or reduceat would repeat a value.
        sums = np.add.reduceat(batch.scores.values, batch.scores.offsets[:-1][present])
        means[present] = sums / lengths[present]
    return means


def margin(batch: EventBatch) -> Floats:
    """Similarity of the best result less that of the second; NaN where there are fewer than two. Shape (n,)."""
    return _rank(batch, 0) - _rank(batch, 1)


def poor_match(batch: EventBatch, limit: float | None) -> NDArray[np.bool_]:
    """Whether a query found nothing, or its best similarity is below the limit, and it did not fail. Shape (n,).

    Without a limit those that found nothing.
    """
    if limit is None or not batch.scores.values.size:
        return batch.empty
    if width := batch.scores.width:
        return (batch.scores.values[::width] < limit) & ~batch.failed
    scored = batch.scores.lengths > 0
    poor = batch.empty.copy()
    poor[scored] = (batch.scores.values[batch.scores.offsets[:-1][scored]] < limit) & ~batch.failed[scored]
    return poor


def finite_of(values: Floats) -> Floats:
    """The numbers among them, without a copy where all are; shape (n,)."""
    finite = np.isfinite(values)
    return values if np.count_nonzero(finite) == values.size else values[finite]


def _rank(batch: EventBatch, rank: int) -> Floats:
    width = batch.scores.width
    if width is not None and rank < width:
        return np.asarray(batch.scores.values[rank::width], np.float64)
    found = np.full(len(batch), np.nan)
    present = batch.scores.lengths > rank
    found[present] = batch.scores.values[batch.scores.offsets[:-1][present] + rank]
    return found


@dataclass(frozen=True, slots=True)
class Signal:
    """One number of an event."""

    name: str
    unit: str
    help: str
    extract: Callable[[EventBatch], Floats]
    scale: str
    """The signal whose median size says how large this one's numbers are."""
    relative_resolution: float
    """Differences below this share of the scale mean nothing: storage in float16 makes as large ones.

    Where many models give every vector the norm 1, any two samples would look disjoint without it.
    """


SIGNALS = (
    Signal("norm", "L2 norm", "Length of the vector.", norm, "norm", 0.002),
    Signal(
        "top1_similarity", "similarity", "Similarity of the best result.", top1_similarity, "top1_similarity", 0.001
    ),
    Signal(
        "similarity_mean", "similarity", "Mean similarity over all results.", similarity_mean, "top1_similarity", 0.001
    ),
    Signal("margin", "similarity", "Best result less the second best.", margin, "top1_similarity", 0.001),
)

SIMILARITY_BOUNDS = (-1.0, -0.5, -0.2, *(round(0.05 * step, 2) for step in range(21)))
NORM_BOUNDS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.8),
    *(0.9, 0.95, 0.97, 0.99, 1.01, 1.03, 1.05, 1.1),
    *(1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0),
)
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class BucketedSignal:
    """A number of which Prometheus gets a cumulative histogram.

    Bounds are fixed for ever: a histogram whose bounds change cannot be summed over time or replicas.
    """

    name: str
    bounds: tuple[float, ...]
    extract: Callable[[EventBatch], Floats]
    """The values to count, NaN left out by the caller; not always one an event."""


BUCKETED_SIGNALS = (
    BucketedSignal("norm", NORM_BOUNDS, norm),
    BucketedSignal("top1_similarity", SIMILARITY_BOUNDS, top1_similarity),
    BucketedSignal("result_similarity", SIMILARITY_BOUNDS, lambda batch: np.asarray(batch.scores.values, np.float64)),
    BucketedSignal("query_latency_seconds", LATENCY_BOUNDS, lambda batch: batch.latency_seconds),
)
