"""False alarms, power and effects on shuffled windows: no time, so every window is an independent trial."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from zlib import crc32

import numpy as np

from bench.detection import parallel
from bench.detection.data import DataSet
from bench.detection.sample import Detector, Sample, Verdict
from bench.detection.windows import BASELINES, HEALTHY, Case, Cell, Split, cases


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    splits: int = 40
    """Baselines, each with topics of its own held out."""
    healthy: int = 25
    """Windows of each kind without drift, a split and size."""
    drifting: int = 5
    """Windows of each change and share, a split and size."""
    sizes: tuple[int, ...] = (100, 500, 1000)
    baselines: tuple[str, ...] = tuple(BASELINES)


QUICK = Plan(splits=8, healthy=15, drifting=3, sizes=(500,))


@dataclass(slots=True)
class Readings:
    """What one detector said of all windows of a cell."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    effects: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    causes: Counter[str] = field(default_factory=Counter)
    windows: int = 0

    def add(self, verdict: Verdict) -> None:
        """One window more."""
        for name, value in verdict.values.items():
            self.values[name].append(value)
        for name, value in verdict.effects.items():
            self.effects[name].append(value)
        self.causes.update(verdict.causes)
        self.windows += 1

    def merge(self, other: Readings) -> None:
        """The windows of another split."""
        for name, values in other.values.items():
            self.values[name].extend(values)
        for name, values in other.effects.items():
            self.effects[name].extend(values)
        self.causes.update(other.causes)
        self.windows += other.windows


Measured = dict[Cell, Readings]
"""What one detector said, by cell."""


def measure(data: DataSet, detectors: Mapping[str, Detector], plan: Plan) -> dict[str, Measured]:
    """Show every detector the same windows of every kind. Detectors are named functions: processes pass them on."""
    work = partial(_one_split, detectors=dict(detectors), plan=plan)
    measured: dict[str, Measured] = {name: defaultdict(Readings) for name in detectors}
    for part in parallel.over(data, range(plan.splits), work, title="shuffled windows, baselines"):
        for name, cells in part.items():
            for cell, readings in cells.items():
                measured[name][cell].merge(readings)
    return {name: _in_order(cells, data) for name, cells in measured.items()}


def threshold(nulls: Sequence[float], rate: float) -> float:
    """The value that the share `rate` of the null windows exceeds.

    Interpolated at rank (k + 1)(1 - rate), so that the next window exceeds it with probability `rate` on average.
    """
    return float(np.quantile(np.asarray(nulls), 1 - rate, method="weibull"))


def exceeding(values: Sequence[float], limit: float) -> int:
    """How many of the values are above the limit."""
    return int(np.count_nonzero(np.asarray(values) > limit))


def _in_order(cells: Mapping[Cell, Readings], data: DataSet) -> Measured:
    order = {case.name: position for position, case in enumerate(cases(data))}
    return {cell: cells[cell] for cell in sorted(cells, key=lambda cell: (order[cell.case], cell.share, cell.n))}


def _one_split(data: DataSet, seed: int, *, detectors: Mapping[str, Detector], plan: Plan) -> dict[str, Measured]:
    split = Split(data, seed)
    measured: dict[str, Measured] = {name: defaultdict(Readings) for name in detectors}
    for baseline in plan.baselines:
        reference = BASELINES[baseline](split, np.random.default_rng([seed, 2]))
        fitted = {name: detector(reference) for name, detector in detectors.items()}
        for case in cases(data):
            if case.baseline == baseline:
                _windows(split, case, fitted, plan, measured)
    return measured


def _windows(
    split: Split,
    case: Case,
    fitted: Mapping[str, Callable[[Sample], Verdict]],
    plan: Plan,
    measured: dict[str, Measured],
) -> None:
    count = plan.healthy if case in HEALTHY else plan.drifting
    for share in case.shares:
        for n in plan.sizes:
            cell = Cell(case.name, case.kind, share, n)
            for i in range(count):
                window = case.window(split, n, share, _generator(split.seed, cell, i))
                for name, judge in fitted.items():
                    measured[name][cell].add(judge(window))


def _generator(seed: int, cell: Cell, i: int) -> np.random.Generator:
    return np.random.default_rng([seed, crc32(cell.case.encode()), round(1000 * cell.share), cell.n, i])
