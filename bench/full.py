"""Full series with all that an exporter does to them: evaluated, and with a baseline to freeze."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Final, Self

import numpy as np

from app.baseline import Pinned
from app.baseline.calibrate import calibrate
from app.baseline.reference import PinnedBaseline, freeze
from app.clock import Clock
from app.drift.calibration import Calibration
from app.evaluate import Evaluator, Rules
from app.main import Ticker
from app.model import EventBatch, SeriesKey, Timing
from app.store import MemoryStore
from bench.fill import CHUNK, FINAL_AT, NOW, budget, events, full_series, full_store, key

BATCH: Final = 64

NOTHING: Final = "nothing"
EVALUATIONS: Final = "evaluations"
FREEZING: Final = "freezing a baseline"

PAUSE_SECONDS: Final = 0.001
"""Between two evaluations, or two baselines: none falls short of either."""
STOP_SECONDS: Final = 60.0


class Learned:
    """A day that a baseline can be made of, again and again."""

    def __init__(self) -> None:
        self._timing = Timing()
        self._series = full_series(0, np.random.default_rng(7), self._timing)

    @property
    def size(self) -> tuple[int, int]:
        """How many vectors its frame is fitted from, and how many time blocks its limits are learned from."""
        material = self._series.learned_material(FINAL_AT)
        assert material is not None
        assert material.sample is not None
        return len(material.sample), len(material.blocks)

    def freeze(self) -> PinnedBaseline:
        """The baseline of it, without its limits."""
        material = self._series.learned_material(FINAL_AT)
        assert material is not None
        return freeze(
            material,
            key=self._series.key,
            state="final",
            origin="learned",
            now=FINAL_AT,
            similarity_metric=self._series.similarity_metric,
        )

    def calibrate(self, baseline: PinnedBaseline) -> dict[str, Calibration]:
        """Its limits, for all windows."""
        return calibrate(baseline.content, self._timing, budget(self._timing))

    def make(self, _: float) -> None:
        """All that a new baseline takes, at whatever time."""
        self.calibrate(self.freeze())


@dataclass(frozen=True, slots=True)
class Exporting:
    """Full series, their baselines and what evaluates them."""

    store: MemoryStore
    pinned: Pinned
    evaluator: Evaluator

    @classmethod
    def full(cls, count: int) -> Self:
        """So many series, at `NOW`."""
        timing = Timing()
        pinned = Pinned(timing, min_events=0, budget=budget(timing))
        store = MemoryStore(timing, max_series=count, max_state_bytes=sys.maxsize, seed=7)
        full_store(store, pinned, count)
        return cls(store, pinned, Evaluator(store, pinned, Rules()))


class Traffic:
    """Batches of `BATCH` events of one series, as the store is given them."""

    def __init__(self, series: SeriesKey) -> None:
        whole = events(series, np.random.default_rng(7))
        self._batches = cycle([whole.take(np.arange(first, first + BATCH)) for first in range(0, CHUNK, BATCH)])

    def next_batch(self, now: float) -> EventBatch:
        """The next of them, all of it at one time."""
        return replace(next(self._batches), timestamp=np.full(BATCH, now))


def traffic(count: int) -> list[Traffic]:
    """Of the series 0 to `count` - 1."""
    return [Traffic(key(number)) for number in range(count)]


class FastClock(Clock):
    """Runs from `NOW` on, as many times faster than the machine's as an evaluation of sixteen series is sooner done.

    So that each evaluation in a row finds as many new events and panes as those that come every ten seconds.
    """

    SPEED: Final = 50.0

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> float:
        """Unix seconds of the simulated time."""
        return NOW + self.SPEED * (time.monotonic() - self._began)


class Beside:
    """A thread that does one kind of work over and over, as the exporter's own does every ten seconds."""

    def __init__(self, clock: Clock, works: Mapping[str, Callable[[float], object]]) -> None:
        self._clock = clock
        self._works = works
        self._ticker: Ticker | None = None

    def start(self, kind: str) -> None:
        """Begin, unless there is nothing to do; RuntimeError where it has begun already."""
        if self._ticker is not None:
            raise RuntimeError("it does something already")
        if kind != NOTHING:
            self._ticker = Ticker(self._works[kind], self._clock, PAUSE_SECONDS)
            self._ticker.start()

    def stop(self) -> None:
        """End once what is under way is done."""
        if self._ticker is not None:
            self._ticker.stop(STOP_SECONDS)
            self._ticker = None
