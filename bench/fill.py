"""Series as they are after three months of traffic: an event in every pane of the ladder, every sample full.

Time is simulated: what an exporter gathers in 91 days is appended with the times of those days, in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from app.baseline import Budget, Pinned, PinnedBaseline, to_bytes
from app.baseline.content import content_id
from app.model import EventBatch, Ragged, SeriesKey, Timing
from app.series import Series, full_series_nbytes
from app.store import SeriesStore
from bench.batches import queries
from bench.load import DIMENSION, MODEL, TOP_K

CHUNK: Final = 256
"""Events appended at once."""
DISTINCT_INPUTS: Final = 4096
"""Inputs that events have: more than a baseline keeps."""
DAYS: Final = 91
"""As long as the ladder, and the day that it moves up by."""
NOW: Final = 1.8e9
"""The end of the simulated time."""
LEARNING_SINCE: Final = NOW - Timing().baseline_duration_seconds + 5
"""From then on every 5-minute block has events; at `NOW` the baseline's day is not quite over."""
FINAL_AT: Final = NOW + 5
"""Now it is."""

MIB: Final = 2**20


def room_mib(count: int, dimension: int = DIMENSION) -> int:
    """`max_state_mib` for so many full series of a dimension: the store counts on the most that each may take."""
    return math.ceil(count * full_series_nbytes(Timing(), dimension) / MIB)


def key(number: int) -> SeriesKey:
    """The key of one of many series."""
    return SeriesKey(MODEL, str(number), "1", "query")


def events(series: SeriesKey, rng: np.random.Generator) -> EventBatch:
    """`CHUNK` queries of one series at time 0: unit vectors around a common mean, ten similarities each."""
    vectors = rng.normal(size=(CHUNK, DIMENSION)) + rng.normal(size=DIMENSION)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.sort(rng.beta(8, 4, size=(CHUNK, TOP_K)))[:, ::-1]
    return queries(
        series,
        timestamp=np.zeros(CHUNK),
        vectors=Ragged(vectors.astype(np.float32).ravel(), np.arange(CHUNK + 1) * DIMENSION),
        norm=np.linalg.norm(vectors, axis=1),
        scores=Ragged(scores.ravel(), np.arange(CHUNK + 1) * TOP_K),
        latency_seconds=rng.gamma(2, 0.02, CHUNK),
        inputs=rng.integers(1, DISTINCT_INPUTS, CHUNK, dtype=np.uint64),
    )


def budget(timing: Timing) -> Budget:
    """Of false alarms, as by default."""
    return Budget(1.0, timing.windows)


def instants(timing: Timing, end: float) -> Iterator[tuple[float, bool]]:
    """Yield the times, oldest first, at which something must arrive for every pane to hold some of it at `end`.

    Beside each time stands whether its pane stays as it is until then; else it becomes part of a larger one.
    """
    spans = [rung.pane_seconds * rung.panes for rung in timing.rungs]
    seconds, minutes, _, days = (rung.pane_seconds for rung in timing.rungs)
    last_day = end - (NOW - LEARNING_SINCE)
    edges = [end - sum(spans[2:]), last_day, end - sum(spans[:2]), end - spans[0], end]
    steps = [(days, True), (minutes, False), (minutes, True), (seconds, True)]
    for (start, stop), (step, stays) in zip(pairwise(edges), steps, strict=True):
        yield from ((float(time), stays) for time in np.arange(start, stop, step))


def full_series(number: int, rng: np.random.Generator, timing: Timing, per_pane: int = CHUNK) -> Series:
    """A series with `per_pane` events in each pane at `NOW`, learning since `LEARNING_SINCE`."""
    times = instants(timing, NOW)
    began = next(times)[0]
    series = Series(key(number), began, timing, rng)
    fill_panes(series, rng, times, per_pane)
    return series


def fill_panes(
    series: Series,
    rng: np.random.Generator,
    times: Iterable[tuple[float, bool]],
    per_pane: int,
    learning_since: float = LEARNING_SINCE,
) -> None:
    """Append `per_pane` events at each of the times whose pane stays, and some at the others.

    Its baseline is learned anew from `learning_since` on.
    """
    batch = events(series.key, rng)
    now = 0.0
    for now, stays in times:
        learned = series.learned()
        if learned is not None and learned.since < learning_since <= now:
            series.restart_learning(now)
        for _ in range(max(1, per_pane // CHUNK) if stays else 1):
            # Other values each time, or the sketches would hold few distinct ones; cheaper than new vectors.
            shift = np.tile(rng.normal(scale=0.02, size=DIMENSION).astype(np.float32), CHUNK)
            series.append(
                replace(
                    batch,
                    timestamp=np.full(CHUNK, now),
                    vectors=Ragged(batch.vectors.values + shift, batch.vectors.offsets),
                    norm=batch.norm * rng.normal(1, 0.01, CHUNK),
                    scores=Ragged(batch.scores.values * rng.uniform(0.9, 1), batch.scores.offsets),
                    inputs=rng.integers(1, DISTINCT_INPUTS, CHUNK, dtype=np.uint64),
                ),
                now,
            )
    series.windows(now)


def final_baselines(count: int) -> Iterator[PinnedBaseline]:
    """Yield final baselines, with all blocks, of the series 0 to `count` - 1: one was learned, the others copy it."""
    timing = Timing()
    pinned = Pinned(timing, min_events=0, budget=budget(timing))
    learned = pinned.of(full_series(0, np.random.default_rng(7), timing), FINAL_AT)
    assert learned is not None
    for number in range(count):
        yield replace(learned, key=key(number), id=content_id(key(number), learned.content))


def baseline_files(folder: Path, count: int) -> list[Path]:
    """Final baselines of the series 0 to `count` - 1, as files; their blocks have no time.

    So windows are scored at once: against others a window is when the series is as old as it is long.
    """
    files = [folder / f"{number}.npz" for number in range(count)]
    for file, baseline in zip(files, final_baselines(count), strict=True):
        content = replace(baseline.content, block_seconds=0.0)
        timeless = replace(baseline, content=content, id=content_id(baseline.key, content))
        file.write_bytes(to_bytes(timeless))
    return files


def full_store(store: SeriesStore, pinned: Pinned, count: int) -> None:
    """Fill an empty store: `count` series as they are at `NOW`, measured by a final baseline since they began."""
    for baseline in final_baselines(count):
        pinned.adopt(baseline)
        # Of the same seed as what the baseline learned: the same traffic goes on.
        rng = np.random.default_rng(7)
        times = instants(Timing(), NOW)
        began, _ = next(times)
        store.append(replace(events(baseline.key, rng), timestamp=np.full(CHUNK, began)), began)
        series = store.find(baseline.key)
        assert series is not None
        series.measure_with(baseline.yardstick, began)
        series.stop_learning()
        # No block of the baseline needs what comes every five minutes: once an hour fills the panes.
        fill_panes(series, rng, ((now, True) for now, stays in times if stays or now % 3600 < 300), CHUNK)
