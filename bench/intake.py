"""What a final baseline and input hashes add to taking events in: decoding and storing them in this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from app.baseline.reference import freeze
from app.decode import Limits, decode
from app.model import Timing
from app.series import Series
from app.store import MemoryStore
from bench.fill import NOW
from bench.load import Pool, Shape
from bench.report import Goal, Measurement, Spread, Table, number

NEITHER: Final = "neither"
EVERYTHING: Final = "input hashes and a final baseline"
SHAPE: Final = Shape("base64", 64)
RATES: Final = (2_000, 10_000)
"""Events a second of the series, in simulated time: what is measured in the frame is so many a second at most."""
KEPT: Final = 0.5
"""The share of the events per CPU-second that must be left with everything on."""
LEARNING_STEP_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 10.0
MICRO: Final = 1e6


@dataclass(frozen=True, slots=True)
class Case:
    """Events of one series."""

    setting: str
    rate: int


CASES: Final = tuple(Case(setting, rate) for rate, setting in product(RATES, (NEITHER, EVERYTHING)))


class Intake:
    """One series that has learned for a day, and the requests that it is sent from then on."""

    def __init__(self, case: Case) -> None:
        self._pool = Pool(SHAPE, without=() if case.setting == EVERYTHING else ("input_hash",))
        self._limits = Limits()
        timing = Timing()
        self._store = MemoryStore(timing, max_series=1, max_state_bytes=sys.maxsize, seed=7)
        self._step = SHAPE.batch / case.rate
        self._now = NOW - timing.baseline_duration_seconds
        self._looked = NOW
        while self._now < NOW:
            self._take()
            self._now += LEARNING_STEP_SECONDS
        (self._series,) = self._store.series()
        if case.setting == EVERYTHING:
            _finish(self._series, self._now)
        self._series.stop_learning()

    def run(self, seconds: float) -> float:
        """Go on for so long; CPU-seconds an event."""
        cpu = 0.0
        events = 0
        end = time.monotonic() + seconds
        while events == 0 or time.monotonic() < end:
            began = time.thread_time()
            self._take()
            cpu += time.thread_time() - began
            events += SHAPE.batch
            self._now += self._step
            if self._now - self._looked >= LOOK_SECONDS:
                # As an evaluation would: panes move up.
                self._looked = self._now
                self._series.windows(self._now)
        return cpu / events

    def _take(self) -> None:
        body = bytes(self._pool.next_request().partition(b"\r\n\r\n")[2])
        taken = self._store.append(decode("application/json", None, body, self._limits, self._now).batch, self._now)
        if taken.accepted != SHAPE.batch:
            raise RuntimeError(f"the store accepted {taken.accepted} events of {SHAPE.batch}")


def _finish(series: Series, now: float) -> None:
    """Give the series a final baseline of what it learned."""
    material = series.learned_material(now)
    assert material is not None
    baseline = freeze(
        material,
        key=series.key,
        state="final",
        origin="learned",
        now=now,
        similarity_metric=series.similarity_metric,
    )
    assert baseline.yardstick.frame is not None
    assert baseline.yardstick.known is not None
    series.measure_with(baseline.yardstick, now)


def report(costs: Mapping[Case, Sequence[float]]) -> Measurement:
    """How much is kept at each rate, from turns of the same round."""
    kept = {
        rate: Spread.of(
            plain / full for plain, full in zip(costs[Case(NEITHER, rate)], costs[Case(EVERYTHING, rate)], strict=True)
        )
        for rate in RATES
    }
    low, high = RATES
    faster = Spread.of(
        slow / fast for slow, fast in zip(costs[Case(EVERYTHING, low)], costs[Case(EVERYTHING, high)], strict=True)
    )
    goals = [
        Goal(
            f"events per CPU-second with everything on, over those without hashes and frame, at {low:,} a second",
            kept[low],
            KEPT,
            "times",
            at_least=True,
        ),
        Goal(
            f"events per CPU-second with everything on at {high:,} a second, over those at {low:,}",
            faster,
            1.0,
            "times",
            at_least=True,
        ),
    ]
    rows = []
    for rate in RATES:
        for setting in (NEITHER, EVERYTHING):
            cost = Spread.of(MICRO * each for each in costs[Case(setting, rate)])
            share = str(kept[rate]) if setting == EVERYTHING else "1"
            rows.append((f"{rate:,}", setting, str(cost), number(MICRO / cost.median), share))
    caption = (
        f"Decoding and storing of {SHAPE.encoding} batches of {SHAPE.batch} in one process. Every input is known to "
        "the baseline and came a moment ago: the most that a hash can cost."
    )
    columns = ("events a second", "with", "CPU, microseconds an event", "events per CPU-second", "share kept")
    return Measurement(goals, [(caption, Table(columns, rows))])
