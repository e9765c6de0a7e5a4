"""An exporter's months, simulated: what its series hold, what a scrape has and what an evaluation takes, by its age."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.baseline import Pinned
from app.evaluate import Evaluator, Rules
from app.evaluate.trailing import TRAILING_DAYS
from app.metrics import encode
from app.model import EventBatch, Timing
from app.store import MemoryStore
from bench.collected import ToldClock, collected
from bench.fill import CHUNK, budget, events, key

BEGAN: Final = 1.7e9
DAY: Final = 86_400.0
BATCH: Final = 64
SERIES: Final = 2
"""The second is the peer of the first."""
REPEATS: Final = 5
"""Evaluations and scrapes at each age; the least time of them counts."""


@dataclass(frozen=True, slots=True)
class Age:
    """One moment of it."""

    days: int
    state_bytes: float
    """Of a series and its baseline, as it counts them."""
    samples: int
    page_bytes: int
    scrape_seconds: float
    evaluation_seconds: float


class _Exporter:
    """Store, evaluation and collector, joined as the exporter joins them."""

    def __init__(self) -> None:
        timing = Timing()
        self.clock = ToldClock(BEGAN)
        self._pinned = Pinned(timing, min_events=1000, budget=budget(timing))
        self.store = MemoryStore(timing, max_series=SERIES, max_state_bytes=sys.maxsize, seed=7)
        self._evaluator = Evaluator(self.store, self._pinned, Rules(baselines=("pinned", *TRAILING_DAYS, "peer")))
        self._registry = collected(self.store, self._evaluator, self.clock)
        self._rng = np.random.default_rng(7)
        self._batches = [events(key(number), self._rng) for number in range(SERIES)]

    def send(self) -> None:
        """One batch to each series, all of it now; new values each time."""
        now = self.clock.now()
        for whole in self._batches:
            batch = whole.take(self._rng.choice(CHUNK, BATCH, replace=False))
            self.store.append(self._moved(batch, now), now)

    def _moved(self, batch: EventBatch, now: float) -> EventBatch:
        return replace(
            batch,
            timestamp=np.full(BATCH, now),
            norm=batch.norm * self._rng.normal(1, 0.01, BATCH),
            inputs=self._rng.integers(1, 1 << 32, BATCH, dtype=np.uint64),
        )

    def evaluate(self) -> None:
        """As every ten seconds; often enough here to make and settle the baseline."""
        self._evaluator.tick(self.clock.now())

    def look(self, days: int) -> Age:
        """As it is now."""
        evaluations, scrapes = [], []
        page = b""
        for _ in range(REPEATS):
            started = time.thread_time()
            self.evaluate()
            evaluated = time.thread_time()
            page = encode.text(self._registry)
            evaluations.append(evaluated - started)
            scrapes.append(time.thread_time() - evaluated)
        state = sum(sum(each.nbytes().values()) for each in self.store.series())
        state += sum(each.content.nbytes for each in self._pinned.all())
        return Age(
            days,
            state / SERIES,
            sum(not line.startswith(b"#") for line in page.splitlines()),
            len(page),
            min(scrapes),
            min(evaluations),
        )


def ages(days: Sequence[int], step_seconds: float) -> Iterator[Age]:
    """Yield what it is after so many days, in ascending order, with a batch for each series every `step_seconds`."""
    exporter = _Exporter()
    clock = exporter.clock
    for until in days:
        while clock.seconds < BEGAN + until * DAY:
            exporter.send()
            clock.seconds += step_seconds
            if (clock.seconds - BEGAN) % (DAY / 4) < step_seconds:
                exporter.evaluate()
        exporter.send()
        yield exporter.look(until)
