"""Memory of series that hold all they can hold: by its parts as the series counts it, and as the system sees it."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy

from app import allocator, logs
from app.baseline import Pinned
from app.evaluate import Evaluator, Rules
from app.evaluate.trailing import SECONDS_PER_DAY, TRAILING_DAYS
from app.model import SeriesKey, Timing
from app.store import MemoryStore
from bench.exporter import Exporter
from bench.fill import CHUNK, DAYS, FINAL_AT, NOW, budget, events, fill_panes, instants, key
from bench.load import DIMENSION
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table, number
from bench.server import resident_bytes

PART: Final = "memory"
LIMITS_MIB: Final = {"learning": 10.0, "provisional": 13.0, "final": 10.0}
"""A provisional baseline, at most half a day old, stands beside the sample that the next one is learned from."""
IDLE_LIMIT_MIB: Final = 90.0
ALL_SERIES: Final = 64
ALL_LIMIT_MIB: Final = 700.0
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
    baselines: frozenset[str]
    """The states of the series' baselines."""


def measure(plan: Plan) -> Report:
    """Fill series that learn, settle them, and start an exporter that has none."""
    # A fresh process: memory that other parts of the bench used and freed would hide the growth.
    with multiprocessing.get_context("spawn").Pool(1) as process:
        library = process.apply(first_baseline)
        states = process.apply(fill, (plan.series,))
    with Exporter() as exporter:
        idle = exporter.resident_bytes()
    goals = [
        Goal(
            f"resident memory of a full series, baseline {name}",
            Spread.of([each.resident / MIB]),
            LIMITS_MIB[name],
            "MiB",
        )
        for name, each in states.items()
    ]
    total = idle + library + ALL_SERIES * states["final"].resident
    goals += [
        Goal("resident memory of an exporter before its first event", Spread.of([idle / MIB]), IDLE_LIMIT_MIB, "MiB"),
        Goal(
            f"the same, what the first baseline loads, and {ALL_SERIES} times what a full series with a final one adds",
            Spread.of([total / MIB]),
            ALL_LIMIT_MIB,
            "MiB",
        ),
    ]
    rows = [(part, *(kib(each.parts[part]) for each in states.values())) for part in states["final"].parts]
    rows.append(("sum of the parts", *(kib(sum(each.parts.values())) for each in states.values())))
    rows.append(("resident memory it adds", *(kib(each.resident) for each in states.values())))
    caption = (
        f"KiB of a series with vectors of {DIMENSION} after {DAYS} simulated days with events in every pane, mean of "
        f"{plan.series - 1}, by the state of its baseline; final, after {DAYS} days more, measured in its frame. What "
        "it adds to the resident memory is more than its parts: that has the objects around them, limits, what "
        "trailing baselines were merged to, and the last evaluation."
    )
    empty = Table(
        ("what", "resident MiB"),
        [
            ("exporter before its first event", number(idle / MIB)),
            ("what the first baseline loads: scipy.special", number(library / MIB)),
        ],
    )
    return Report(PART, goals, [(caption, Table(("part", *states), rows)), ("Without any series:", empty)], rounds=1)


def first_baseline() -> int:
    """Bytes of what is loaded where it is first needed: statistics, with the first baseline."""
    before = resident()
    scipy.special.ndtri(0.5)
    return resident() - before


def fill(count: int, per_pane: int = EVENTS_PER_PANE) -> dict[str, State]:
    """Make `count` full series, and tell what each after the first takes in each state of its baseline."""
    # As in the exporter.
    allocator.keep_large_blocks(os.environ)
    logs.configure("warning", "logfmt")
    # The first is kept to the end, or what it freed would be given to the others.
    first = Exporting(range(1), per_pane)
    for _ in zip(("learning", "provisional"), first.states(), strict=False):
        pass
    before = resident()
    others = Exporting(range(1, count), per_pane)
    states = {name: others.state(before) for name in others.states()}
    assert all(each.baselines == ({name} if name != "learning" else set()) for name, each in states.items())
    assert first.store.series()
    return states


class Exporting:
    """Some series with all that an exporter keeps of them."""

    def __init__(self, numbers: Iterable[int], per_pane: int) -> None:
        self._numbers = numbers
        self._per_pane = per_pane
        self._timing = Timing()
        self._rng = np.random.default_rng(7)
        self._pinned = Pinned(self._timing, min_events=0, budget=budget(self._timing))
        self.store = MemoryStore(self._timing, max_series=100, max_state_bytes=sys.maxsize, seed=7)

    def states(self) -> Iterator[str]:
        """Yield the state of the baselines, each time once the series are full."""
        evaluator = Evaluator(self.store, self._pinned, Rules(baselines=("pinned", *TRAILING_DAYS, "peer")))
        for each in self._numbers:
            self._learn(key(each))
        yield "learning"
        evaluator.tick(NOW)
        yield "provisional"
        for series in self.store.series():
            fill_panes(series, self._rng, [(FINAL_AT, True)], self._per_pane)
        evaluator.tick(FINAL_AT)
        # The same three months again, measured in the frame.
        end = FINAL_AT + DAYS * SECONDS_PER_DAY
        for series in self.store.series():
            fill_panes(series, self._rng, instants(self._timing, end), self._per_pane)
        evaluator.tick(end)
        yield "final"

    def state(self, before: int) -> State:
        """The present state, when this process had `before` resident bytes without these series."""
        live = self.store.series()
        grown = (resident() - before) / len(live)
        parts = mean(each.nbytes() for each in live)
        baselines = self._pinned.all()
        parts["pinned baseline"] = sum(each.content.nbytes for each in baselines) / len(live)
        return State(parts, grown, frozenset(each.state for each in baselines))

    def _learn(self, name: SeriesKey) -> None:
        """Fill a new series, whose baseline is learned."""
        times = instants(self._timing, NOW)
        began, _ = next(times)
        self.store.append(replace(events(name, self._rng), timestamp=np.full(CHUNK, began)), began)
        series = self.store.find(name)
        assert series is not None
        fill_panes(series, self._rng, times, self._per_pane)


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
