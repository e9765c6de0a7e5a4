"""Full series that grew in this process, with all that an exporter keeps of them: what they take of its memory."""

from __future__ import annotations

import ctypes
import gc
import os
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app import allocator, logs
from app.baseline import Pinned
from app.config import Settings
from app.evaluate import Evaluator, Rules
from app.evaluate.trailing import SECONDS_PER_DAY
from app.model import SeriesKey
from app.store import MemoryStore
from bench.fill import CHUNK, DAYS, FINAL_AT, NOW, budget, events, fill_panes, instants, key
from bench.server import resident_bytes

EVERY_BASELINE: Final = Settings(baselines=("pinned", "7d", "30d", "90d", "peer"))
END: Final = FINAL_AT + DAYS * SECONDS_PER_DAY
"""The end of the simulated time once the baselines are final."""


@dataclass(frozen=True, slots=True)
class State:
    """What a series takes in one state of its baseline."""

    parts: Mapping[str, float]
    """Bytes, as the series counts them; the mean of all."""
    resident: float
    """Bytes by which the process grew for each series after the first."""
    baselines: frozenset[str]
    """The states of the series' baselines."""


class Grown:
    """Some series with all that an exporter keeps of them."""

    def __init__(self, numbers: Iterable[int], per_pane: int, settings: Settings = EVERY_BASELINE) -> None:
        self._numbers = numbers
        self._per_pane = per_pane
        self._timing = settings.timing()
        self._rules = Rules(baselines=settings.baselines)
        self._rng = np.random.default_rng(7)
        self.pinned = Pinned(
            self._timing,
            min_events=0,
            budget=budget(self._timing),
            projected=settings.persist_vectors == "projected",
        )
        self.store = MemoryStore(self._timing, max_series=100, max_state_bytes=sys.maxsize, seed=7)

    def states(self) -> Iterator[str]:
        """Yield the state of the baselines, each time once the series are full."""
        evaluator = Evaluator(self.store, self.pinned, self._rules)
        for each in self._numbers:
            self._learn(key(each))
        yield "learning"
        evaluator.tick(NOW)
        yield "provisional"
        for series in self.store.series():
            fill_panes(series, self._rng, [(FINAL_AT, True)], self._per_pane)
        evaluator.tick(FINAL_AT)
        # The same three months again, measured in the frame.
        for series in self.store.series():
            fill_panes(series, self._rng, instants(self._timing, END), self._per_pane)
        evaluator.tick(END)
        yield "final"

    def state(self, before: int) -> State:
        """The present state, when this process had `before` resident bytes without these series."""
        live = self.store.series()
        grown = (resident() - before) / len(live)
        parts = mean(each.nbytes() for each in live)
        baselines = self.pinned.all()
        parts["pinned baseline"] = sum(each.content.nbytes for each in baselines) / len(live)
        return State(parts, grown, frozenset(each.state for each in baselines))

    def _learn(self, name: SeriesKey) -> None:
        """Fill a new series, whose baseline is learned."""
        times = instants(self._timing, NOW)
        began, _ = next(times)
        self.store.append(replace(events(name, self._rng), timestamp=np.full(CHUNK, began)), began)
        series = self.store.find(name)
        assert series is not None
        since = NOW - self._timing.baseline_duration_seconds + (FINAL_AT - NOW)
        fill_panes(series, self._rng, times, self._per_pane, since)


def grow(count: int, per_pane: int, settings: Settings = EVERY_BASELINE) -> dict[str, State]:
    """Make `count` full series, and tell what each after the first takes in each state of its baseline."""
    return growing(count, per_pane, settings)[0]


def growing(count: int, per_pane: int, settings: Settings = EVERY_BASELINE) -> tuple[dict[str, State], Grown]:
    """The same, with the series after the first."""
    # As in the exporter.
    allocator.settle(os.environ)
    logs.configure("warning", "logfmt")
    # The first is kept to the end, or what it freed would be given to the others.
    first = Grown(range(1), per_pane, settings)
    for _ in zip(("learning", "provisional"), first.states(), strict=False):
        pass
    before = resident()
    others = Grown(range(1, count), per_pane, settings)
    states = {name: others.state(before) for name in others.states()}
    assert all(each.baselines == ({name} if name != "learning" else set()) for name, each in states.items())
    assert first.store.series()
    return states, others


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
