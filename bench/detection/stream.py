"""False alarms and delays of the rules on simulated traffic, evaluated as in production but on a fake clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.detection import parallel
from bench.detection.data import DataSet, Rows
from bench.detection.rules import HOUR, RULES, Alert, Reading, Severity, incidents
from bench.detection.traffic import DAY, HEALTHY, HOT, INDEPENDENT, Events, Habits, Injection, Traffic, nearest

EVALUATION_SECONDS = 30.0


class StreamDetector(Protocol):
    """Sees one series as it goes on. It learns its baseline from the first events, by itself."""

    def add(self, rows: Rows, times: NDArray[np.float64]) -> None:
        """Events since the last call: which rows of the data set, and when."""
        ...

    def evaluate(self, now: float) -> Mapping[str, Reading]:
        """The windows that have a score, by name."""
        ...


Maker = Callable[[DataSet, float], StreamDetector]
"""Makes a detector of a data set's rows with a baseline of so many seconds."""


class Healthy(NamedTuple):
    """Traffic in which nothing changes for good."""

    name: str
    habits: Habits
    baseline_seconds: float
    days: int
    """After the baseline."""
    series: int


class Injected(NamedTuple):
    """Traffic into which topics come that were never seen, at any time of the day after the baseline."""

    name: str
    share: float
    ramp_seconds: float
    severity: Severity
    within_seconds: float
    """An alarm of this severity by then counts as seen."""
    series: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated."""

    healthy: Sequence[Healthy]
    injected: Sequence[Injected]


FULL = Plan(
    healthy=(
        Healthy("daily rhythm, sessions, bursts", HEALTHY, DAY, 7, 30),
        Healthy("and two ten-minute bursts of one topic a day", HOT, DAY, 7, 30),
        Healthy("the same, learned from one hour", HEALTHY, HOUR, 2, 100),
        Healthy("independent events (control)", INDEPENDENT, DAY, 7, 10),
    ),
    injected=(
        Injected("new topics, 5 %", 0.05, 0, "ticket", DAY, 60),
        Injected("new topics, 10 %", 0.10, 0, "ticket", 3 * HOUR, 60),
        Injected("new topics, 25 %", 0.25, 0, "page", HOUR, 60),
        Injected("new topics, growing to 25 % in a day", 0.25, DAY, "ticket", DAY, 60),
    ),
)
QUICK = Plan(
    healthy=(
        Healthy("daily rhythm, sessions, bursts", HEALTHY, DAY, 3, 4),
        Healthy("the same, learned from one hour", HEALTHY, HOUR, 1, 4),
    ),
    injected=(
        Injected("new topics, 5 %", 0.05, 0, "ticket", DAY, 4),
        Injected("new topics, 10 %", 0.10, 0, "ticket", 3 * HOUR, 4),
        Injected("new topics, 25 %", 0.25, 0, "page", HOUR, 4),
    ),
)


@dataclass(slots=True)
class Calm:
    """What one kind of healthy traffic led to."""

    series_days: float = 0.0
    pages: int = 0
    tickets: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    """By rule, shipped or not."""
    evaluations: Counter[str] = field(default_factory=Counter)
    above: Counter[str] = field(default_factory=Counter)
    """Evaluations with a score above 1, by window."""

    def merge(self, other: Calm) -> None:
        """Another series."""
        self.series_days += other.series_days
        self.pages += other.pages
        self.tickets += other.tickets
        self.alarms.update(other.alarms)
        self.evaluations.update(other.evaluations)
        self.above.update(other.above)


class Seen(NamedTuple):
    """What became of one injection."""

    delay_seconds: float
    """To the first alarm of the wanted severity; infinity where none came in time."""
    delay_events: float
    share: float
    """Of new topics in the traffic at that time; NaN where no alarm came."""


@dataclass(slots=True)
class Streamed:
    """The result of a plan, by the scenarios' names."""

    calm: dict[str, Calm] = field(default_factory=lambda: defaultdict(Calm))
    seen: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))


class _Task(NamedTuple):
    scenario: Healthy | Injected
    seed: int


def measure(data: DataSet, make: Maker, plan: Plan) -> Streamed:
    """Run every series of the plan. `make` is a named function: processes pass it on."""
    work = partial(_series, make=make, neighbours=nearest(data.vectors))
    scenarios: list[Healthy | Injected] = [*plan.healthy, *plan.injected]
    tasks = [
        _Task(scenario, 1000 * position + i)
        for position, scenario in enumerate(scenarios, 1)
        for i in range(scenario.series)
    ]
    streamed = Streamed()
    for name, result in parallel.over(data, tasks, work, title="stream, series"):
        if isinstance(result, Calm):
            streamed.calm[name].merge(result)
        else:
            streamed.seen[name].append(result)
    return streamed


def evaluations(
    traffic: Traffic, detector: StreamDetector, seconds: float
) -> Iterator[tuple[float, Mapping[str, Reading], Events]]:
    """Feed the traffic to the detector; yield the time, its readings and the new events at every evaluation."""
    for step, events in enumerate(traffic.steps(seconds)):
        first = step * 10 + 1
        ends = np.arange(first, first + 10) * EVALUATION_SECONDS
        cuts = [0, *np.searchsorted(events.times, ends)]
        for i, now in enumerate(ends):
            part = Events(events.times[cuts[i] : cuts[i + 1]], events.rows[cuts[i] : cuts[i + 1]])
            detector.add(part.rows, part.times)
            yield float(now), detector.evaluate(float(now)), part


def _series(data: DataSet, task: _Task, *, make: Maker, neighbours: NDArray[np.int32]) -> tuple[str, Calm | Seen]:
    scenario = task.scenario
    if isinstance(scenario, Healthy):
        traffic = Traffic(data, neighbours, seed=task.seed, habits=scenario.habits)
        return scenario.name, watch(traffic, make(data, scenario.baseline_seconds), scenario)

    # Two hours after the baseline at the soonest, so that an hour's window is full of the healthy traffic after it.
    start = DAY + 2 * HOUR + np.random.default_rng(task.seed).random() * DAY
    injection = Injection(start, scenario.share, scenario.ramp_seconds)
    traffic = Traffic(data, neighbours, seed=task.seed, injection=injection)
    return scenario.name, notice(traffic, make(data, DAY), injection, scenario)


def watch(traffic: Traffic, detector: StreamDetector, scenario: Healthy) -> Calm:
    """Count what the rules do on healthy traffic after the baseline."""
    calm = Calm(series_days=scenario.days)
    alerts = [Alert(rule) for rule in RULES]
    for now, readings, _ in evaluations(traffic, detector, scenario.baseline_seconds + scenario.days * DAY):
        if now <= scenario.baseline_seconds:
            continue
        for window, reading in readings.items():
            calm.evaluations[window] += 1
            calm.above[window] += reading.score > 1
        for alert in alerts:
            alert.evaluate(readings.get(alert.rule.window), now)
    calm.alarms.update({alert.rule.name: len(alert.fired) for alert in alerts})
    calm.pages = incidents(alerts, "page")
    calm.tickets = incidents(alerts, "ticket")
    return calm


def notice(traffic: Traffic, detector: StreamDetector, injection: Injection, scenario: Injected) -> Seen:
    """Wait for the first alarm after an injection. One that was firing before does not count until it fires anew."""
    alerts = [Alert(rule) for rule in RULES if rule.shipped and rule.severity == scenario.severity]
    events = 0
    for now, readings, part in evaluations(traffic, detector, injection.start + scenario.within_seconds + HOUR):
        began = now > injection.start
        events += int(np.count_nonzero(part.times >= injection.start))
        fired = [alert.evaluate(readings.get(alert.rule.window), now) for alert in alerts]
        if began and now - injection.start > scenario.within_seconds:
            break
        if began and any(fired):
            return Seen(now - injection.start, events, injection.at(now))
    return Seen(np.inf, np.inf, np.nan)
