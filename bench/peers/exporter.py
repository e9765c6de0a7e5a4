"""This project's own code: `python -m bench.peers.exporter WORK`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from app import logs
from app.baseline import Pinned, Reader
from app.compare import Reference
from app.drift.ks import ks
from app.evaluate import Evaluator, Rules
from app.model import Ragged, Timing
from app.sketch import QuantileSketch
from app.store import MemoryStore
from bench.fill import NOW, budget
from bench.fill import events as batch_of_events
from bench.peers.turn import BATCH, DIMENSION, EVENTS, ROWS, Done, events, serve


def scalars() -> Callable[[], Done]:
    """Eleven numbers an event into quantile sketches, and their distance from those of a baseline."""
    columns, before = events(EVENTS, 1).scalars, events(EVENTS, 2).scalars
    baseline = [QuantileSketch() for _ in range(columns.shape[1])]
    for each, column in zip(baseline, before.T, strict=True):
        each.update(np.ascontiguousarray(column))

    def work() -> Done:
        sketches = [QuantileSketch() for _ in range(columns.shape[1])]
        for start in range(0, EVENTS, BATCH):
            for sketch, column in zip(sketches, columns[start : start + BATCH].T, strict=True):
                sketch.update(np.ascontiguousarray(column))
        distances = [ks(a.distribution(), b.distribution()) for a, b in zip(sketches, baseline, strict=True)]
        return Done(EVENTS, f"largest KS {max(distances):.3f}")

    return work


def vectors() -> Callable[[], Done]:
    """All that the exporter does with an event once it is decoded, with an uploaded baseline, and the scores."""
    timing = Timing()
    pinned = Pinned(timing, min_events=0, budget=budget(timing))
    before, file = events(4096, 2), io.BytesIO()
    np.savez(file, embedding=before.vectors, scores=before.scores)
    baseline = Reader(b"secret", 128, DIMENSION).baseline(file.getvalue(), {"model": "e5"}, NOW)
    pinned.upload(baseline, replace=False)
    store = MemoryStore(timing, max_series=1, max_state_bytes=1 << 40, seed=7)
    evaluator = Evaluator(store, pinned, Rules())
    sample = events(EVENTS, 1)
    template = batch_of_events(baseline.key, np.random.default_rng(7))
    batches = [
        replace(
            template,
            vectors=Ragged(sample.vectors[start : start + BATCH].ravel(), template.vectors.offsets),
            scores=Ragged(np.ascontiguousarray(sample.scores[start : start + BATCH]).ravel(), template.scores.offsets),
            inputs=None,
        )
        for start in range(0, EVENTS, BATCH)
    ]
    at = NOW

    def work() -> Done:
        nonlocal at
        # At 2,000 events a second: so many are measured in the frame as would be.
        for each in batches:
            at += BATCH / 2000
            store.append(replace(each, timestamp=np.full(BATCH, at)), at)
        (view,) = evaluator.tick(at).series.values()
        known = [score.score for score in view.scores if score.score is not None]
        return Done(EVENTS, f"largest of {len(known)} scores {max(known, default=0.0):.3f}")

    work()
    return work


def check() -> Callable[[], Done]:
    """A window of 1,000 vectors against a reference of 1,000 that is fitted already: the whole alarm family."""
    reference, current = Reference(events(ROWS, 1).vectors), events(ROWS, 2).vectors

    def work() -> Done:
        return Done(ROWS, f"score {reference.compare(current).score:.3f}")

    return work


WORKS = {"scalars": scalars, "vectors": vectors, "check": check}

if __name__ == "__main__":
    logs.configure("warning", "logfmt")
    serve(WORKS[sys.argv[1]]())
