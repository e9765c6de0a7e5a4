"""CPU of evaluations, and of measuring vectors in the frame, under steady traffic."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.model import EventBatch
from app.series import Pane
from app.series.measuring import Measuring
from bench.fill import FINAL_AT, key
from bench.full import BATCH, Exporting, traffic
from bench.report import Goal, Measurement, Spread, Table

SERIES: Final = 16
LIMIT_PERCENT: Final = 10.0
PERCENT: Final = 100.0
INTERVAL_SECONDS: Final = 10.0
"""Between evaluations, as shipped."""
BATCHES_A_TICK: Final = 20
"""Of each series: 128 events a second, so 2,048 of sixteen."""
TICKS: Final = 6
"""In one round: the seven of a full run see five minutes go by, after which panes become one of a larger rung."""
FIRST_TICKS: Final = 2
"""They learn the limits of every series, once."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU-seconds of one interval between evaluations, all series together."""

    evaluation: float
    measuring: float
    append: float
    """Of taking the events in, measuring them among it."""


class Ticks:
    """Some full series in simulated time: events come, and every ten seconds of it there is an evaluation."""

    def __init__(self, count: int) -> None:
        self._exporting = Exporting.full(count)
        self._traffic = traffic(count)
        baseline = self._exporting.pinned.find(key(0))
        assert baseline is not None
        assert baseline.content.frame is not None
        # Beside the series, which do the same within `append`, where it cannot be told from the rest.
        self._measuring = Measuring(baseline.content.frame, FINAL_AT)
        self._pane = Pane()
        self._now = FINAL_AT
        for _ in range(FIRST_TICKS):
            self._one()

    def run(self) -> Cost:
        """The mean of some evaluations."""
        costs = [self._one() for _ in range(TICKS)]
        return Cost(
            sum(cost.evaluation for cost in costs) / TICKS,
            sum(cost.measuring for cost in costs) / TICKS,
            sum(cost.append for cost in costs) / TICKS,
        )

    def _one(self) -> Cost:
        append = measuring = 0.0
        for turn in range(BATCHES_A_TICK):
            now = self._now + turn * INTERVAL_SECONDS / BATCHES_A_TICK
            for number, each in enumerate(self._traffic):
                batch = each.next_batch(now)
                began = time.process_time()
                self._exporting.store.append(batch, now)
                append += time.process_time() - began
                if number == 0:
                    measuring += len(self._traffic) * self._measure(batch, now)
        self._now += INTERVAL_SECONDS
        began = time.process_time()
        evaluation = self._exporting.evaluator.tick(self._now)
        ticked = time.process_time() - began
        assert len(evaluation.series) == len(self._traffic)
        return Cost(ticked, measuring, append)

    def _measure(self, batch: EventBatch, now: float) -> float:
        vectors, positions = (
            np.asarray(batch.vectors.values, np.float32).reshape(BATCH, -1),
            np.full(BATCH, now // INTERVAL_SECONDS),
        )
        began = time.process_time()
        if self._measuring.offer(vectors, positions, now):
            for rows in self._measuring.take():
                self._pane.add_measured(self._measuring.frame, rows.vectors, rows.measured)
        return time.process_time() - began


def report(costs: Sequence[Cost], count: int) -> Measurement:
    """Shares of one core, of sixteen series where fewer were run."""
    core = SERIES / count / INTERVAL_SECONDS
    whole = Spread.of(PERCENT * core * (cost.evaluation + cost.measuring) for cost in costs)
    rows = [
        ("evaluations", share(core * cost.evaluation for cost in costs)),
        ("measuring vectors in the frame", share(core * cost.measuring for cost in costs)),
        ("taking the events in, measuring among it, without decoding", share(core * cost.append for cost in costs)),
    ]
    rate = BATCHES_A_TICK * BATCH / INTERVAL_SECONDS
    caption = (
        f"{SERIES} full series, {rate:g} events a second each, an evaluation every {INTERVAL_SECONDS:g} s against the "
        "pinned baseline, the last seven days and a peer."
    )
    if count != SERIES:
        caption += f" {count} were run, and count as {SERIES}."
    name = f"CPU of evaluating {SERIES} series and of measuring their vectors"
    goal = Goal(name, whole, LIMIT_PERCENT, "% of a core")
    return Measurement([goal], [(caption, Table(("work", "% of a core"), rows))])


def share(values: Iterable[float]) -> str:
    """Shares of a core as percent."""
    return str(Spread.of(PERCENT * value for value in values))
