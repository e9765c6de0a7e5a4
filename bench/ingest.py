"""Server CPU per event: the exporter against the reference server, and single events against an empty route."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.bodies import Encoding
from bench.exporter import Exporter
from bench.fill import baseline_files
from bench.load import Driven, Pool, Shape, drive
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table, number
from bench.server import Server
from bench.steps import InProcess, Steps

PART: Final = "ingest"
BATCHES: Final = (1, 16, 64)
GOALS: Final[Mapping[Encoding, float]] = {"list": 4, "base64": 11, "columns": 12, "msgpack": 13, "arrow": 9}
"""Events per CPU-second at batch 64, over the reference's with lists (it takes nothing else)."""
SUM_LIMIT: Final = 1.5
"""CPU end to end over the sum of the empty route, decoding and storing."""
SINGLE_EVENT_LIMIT: Final = 1.5
EVENTS_PER_SECOND: Final = 2_000
"""The traffic of one series over which the work between requests is spread."""
WARM_UP_SECONDS: Final = 2.0
MICRO: Final = 1e6
COLUMNS: Final = (
    "batch",
    "server and vectors",
    "CPU, microseconds an event",
    "events per CPU-second",
    "times the reference",
)
"""Of what `row` makes."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One server that is sent requests of one shape, and what each turn of it cost."""

    server: Server
    shape: Shape
    turns: list[Driven]


def measure(plan: Plan) -> Report:
    """Drive the reference, the exporter and the empty route in turn."""
    pools = {shape: Pool(shape) for shape in (Shape(encoding, batch) for encoding in GOALS for batch in BATCHES)}
    with (
        TemporaryDirectory() as folder,
        Server("reference", "bench.reference_server", "{port}") as reference,
        # All statistics on: with a final baseline to measure against.
        Exporter(baseline_files(Path(folder), 1)) as exporter,
        Server("empty route", "bench.empty_server", "{port}") as empty,
    ):
        drive(exporter, pools[Shape("base64", 64)], WARM_UP_SECONDS)
        cases = [Case(reference, Shape("list", batch), []) for batch in BATCHES]
        cases += [Case(exporter, shape, []) for shape in pools]
        cases += [Case(empty, shape, []) for shape in pools]
        in_process = {shape: InProcess(pool) for shape, pool in pools.items()}
        steps: dict[Shape, list[Steps]] = {shape: [] for shape in pools}
        idle_cpu = idle_wall = 0.0
        for turn in range(plan.rounds):
            first = turn % len(cases)
            for case in cases[first:] + cases[:first]:
                cpu, started = exporter.cpu_seconds(), time.perf_counter()
                driven = drive(case.server, pools[case.shape], plan.turn_seconds, counted=case.server is not empty)
                case.turns.append(driven)
                if case.server is not exporter:
                    idle_cpu += exporter.cpu_seconds() - cpu
                    idle_wall += time.perf_counter() - started
            for shape, runner in in_process.items():
                steps[shape].append(runner.run(plan.turn_seconds / 4))
    return report(cases, steps, idle_cpu / idle_wall, plan.rounds)


def report(cases: Sequence[Case], steps: Mapping[Shape, Sequence[Steps]], idle: float, rounds: int) -> Report:
    """Ratios of turns of the same round; `idle` is what the exporter uses between requests, CPU-seconds a second.

    That is added to each of its events as it would be at `EVENTS_PER_SECOND`.
    """
    turns: defaultdict[str, dict[Shape, list[float]]] = defaultdict(dict)
    for case in cases:
        extra = idle / EVENTS_PER_SECOND if case.server.name == Exporter.NAME else 0.0
        turns[case.server.name][case.shape] = [turn.cpu_per_event + extra for turn in case.turns]
    ours, reference, empty = turns[Exporter.NAME], turns["reference"], turns["empty route"]
    times = {shape: ratio(reference[Shape("list", shape.batch)], cost) for shape, cost in ours.items()}
    single = {shape: ratio(ours[shape], empty[shape]) for shape in empty if shape.batch == 1}
    sums = {
        shape: [floor + each.decode + each.append for floor, each in zip(empty[shape], steps[shape], strict=True)]
        for shape in ours
    }

    largest = max(BATCHES)
    goals = [
        Goal(
            f"events per CPU-second, {encoding}, batches of {largest}, over the reference",
            times[Shape(encoding, largest)],
            limit,
            "times",
            at_least=True,
        )
        for encoding, limit in GOALS.items()
    ]
    goals += [
        Goal(
            f"CPU of a request with one event, {shape.encoding}, over an empty route", over, SINGLE_EVENT_LIMIT, "times"
        )
        for shape, over in single.items()
        if shape.encoding in {"list", "base64"}  # the forms that single events come in
    ]
    goals += [
        Goal(f"CPU end to end over the sum of its parts, {shape}", ratio(ours[shape], total), SUM_LIMIT, "times")
        for shape, total in sums.items()
        if shape.batch == largest
    ]
    rows = [row(shape.batch, f"reference, {shape.encoding}", cost, None) for shape, cost in reference.items()] + [
        row(shape.batch, f"exporter, {shape.encoding}", cost, times[shape]) for shape, cost in ours.items()
    ]
    rows.sort(key=lambda cells: int(cells[0]))
    singles = [(shape.encoding, micros(empty[shape]), micros(ours[shape]), str(over)) for shape, over in single.items()]
    parts = [
        (
            str(shape),
            micros(empty[shape]),
            micros([each.decode for each in steps[shape]]),
            micros([each.append for each in steps[shape]]),
            micros(cost),
            str(ratio(cost, sums[shape])),
        )
        for shape, cost in ours.items()
    ]
    caption = (
        f"The exporter's rows hold its work between requests (evaluation, housekeeping): {number(1e3 * idle)} ms of "
        f"CPU a second, which is {number(MICRO * idle / EVENTS_PER_SECOND)} microseconds an event at "
        f"{EVENTS_PER_SECOND:,} events a second."
    )
    return Report(
        PART,
        goals,
        [
            (caption, Table(COLUMNS, rows)),
            (
                "Requests with one event, CPU in microseconds a request:",
                Table(("vector", "empty FastAPI route", "exporter", "times the empty route"), singles),
            ),
            (
                (
                    "Where it goes, in microseconds an event: the empty route with the same bodies, then decoding and "
                    "storing by themselves; beside them the exporter end to end, as times the sum of the three."
                ),
                Table(("events", "empty route", "decode", "store", "exporter", "times the sum"), parts),
            ),
        ],
        rounds,
    )


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Spread:
    """Of the turns of each round, which stood beside each other in time."""
    return Spread.of(above / below for above, below in zip(numerator, denominator, strict=True))


def micros(seconds: Sequence[float]) -> str:
    """The spread of the rounds in microseconds."""
    return str(Spread.of(MICRO * each for each in seconds))


def row(batch: int, label: str, cost: Sequence[float], times: Spread | None) -> tuple[str, ...]:
    """One line of the main table, from seconds an event."""
    per_second = number(1 / Spread.of(cost).median)
    return str(batch), label, micros(cost), per_second, "1" if times is None else str(times)
