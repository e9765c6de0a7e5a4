"""How long ingest and scrapes wait while evaluations go on beside them, in one process and end to end.

A wait is told in the CPU time that the whole process had meanwhile, all threads. The process runs on one core, so that
is the time that passes where the core is its own; what other programs of the machine take from it is left out.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, product
from typing import Final

import numpy as np

from bench.full import BATCH, EVALUATIONS, FREEZING, NOTHING, Beside, Exporting, FastClock, Learned, traffic
from bench.load import Connection, Pool, Shape, get
from bench.plan import Plan
from bench.report import Goal, Measurement, Spread, Table
from bench.scrape import PROMETHEUS
from bench.server import Server

BESIDE: Final = (NOTHING, EVALUATIONS, FREEZING)
SWITCH_SECONDS: Final = {"5 ms, Python's own": 0.005, "0.5 ms": 0.0005}
"""How long a thread may keep the interpreter from the others."""
SHIPPED: Final = "5 ms, Python's own"
LIMIT_MILLISECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.0005
"""Between requests, as the event loop has it: it must win the interpreter back after each."""
REQUESTS_A_SCRAPE: Final = 10
SETTLE_SECONDS: Final = 0.1
"""Until what is begun beside is under way."""
TURNS: Final = 3
"""How many turns of the plan long requests are sent: some evaluations must fall into it."""
MILLI: Final = 1e3

APPEND: Final = "a batch of 64 in one process"
INGEST: Final = "an ingest request end to end"
SCRAPE: Final = "a scrape end to end"
WHAT: Final = (APPEND, INGEST, SCRAPE)
CAPTIONS: Final = {
    APPEND: ", with a pause before it of half a millisecond",
    INGEST: "",
    SCRAPE: f", one after every {REQUESTS_A_SCRAPE} requests",
}
COLUMNS: Final = ("beside", "a thread keeps the interpreter for", "median", "99 %", "longest")


@dataclass(frozen=True, slots=True)
class Case:
    """What goes on beside, and how the interpreter is shared."""

    beside: str
    switch: str


CASES: Final = tuple(Case(beside, switch) for switch, beside in product(SWITCH_SECONDS, BESIDE))


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that each request waited, in one turn; see above for what counts."""

    ingest: list[float] = field(default_factory=list)
    scrape: list[float] = field(default_factory=list)


class InProcess:
    """A thread that appends batches of 64 events to full series, beside another one, in this process."""

    def __init__(self, count: int) -> None:
        exporting, learned = Exporting.full(count), Learned()
        self._clock = FastClock()
        self._store = exporting.store
        self._traffic = cycle(traffic(count))
        self._beside = Beside(self._clock, {EVALUATIONS: exporting.evaluator.tick, FREEZING: learned.make})
        # The first evaluation learns every series' limits.
        exporting.evaluator.tick(self._clock.now())

    def run(self, case: Case, seconds: float) -> Waits:
        """Append for so long; a wait is that of one batch and of the pause before it, which costs nothing itself."""
        waits = Waits()
        usual = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS[case.switch])
        self._beside.start(case.beside)
        time.sleep(SETTLE_SECONDS)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            now = self._clock.now()
            batch = next(self._traffic).next_batch(now)
            began = time.process_time()
            time.sleep(PAUSE_SECONDS)
            self._store.append(batch, now)
            waits.ingest.append(time.process_time() - began)
        self._beside.stop()
        sys.setswitchinterval(usual)
        return waits


class EndToEnd:
    """Requests to an exporter process that holds full series, and scrapes of it, over one connection."""

    def __init__(self, server: Server, count: int) -> None:
        self._server = server
        # Each request of one series: what folds and measures its events then is one series at a time.
        self._pools = cycle([Pool(Shape("base64", BATCH), first=number) for number in range(count)])

    def run(self, case: Case, seconds: float) -> Waits:
        """Send and scrape for so long; RuntimeError where events are not accepted."""
        waits = Waits()
        with Connection(self._server.port) as line:
            line.exchange(_order(case.beside, SWITCH_SECONDS[case.switch]))
            time.sleep(SETTLE_SECONDS)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                for _ in range(REQUESTS_A_SCRAPE):
                    time.sleep(PAUSE_SECONDS)
                    began = self._server.cpu_seconds()
                    reply = line.exchange(next(self._pools).next_request())
                    waits.ingest.append(self._server.cpu_seconds() - began)
                    if json.loads(reply)["accepted"] != BATCH:
                        raise RuntimeError(f"{self._server.name} did not accept every event")
                began = self._server.cpu_seconds()
                line.exchange(get(PROMETHEUS))
                waits.scrape.append(self._server.cpu_seconds() - began)
            line.exchange(_order(NOTHING, SWITCH_SECONDS[case.switch]))
        return waits


def _order(beside: str, switch_seconds: float) -> bytes:
    body = json.dumps({"beside": beside, "switch_seconds": switch_seconds}).encode()
    return b"POST /bench HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def measure(plan: Plan) -> Measurement:
    """Every case in turn, in one process and end to end."""
    waits: Mapping[str, dict[Case, list[list[float]]]] = {what: defaultdict(list) for what in WHAT}
    in_process = InProcess(plan.evaluated)
    with Server("exporter with full series", "bench.full_server", "{port}", str(plan.evaluated)) as server:
        end_to_end = EndToEnd(server, plan.evaluated)
        for turn in range(plan.rounds):
            for case in CASES[turn % len(CASES) :] + CASES[: turn % len(CASES)]:
                waits[APPEND][case].append(in_process.run(case, plan.turn_seconds).ingest)
                found = end_to_end.run(case, TURNS * plan.turn_seconds)
                waits[INGEST][case].append(found.ingest)
                waits[SCRAPE][case].append(found.scrape)
    return report(waits, plan.evaluated)


def report(waits: Mapping[str, Mapping[Case, Sequence[Sequence[float]]]], count: int) -> Measurement:
    """How much longer the longest waits of a turn are than those of the same round with nothing beside."""
    goals = []
    for what, beside in product(WHAT, (EVALUATIONS, FREEZING)):
        alone = longest(waits[what][Case(NOTHING, SHIPPED)])
        with_it = longest(waits[what][Case(beside, SHIPPED)])
        added = Spread.of(MILLI * (long - usual) for long, usual in zip(with_it, alone, strict=True))
        goals.append(Goal(f"longest wait of {what}, added by {beside}", added, LIMIT_MILLISECONDS, "ms"))
    tables = [
        (f"Waits of {what}, ms{CAPTIONS[what]}:", Table(COLUMNS, [row(case, waits[what][case]) for case in CASES]))
        for what in WHAT
    ]
    caption, first = tables[0]
    tables[0] = f"{count} full series. What goes on beside goes on all the time, without a pause. {caption}", first
    return Measurement(goals, [*tables, ratios(waits)])


def ratios(waits: Mapping[str, Mapping[Case, Sequence[Sequence[float]]]]) -> tuple[str, Table]:
    """How much shorter waits are when threads change hands more often."""
    usual, often = SWITCH_SECONDS
    rows = []
    for what, beside in product(WHAT, BESIDE):
        slow, fast = waits[what][Case(beside, usual)], waits[what][Case(beside, often)]
        figures = [Spread.of(figure(a) / figure(b) for a, b in zip(fast, slow, strict=True)) for figure in FIGURES]
        rows.append((what, beside, *map(str, figures)))
    caption = f"Waits when a thread may keep the interpreter for {often}, over those with {usual}:"
    return caption, Table(("waits of", "beside", "median", "99 %", "longest"), rows)


def row(case: Case, turns: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """One line of a table of waits."""
    figures = (str(Spread.of(MILLI * figure(turn) for turn in turns)) for figure in FIGURES)
    return case.beside, case.switch, *figures


def longest(turns: Sequence[Sequence[float]]) -> list[float]:
    """The longest wait of each turn."""
    return [max(turn) for turn in turns]


def _quantile(level: float) -> Callable[[Sequence[float]], float]:
    return lambda waits: float(np.quantile(waits, level))


FIGURES: Final = (_quantile(0.5), _quantile(0.99), _quantile(1.0))
