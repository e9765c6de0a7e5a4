"""Memory of full series: by their parts, as the system sees it, of a process with 64 of them, and by settings."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import scipy

from bench import savings
from bench.exporter import Exporter
from bench.fill import DAYS
from bench.grown import State, resident
from bench.load import DIMENSION
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table, number
from bench.together import EVENTS_PER_SERIES, Together, grow_and_write, run

PART: Final = "memory"
LIMITS_MIB: Final = {"learning": 10.0, "provisional": 13.0, "final": 10.0}
"""A provisional baseline, at most half a day old, stands beside the sample that the next one is learned from."""
IDLE_LIMIT_MIB: Final = 90.0
TOGETHER_LIMIT_MIB: Final = 700.0
"""Of 64 full series, over the idle process."""
MIB: Final = 2**20


def measure(plan: Plan) -> Report:
    """Fill series that learn, settle them, start an exporter with many such, and one that has none."""
    # Beside the code, not in /tmp, which may be memory.
    with TemporaryDirectory(dir=Path(__file__).parent) as folder:
        state = Path(folder) / "state"
        # A fresh process: memory that other parts of the bench used and freed would hide the growth.
        with multiprocessing.get_context("spawn").Pool(1) as process:
            library = process.apply(first_baseline)
            states = process.apply(grow_and_write, (plan.series, plan.per_pane, state, plan.kept))
        together = run(state, plan.kept)
    with Exporter() as exporter:
        idle = exporter.resident_bytes()
    found = report(states, library, idle, together, plan)
    if plan.varied:
        found = replace(found, tables=[*found.tables, *savings.tables(savings.measure(plan))])
    return found


def report(states: Mapping[str, State], library: int, idle: int, together: Together, plan: Plan) -> Report:
    """The promises, and where it goes."""
    goals = [
        Goal(
            f"resident memory of a full series, baseline {name}",
            Spread.of([each.resident / MIB]),
            LIMITS_MIB[name],
            "MiB",
        )
        for name, each in states.items()
    ]
    goals += [
        Goal("resident memory of an exporter before its first event", Spread.of([idle / MIB]), IDLE_LIMIT_MIB, "MiB"),
        Goal(
            f"resident memory of an exporter with {plan.kept} full series, over that",
            Spread.of([(together.resident - idle) / MIB]),
            TOGETHER_LIMIT_MIB,
            "MiB",
        ),
    ]
    rows = [(part, *(kib(each.parts[part]) for each in states.values())) for part in states["final"].parts]
    rows.append(("sum of the parts", *(kib(sum(each.parts.values())) for each in states.values())))
    rows.append(("resident memory it adds", *(kib(each.resident) for each in states.values())))
    caption = (
        f"KiB of a series with vectors of {DIMENSION} after {DAYS} simulated days with events in every pane, mean of "
        f"{plan.series - 1}, by the state of its baseline; final, after {DAYS} days more, measured in its frame and "
        "with every trailing baseline. What it adds to the resident memory is more than its parts: that has the "
        "objects around them, limits, what trailing baselines were merged to, and the last evaluation."
    )
    of_processes = (
        f"Whole processes. The {plan.kept} full series are those of the table above, each under several keys with a "
        "baseline of its own, taken up from a state directory; then each had "
        f"{EVENTS_PER_SERIES} events, and evaluations, snapshots and scrapes went on:"
    )
    processes = Table(
        ("exporter", "resident MiB", "at most, MiB"),
        [
            ("before its first event", number(idle / MIB), ""),
            ("what the first baseline loads: scipy.special", number(library / MIB), ""),
            (f"with {plan.kept} full series", number(together.resident / MIB), number(together.peak / MIB)),
        ],
    )
    return Report(PART, goals, [(caption, Table(("part", *states), rows)), (of_processes, processes)], rounds=1)


def first_baseline() -> int:
    """Bytes of what is loaded where it is first needed: statistics, with the first baseline."""
    before = resident()
    scipy.special.ndtri(0.5)
    return resident() - before


def kib(nbytes: float) -> str:
    """Bytes as whole KiB.

    >>> kib(2_500_000)
    '2,441'
    """
    return f"{nbytes / 1024:,.0f}"
