"""CPU of a new baseline: its frame, and its limits for all windows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.full import Learned
from bench.load import DIMENSION
from bench.report import Goal, Measurement, Spread, Table

LIMIT_SECONDS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU-seconds of one baseline."""

    freezing: float
    limits: float


class Fitting:
    """Makes one baseline again and again."""

    def __init__(self) -> None:
        self._learned = Learned()
        self.rows, self.blocks = self._learned.size

    def run(self) -> Cost:
        """Make it once more."""
        began = time.thread_time()
        baseline = self._learned.freeze()
        frozen = time.thread_time()
        self._learned.calibrate(baseline)
        return Cost(frozen - began, time.thread_time() - frozen)

    def report(self, costs: Sequence[Cost]) -> Measurement:
        """The goal, and where the CPU goes."""
        whole = Spread.of(cost.freezing + cost.limits for cost in costs)
        rows = [
            ("its frame, and what its rows and blocks measure in it", str(Spread.of(cost.freezing for cost in costs))),
            ("its limits, for all windows", str(Spread.of(cost.limits for cost in costs))),
        ]
        goal = Goal("CPU of a new baseline with its limits", whole, LIMIT_SECONDS, "s")
        caption = f"A baseline of {self.rows:,} vectors of {DIMENSION} and {self.blocks} time blocks, in CPU-seconds:"
        return Measurement([goal], [(caption, Table(("part", "CPU, s"), rows))])
