"""Memory of series that hold all they can hold: by its parts as the series counts it, and as the system sees it."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app import allocator, logs
from app.baseline import Pinned, PinnedBaseline
from app.model import Timing
from app.series import Series
from bench.exporter import Exporter
from bench.fill import FINAL_AT, NOW, full_series
from bench.load import DIMENSION
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table, number
from bench.server import resident_bytes

PART: Final = "memory"
LIMIT_MIB: Final = 8.0
EVENTS_PER_PANE: Final = 2_048
"""A quantile sketch of so many holds three quarters of what it ever will."""
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class State:
    """What a series takes in one state of its baseline."""

    parts: Mapping[str, float]
    """Bytes, as the series counts them; the mean of all."""
    resident: float
    """Bytes by which the process grew for each series after the first."""


def measure(plan: Plan) -> Report:
    """Fill series that learn, settle them, and start an exporter that has none."""
    # A fresh process: memory that other parts of the bench used and freed would hide the growth.
    with multiprocessing.get_context("spawn").Pool(1) as process:
        states = process.apply(fill, (plan.series,))
    with Exporter() as exporter:
        idle = exporter.resident_bytes()
    goals = [
        Goal(f"resident memory of a full series, baseline {name}", Spread.of([each.resident / MIB]), LIMIT_MIB, "MiB")
        for name, each in states.items()
    ]
    rows = [(part, *(kib(each.parts[part]) for each in states.values())) for part in states["final"].parts]
    rows.append(("sum of the parts", *(kib(sum(each.parts.values())) for each in states.values())))
    rows.append(("resident memory it adds", *(kib(each.resident) for each in states.values())))
    caption = (
        f"KiB of a series with vectors of {DIMENSION} after 91 simulated days with events in every pane, mean of "
        f"{plan.series - 1}, by the state of its baseline. What it adds to the resident memory is more than its parts: "
        "that has the objects around them."
    )
    empty = Table(("process", "resident MiB"), [("exporter before its first event", number(idle / MIB))])
    return Report(PART, goals, [(caption, Table(("part", *states), rows)), ("Without any series:", empty)], rounds=1)


def fill(count: int) -> dict[str, State]:
    """Make `count` full series, and tell what each takes in each state of its baseline."""
    # As in the exporter.
    allocator.keep_large_blocks(os.environ)
    logs.configure("warning", "logfmt")
    rng = np.random.default_rng(7)
    timing = Timing()
    baselines = Pinned(timing, min_events=0)
    first = full_series(0, rng, timing, EVENTS_PER_PANE)
    before = resident()
    others = [full_series(number, rng, timing, EVENTS_PER_PANE) for number in range(1, count)]
    states = {"learning": state(others, [], before)}
    for name, now in (("provisional", NOW), ("final", FINAL_AT)):
        made = [baselines.of(series, now) for series in others]
        assert all(baseline is not None and baseline.state == name for baseline in made)
        states[name] = state(others, [baseline for baseline in made if baseline is not None], before)
    # The first is kept until here, or what it freed would have been given to the others.
    assert first.learned_events()
    return states


def state(series: Sequence[Series], baselines: Sequence[PinnedBaseline], before: int) -> State:
    """The present state, when this process had `before` resident bytes without these series."""
    grown = (resident() - before) / len(series)
    parts = mean(each.nbytes() for each in series)
    parts["pinned baseline"] = sum(each.nbytes for each in baselines) / len(series)
    return State(parts, grown)


def resident() -> int:
    """Resident bytes of this process, all that is free given back."""
    gc.collect()
    # What the allocator keeps of freed memory is bounded for the process, and no series' own.
    ctypes.CDLL(None).malloc_trim(0)
    return resident_bytes(os.getpid())


def mean(accounts: Iterable[Mapping[str, int]]) -> dict[str, float]:
    """The mean of each part."""
    accounts = list(accounts)
    return {part: statistics.fmean(account[part] for account in accounts) for part in accounts[0]}


def kib(nbytes: float) -> str:
    """Bytes as whole KiB.

    >>> kib(2_500_000)
    '2,441'
    """
    return f"{nbytes / 1024:,.0f}"
