"""A search service for tests, in simulated time: queries of a few topics, many of them asked again and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.baseline import Budget, Pinned
from app.evaluate import Evaluator, Rules, SeriesView
from app.model import METRICS, EventBatch, Ragged, SeriesKey, SimilarityMetric, Timing
from app.store import MemoryStore
from tests.builders import KEY, events
from tests.fakes import FakeClock

HOUR = 3600.0
DAY = 24 * HOUR
TOPICS = 6
QUERIES = 1000
"""That are asked again and again; as many others are asked once."""


@dataclass(frozen=True)
class Change:
    """What is other than usual; nothing by default."""

    new_topic: float = 0.0
    """Share of the queries that are of a topic which nobody asked for before."""
    norm: float = 1.0
    top1: float = 0.0
    collapse: float = 0.0
    """How far vectors move to one point: 1 is all the way."""
    other_model: float = 0.0
    """Share of the queries that another model embeds."""
    invalid: float = 0.0
    """Share of vectors of another dimension."""
    flood: float = 0.0
    """Share of the events that are one and the same query."""
    hashes: bool = True
    vectors: bool = True
    scores: bool = True
    label: str | None = None


HEALTHY = Change()


class Queries:
    """Draws events as a service sends them."""

    def __init__(self, dimension: int = 16, seed: int = 7) -> None:
        # The same topics and queries, whatever traffic is drawn of them.
        world = np.random.default_rng(11)
        self.dimension = dimension
        self.rng = np.random.default_rng(seed)
        self._centres = world.normal(size=(TOPICS + 1, dimension))
        self._centres /= np.linalg.norm(self._centres, axis=1, keepdims=True)
        self._known = self._vectors(world, world.integers(TOPICS, size=QUERIES))
        popularity = 1 / np.arange(20, QUERIES + 20)
        self._popularity = popularity / popularity.sum()
        self._other_model = np.linalg.qr(world.normal(size=(dimension, dimension)))[0]
        self._asked = QUERIES

    def draw(self, times: np.ndarray, change: Change = HEALTHY, key: SeriesKey = KEY, space: str = "") -> EventBatch:
        """One event for each of the times."""
        n, rng = len(times), self.rng
        inputs = rng.choice(QUERIES, n, p=self._popularity)
        vectors = self._known[inputs].copy()
        topics = np.where(rng.random(n) < change.new_topic, TOPICS, rng.integers(TOPICS, size=n))
        once = np.flatnonzero((rng.random(n) < 0.5) | (topics == TOPICS))
        vectors[once] = self._vectors(rng, topics[once])
        inputs[once] = self._asked + np.arange(once.size)
        self._asked += once.size
        flooded = rng.random(n) < change.flood
        inputs[flooded], vectors[flooded] = 0, self._known[0]
        other = rng.random(n) < change.other_model
        vectors[other] = vectors[other] @ self._other_model
        vectors += change.collapse * (self._centres[0] - vectors)
        # As long as the query says, so that the same query has the same vector.
        vectors *= change.norm * (1 + 0.01 * np.sin(inputs))[:, None]
        return self._batch(np.asarray(times, float), vectors, inputs, change, key, space)

    def _vectors(self, rng: np.random.Generator, topics: np.ndarray) -> np.ndarray:
        rows = self._centres[topics] + 0.6 / math.sqrt(self.dimension) * rng.normal(size=(topics.size, self.dimension))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def _batch(
        self,
        times: np.ndarray,
        vectors: np.ndarray,
        inputs: np.ndarray,
        change: Change,
        key: SeriesKey,
        space: str,
    ) -> EventBatch:
        n = times.size
        lengths = np.full(n, self.dimension if change.vectors else 0)
        if change.invalid and change.vectors:
            lengths[self.rng.random(n) < change.invalid] = 2
        rows = vectors.astype(np.float32)
        values = [row[:length] for row, length in zip(rows, lengths, strict=True)]
        top1 = np.clip(self.rng.normal(0.6 + change.top1, 0.08, n), -1, 1)
        scores = np.stack([top1, top1 - 0.05], axis=1) if change.scores else np.empty((n, 0))
        return replace(
            events(times[:0], key=key),
            spaces=(space or key.default_space,),
            key_index=np.zeros(n, np.intp),
            index=np.arange(n),
            timestamp=times,
            weight=np.ones(n),
            vectors=Ragged(
                np.concatenate([np.empty(0, np.float32), *values]), np.concatenate(([0], np.cumsum(lengths)))
            ),
            norm=np.linalg.norm(rows.astype(np.float64), axis=1) if change.vectors else np.full(n, np.nan),
            fault=np.zeros(n, np.int8),
            scores=Ragged(scores.ravel(), np.arange(n + 1) * scores.shape[1]),
            metric=np.full(n, METRICS.index(SimilarityMetric.COSINE) if change.scores else -1, np.int8),
            query=np.full(n, change.scores),
            empty=np.zeros(n, np.bool_),
            failed=np.zeros(n, np.bool_),
            latency_seconds=np.full(n, np.nan),
            inputs=(inputs + 1).astype(np.uint64) if change.hashes else None,
            labels=None if change.label is None else [{"locale": change.label}] * n,
        )


class Stage:
    """A store under traffic, baselines of six hours, and the evaluator."""

    def __init__(
        self,
        *,
        seed: int = 7,
        dimension: int = 16,
        hours: float = 6.0,
        min_events: int = 2000,
        rules: Rules | None = None,
        start: float | None = None,
        projected: bool = False,
    ) -> None:
        self.clock = FakeClock() if start is None else FakeClock(start)
        self.queries = Queries(dimension, seed)
        self.timing = Timing(baseline_duration_seconds=hours * HOUR)
        self.store = MemoryStore(self.timing, max_series=8, max_state_bytes=10**10, seed=seed)
        self.pinned = Pinned(self.timing, min_events, Budget(1.0, self.timing.windows), projected=projected)
        self.evaluator = Evaluator(self.store, self.pinned, rules or Rules())

    def run(
        self,
        seconds: float,
        change: Change = HEALTHY,
        *,
        per_minute: int = 30,
        every_minutes: int = 60,
        step_minutes: int = 1,
        shares: Mapping[SeriesKey, float] | None = None,
        spaces: Mapping[SeriesKey, str] | None = None,
        watch: Callable[[SeriesView], None] = lambda view: None,
        changes: Mapping[SeriesKey, Change] | None = None,
    ) -> SeriesView:
        """Traffic for so long, some every `step_minutes`, looked at every `every_minutes`; the view at the end.

        Each series gets its share of `per_minute`.
        """
        for minute in range(step_minutes, round(seconds / 60) + 1, step_minutes):
            now = self.clock.advance(60 * step_minutes)
            for key, share in (shares or {KEY: 1.0}).items():
                count = self.queries.rng.poisson(per_minute * step_minutes * share)
                of_key = (changes or {}).get(key, change)
                batch = self.queries.draw(np.full(count, now), of_key, key, (spaces or {}).get(key, ""))
                self.store.append(batch, now)
            if minute % every_minutes == 0:
                watch(self.look())
        return self.look()

    def look(self, key: SeriesKey = KEY) -> SeriesView:
        """The view of a series as of now."""
        return self.evaluator.tick(self.clock.now()).series[key]

    def another(self, *, rules: Rules | None = None, seed: int = 8, projected: bool = False) -> Stage:
        """A new exporter at the same time, with the same baselines and without any traffic."""
        new = Stage(
            seed=seed,
            dimension=self.queries.dimension,
            hours=self.timing.baseline_duration_seconds / HOUR,
            rules=rules,
            start=self.clock.now(),
            projected=projected,
        )
        for baseline in self.pinned.all():
            new.pinned.adopt(baseline)
        return new

    def warm(self, seconds: float = HOUR, change: Change = HEALTHY) -> Stage:
        """Traffic until windows of so many seconds are full, and all of it measured in the frame."""
        self.run(60, change)
        self.run(seconds + 120, change, every_minutes=1000)
        return self


def scores(view: SeriesView, window: str = "1h", baseline: str = "pinned") -> dict[str, float]:
    """The scores of the alarm family in one window against one baseline."""
    return {
        each.statistic: each.score
        for each in view.scores
        if (each.window, each.baseline) == (window, baseline) and each.score is not None
    }
