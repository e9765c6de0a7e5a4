"""Events of one series as a service would send them, made of simulated traffic on made-up vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from app.model import VECTOR_FAULTS, EventBatch, Ragged, SeriesKey, VectorFault
from bench.batches import queries
from bench.detection.synthetic import synthetic
from bench.detection.traffic import STEP_SECONDS, Events, Traffic, nearest
from bench.month.fleet import CLASSES, Member

DIMENSION: Final = 32
ROWS: Final = 4000
TOPICS: Final = 40

FAILED: Final = 0.003
EMPTY: Final = 0.004
INVALID: Final = 0.0005
"""Shares of events that go wrong in a healthy service."""

PARTS: Final = 2
"""Scrapes in a step of the traffic."""
PART_SECONDS: Final = STEP_SECONDS / PARTS

TOKENIZER: Final = "tok_swapped_vocabulary"
"""The change of `synthetic` that a silent new tokenizer brings."""


class Service:
    """Sends the events of one series: vectors, their lengths, two similarities, latencies and hashes of the inputs."""

    def __init__(self, member: Member, begins: float) -> None:
        """`begins` is the time of the first midnight, in unix seconds."""
        self._member = member
        self._begins = begins
        self.key = SeriesKey(member.name, "1", "1", "query")
        self._data = synthetic(rows=ROWS, dimension=DIMENSION, topics=TOPICS, seed=member.seed)
        self._traffic = Traffic(
            self._data,
            nearest(self._data.vectors),
            seed=member.seed,
            habits=CLASSES[member.of].habits,
            injection=member.injection,
        )
        self._rng = np.random.default_rng(member.seed)
        topics = self._rng.normal(0, 0.04, TOPICS)[self._data.topics]
        self._top1 = 0.62 + topics + self._rng.normal(0, 0.05, ROWS)
        # Half of the clients normalise their vectors.
        self._norms = self._data.norms if member.seed % 2 else np.ones(ROWS)

    def steps(self, seconds: float) -> Iterator[tuple[float, EventBatch]]:
        """The end of each `PART_SECONDS`, in unix seconds, and the events before it."""
        for number, events in enumerate(self._traffic.steps(seconds)):
            begin = number * STEP_SECONDS
            ends = begin + PART_SECONDS * np.arange(1, PARTS + 1)
            cuts = [0, *np.searchsorted(events.times, ends)]
            for i, end in enumerate(ends):
                part = Events(events.times[cuts[i] : cuts[i + 1]], events.rows[cuts[i] : cuts[i + 1]])
                yield self._begins + float(end), self._batch(part)

    def _batch(self, events: Events) -> EventBatch:
        n, rng, rows = len(events.rows), self._rng, events.rows
        vectors, norms = self._data.vectors[rows], self._norms[rows]
        changed_at = self._member.new_tokenizer_at
        if changed_at is not None and n and events.times[0] >= changed_at:
            change = self._data.changes[TOKENIZER]
            rows = rows % len(change.vectors)
            vectors, norms = change.vectors[rows], self._norms[rows]
        failed, empty = rng.random(n) < FAILED, rng.random(n) < EMPTY
        empty &= ~failed
        zero = rng.random(n) < INVALID
        found = ~failed & ~empty
        top1 = np.clip(self._top1[rows] + rng.normal(0, 0.01, n), -1, 1)[found]
        scores = np.stack([top1, np.maximum(top1 - 0.03, -1)], axis=1)
        lengths = np.where(zero, 0, DIMENSION)
        return queries(
            self.key,
            timestamp=self._begins + events.times,
            vectors=Ragged(vectors[~zero].ravel(), np.concatenate(([0], np.cumsum(lengths)))),
            norm=np.where(zero, np.nan, norms),
            scores=Ragged(scores.ravel(), np.concatenate(([0], np.cumsum(np.where(found, 2, 0))))),
            latency_seconds=np.where(failed, np.nan, np.exp(rng.normal(np.log(0.06), 0.4, n))),
            inputs=(rows + 1).astype(np.uint64),
            fault=np.where(zero, 1 + VECTOR_FAULTS.index(VectorFault.ZERO), 0).astype(np.int8),
            empty=empty,
            failed=failed,
            errors=["timeout" if each else None for each in failed] if failed.any() else None,
        )
