"""Series as they are after three months of traffic: an event in every pane of the ladder, every sample full.

Time is simulated: what an exporter gathers in 91 days is appended with the times of those days, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from app.baseline import Pinned, to_bytes
from app.baseline.reference import content_id
from app.model import METRICS, EventBatch, Ragged, SeriesKey, SimilarityMetric, Timing
from app.series import Series
from bench.load import DIMENSION, MODEL, TOP_K

CHUNK: Final = 256
"""Events appended at once."""
NOW: Final = 1.8e9
"""The end of the simulated time."""
LEARNING_SINCE: Final = NOW - Timing().baseline_duration_seconds + 5
"""From then on every 5-minute block has events; at `NOW` the baseline's day is not quite over."""
FINAL_AT: Final = NOW + 5
"""Now it is."""


def key(number: int) -> SeriesKey:
    """The key of one of many series."""
    return SeriesKey(MODEL, str(number), "1", "query")


def events(series: SeriesKey, rng: np.random.Generator) -> EventBatch:
    """`CHUNK` queries of one series at time 0: unit vectors around a common mean, ten similarities each."""
    vectors = rng.normal(size=(CHUNK, DIMENSION)) + rng.normal(size=DIMENSION)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.sort(rng.beta(8, 4, size=(CHUNK, TOP_K)))[:, ::-1]
    return EventBatch(
        keys=(series,),
        key_index=np.zeros(CHUNK, np.intp),
        index=np.arange(CHUNK),
        timestamp=np.zeros(CHUNK),
        weight=np.ones(CHUNK),
        vectors=Ragged(vectors.astype(np.float32).ravel(), np.arange(CHUNK + 1) * DIMENSION),
        norm=np.linalg.norm(vectors, axis=1),
        fault=np.zeros(CHUNK, np.int8),
        scores=Ragged(scores.ravel(), np.arange(CHUNK + 1) * TOP_K),
        metric=np.full(CHUNK, METRICS.index(SimilarityMetric.COSINE), np.int8),
        query=np.ones(CHUNK, np.bool_),
        empty=np.zeros(CHUNK, np.bool_),
        failed=np.zeros(CHUNK, np.bool_),
        latency_seconds=rng.gamma(2, 0.02, CHUNK),
        event_ids=None,
        errors=None,
        unknown_labels=0,
    )


def instants(timing: Timing) -> Iterator[tuple[float, bool]]:
    """Yield the times, oldest first, at which something must arrive for every pane to hold some of it at `NOW`.

    Beside each time stands whether its pane stays as it is until then; else it becomes part of a larger one.
    """
    spans = [rung.pane_seconds * rung.panes for rung in timing.rungs]
    seconds, minutes, _, days = (rung.pane_seconds for rung in timing.rungs)
    edges = [NOW - sum(spans[2:]), LEARNING_SINCE, NOW - sum(spans[:2]), NOW - spans[0], NOW]
    steps = [(days, True), (minutes, False), (minutes, True), (seconds, True)]
    for (start, end), (step, stays) in zip(pairwise(edges), steps, strict=True):
        yield from ((float(time), stays) for time in np.arange(start, end, step))


def full_series(number: int, rng: np.random.Generator, timing: Timing, per_pane: int = CHUNK) -> Series:
    """A series with `per_pane` events in each pane at `NOW`, learning since `LEARNING_SINCE`."""
    batch = events(key(number), rng)
    series: Series | None = None
    for now, stays in instants(timing):
        if series is None:
            series = Series(key(number), now, timing, rng)
        if (series.learning_since() or 0) < LEARNING_SINCE <= now:
            series.restart_learning(now)
        for _ in range(max(1, per_pane // CHUNK) if stays else 1):
            # Other values each time, or the sketches would hold few distinct ones; cheaper than new vectors.
            norm = batch.norm * rng.normal(1, 0.01, CHUNK)
            scores = Ragged(batch.scores.values * rng.uniform(0.9, 1), batch.scores.offsets)
            series.append(replace(batch, timestamp=np.full(CHUNK, now), norm=norm, scores=scores), now)
    assert series is not None
    series.windows(NOW)
    return series


def baseline_files(folder: Path, count: int) -> list[Path]:
    """Final baselines, with all limits, for the series 0 to `count` - 1: one was learned, the others are its copies."""
    timing = Timing()
    learned = Pinned(timing, min_events=0).of(full_series(0, np.random.default_rng(7), timing), FINAL_AT)
    assert learned is not None
    files = []
    for number in range(count):
        identity = content_id(key(number), learned.signals, learned.limits, learned.sample)
        files.append(folder / f"{number}.npz")
        files[-1].write_bytes(to_bytes(replace(learned, key=key(number), id=identity)))
    return files
