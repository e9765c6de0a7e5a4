"""What a full state directory costs: its size, snapshots, how long they hold a series, a start with it, and ingest."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app.baseline import Pinned
from app.clock import Clock
from app.intake import Intake, Ledger, Repeats
from app.lifecycle import Lifecycle
from app.model import Timing
from app.outcomes import OutcomeMemory
from app.state import INTERVAL_SECONDS, Keeper, Kept, StateDirectory
from app.store import MemoryStore, SeriesStore
from app.tree import Part, Pieces, Tree
from bench.collected import ToldClock
from bench.fill import NOW, budget, full_store
from bench.full import traffic
from bench.load import Driven, Pool, Shape, drive
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table, number
from bench.server import Server

PART: Final = "state"
SNAPSHOT_SECONDS: Final = INTERVAL_SECONDS
BATCHES: Final = 4
"""Of 64 events, given to each series between two snapshots: 17 events a second."""
SNAPSHOTS: Final = 8
"""After the first."""
HELD_LIMIT_MS: Final = 20.0
READY_LIMIT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.02
WAIT_SECONDS: Final = 120.0
FIRST_EVALUATION_SECONDS: Final = Timing().evaluation_seconds
"""After the start."""
SCORES_LIMIT_SECONDS: Final = 5.0
NO_SNAPSHOTS_SECONDS: Final = 1e9
SHAPE: Final = Shape("base64", 64)
KEPT: Final = 0.9
"""Of the events per CPU-second, with snapshots."""
FRESHNESS_SECONDS: Final = 3600.0
MIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Saved:
    """What one snapshot took."""

    wall_seconds: float
    cpu_seconds: float
    held_ms: tuple[float, ...]
    """Of each series: its lock is held while it is frozen."""


class TimedStore(MemoryStore):
    """Has each series frozen with a clock beside it."""

    def __init__(self, timing: Timing, count: int) -> None:
        super().__init__(timing, max_series=count, max_state_bytes=sys.maxsize, seed=7)
        self.held_ms: list[float] = []

    def parts(self, now: Callable[[], float]) -> Iterator[Part]:
        """Yield the same parts."""
        for part in super().parts(now):
            yield Part(part.name, partial(self._frozen, part)) if part.name.startswith("series/") else part

    def _frozen(self, part: Part, pieces: Pieces) -> Tree:
        begun = time.perf_counter()
        tree = part.freeze(pieces)
        self.held_ms.append(1e3 * (time.perf_counter() - begun))
        return tree


class Full:
    """Full series with final baselines, and what keeps them in a directory."""

    def __init__(self, folder: Path, count: int) -> None:
        timing = Timing()
        self.clock = ToldClock(NOW)
        self.store = TimedStore(timing, count)
        pinned = Pinned(timing, min_events=0, budget=budget(timing))
        full_store(self.store, pinned, count)
        for baseline in pinned.all():
            # As the first evaluation does.
            pinned.calibrations(baseline)
        self.keeper = keeper(folder, self.store, pinned, self.clock)
        self._traffic = traffic(count)

    def save(self) -> Saved:
        """Write a snapshot."""
        self.store.held_ms.clear()
        wall, cpu = time.perf_counter(), time.thread_time()
        if not self.keeper.save():
            raise RuntimeError("the state could not be saved")
        return Saved(time.perf_counter() - wall, time.thread_time() - cpu, tuple(self.store.held_ms))

    def go_on(self) -> None:
        """Let events come until the next snapshot is due."""
        for _ in range(BATCHES):
            self.clock.seconds += SNAPSHOT_SECONDS / BATCHES
            for each in self._traffic:
                self.store.append(each.next_batch(self.clock.seconds), self.clock.seconds)
        self.store.totals(self.clock.seconds)


def keeper(folder: Path, store: SeriesStore, pinned: Pinned, clock: Clock) -> Keeper:
    """What keeps these in a directory, with nothing beside them."""
    secret = bytes(32)
    lifecycle, outcomes = Lifecycle(secret, FRESHNESS_SECONDS), OutcomeMemory()
    intake = Intake(Ledger(store, outcomes, lifecycle, secret, Repeats()))
    return Keeper(StateDirectory.take(folder), Kept(store, pinned, lifecycle, outcomes, intake, Timing(), clock))


@dataclass(frozen=True, slots=True)
class Started:
    """Seconds from the start of a process, by the clock and of its CPU time, which neighbours lengthen less."""

    ready: float
    ready_cpu: float
    scores: float
    scores_cpu: float
    """Since it was ready: evaluations, and some scrapes."""


def exporter(folder: Path, began: float, interval_seconds: float = SNAPSHOT_SECONDS) -> Server:
    """An exporter with the state of a directory, which it saves so often."""
    return Server("exporter", "bench.state_server", "{port}", str(folder), repr(began), repr(interval_seconds))


def start(folder: Path, began: float) -> Started:
    """Start an exporter with the state: when it is ready, and when a scrape has scores."""
    begun = time.perf_counter()
    with exporter(folder, began) as server:
        waited(server, "/-/ready", b"")
        ready, ready_cpu = time.perf_counter() - begun, server.cpu_seconds()
        waited(server, "/metrics", b"\nembedding_drift_score{", every_seconds=1.0)
        return Started(ready, ready_cpu, time.perf_counter() - begun, server.cpu_seconds() - ready_cpu)


@dataclass(frozen=True, slots=True)
class Turn:
    """What both exporters did with the same requests, one after the other."""

    without: Driven
    """Snapshots."""
    with_it: Driven

    @property
    def cores(self) -> list[float]:
        """Percent of a core that each had: snapshots, which come by the clock, cost the more the less that is."""
        return [100 * each.cpu_seconds / each.wall_seconds for each in (self.without, self.with_it)]


def ingest(folder: Path, began: float, rounds: int, seconds: float) -> list[Turn]:
    """Drive two exporters with the same state in turn, one of which saves it once in each turn."""
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    pool = Pool(SHAPE)
    turns = []
    with exporter(folder, began) as saving, exporter(other, began, NO_SNAPSHOTS_SECONDS) as quiet:
        for server in (saving, quiet):
            # Until after the first evaluation and the first snapshot, which has all that the start made anew.
            waited(server, "/metrics", b"\nembedding_drift_score{")
        time.sleep(seconds)
        for turn in range(rounds):
            driven = {server: drive(server, pool, seconds) for server in ((saving, quiet)[:: 1 - 2 * (turn % 2)])}
            turns.append(Turn(driven[quiet], driven[saving]))
    return turns


def waited(server: Server, path: str, wanted: bytes, every_seconds: float = POLL_SECONDS) -> None:
    """Ask until it answers 200 with what is wanted; RuntimeError when it does not in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=60) as reply:
                if wanted in reply.read():
                    return
        except urllib.error.URLError:
            pass
        time.sleep(every_seconds)
    raise RuntimeError(f"no {wanted!r} at {path} within {WAIT_SECONDS:g} s:\n{server.output()}")


def measure(plan: Plan) -> Report:
    """Fill series, save them, let traffic come and save again, then start with what was saved."""
    count = plan.kept
    # Beside the code, not in /tmp, which may be memory.
    with TemporaryDirectory(dir=Path(__file__).parent) as folder:
        state = Path(folder) / "state"
        full = Full(state, count)
        first = full.save()
        nbytes = full.keeper.directory.nbytes()
        following = []
        for _ in range(SNAPSHOTS):
            full.go_on()
            following.append(full.save())
        full.keeper.directory.release()
        began = full.clock.seconds
        del full
        rounds = min(3, plan.rounds)
        starts = [start(state, began) for _ in range(rounds)]
        turns = ingest(state, began, rounds, SNAPSHOT_SECONDS)
    return report(Measured(count, nbytes, first, following, starts, turns))


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured."""

    count: int
    nbytes: int
    """On disk, after the first snapshot."""
    first: Saved
    following: list[Saved]
    starts: list[Started]
    turns: list[Turn]


def report(found: Measured) -> Report:
    """The promises, and what each snapshot took."""
    count, first, following, starts, turns = found.count, found.first, found.following, found.starts, found.turns
    goals = [
        Goal(
            "the first snapshot holds a series, all of whose panes it writes (all series)",
            Spread.of(first.held_ms),
            HELD_LIMIT_MS,
            "ms",
        ),
        Goal(
            "the following ones, the series that each holds longest",
            Spread.of(max(each.held_ms) for each in following),
            HELD_LIMIT_MS,
            "ms",
        ),
        Goal(
            f"from the start of a process to ready, {count} full series: CPU",
            Spread.of(each.ready_cpu for each in starts),
            READY_LIMIT_SECONDS,
            "s",
        ),
        Goal(
            f"from ready to scores in a scrape, {count} full series: CPU",
            Spread.of(each.scores_cpu for each in starts),
            SCORES_LIMIT_SECONDS,
            "s",
        ),
        Goal(
            "events per CPU-second with snapshots, over those without",
            Spread.of(turn.without.cpu_per_event / turn.with_it.cpu_per_event for turn in turns),
            KEPT,
            "",
            at_least=True,
        ),
    ]
    cpu = statistics.median(each.cpu_seconds for each in following)
    ways = (
        ("without snapshots", [turn.without for turn in turns]),
        ("with them", [turn.with_it for turn in turns]),
    )
    rows = [
        ("on disk, after the first snapshot, MiB a series", number(found.nbytes / count / MIB)),
        ("first snapshot: wall, s", number(first.wall_seconds)),
        ("first snapshot: CPU, s", number(first.cpu_seconds)),
        ("following ones: wall, s", str(Spread.of(each.wall_seconds for each in following))),
        ("following ones: CPU, s", str(Spread.of(each.cpu_seconds for each in following))),
        ("following ones: CPU as a share of a core, %", number(100 * cpu / SNAPSHOT_SECONDS)),
        (
            "following ones, all series held one after the other, as the cut of a journal does, ms",
            str(Spread.of(sum(each.held_ms) for each in following)),
        ),
        ("start to ready: wall, s", str(Spread.of(each.ready for each in starts))),
        ("start to scores in a scrape: wall, s", str(Spread.of(each.scores for each in starts))),
        (
            "ingest: share of a core that an exporter had, %",
            str(Spread.of(had for turn in turns for had in turn.cores)),
        ),
        *((f"a request of {SHAPE.batch} events, {name}, ms", waits(driven)) for name, driven in ways),
    ]
    caption = (
        f"{count} full series with final baselines; between two snapshots each is given {BATCHES} batches of 64 events "
        f"with vectors within {SNAPSHOT_SECONDS:g} s. The first evaluation comes {FIRST_EVALUATION_SECONDS:g} seconds "
        "after the start. Ingest is of one of the series, at full speed, by two exporters with the same state, in "
        f"turns of {SNAPSHOT_SECONDS:g} s: one of them writes a snapshot in each."
    )
    return Report(PART, goals, [(caption, Table(("", "measured"), rows))], len(starts))


def waits(driven: list[Driven]) -> str:
    """Median and 99th percentile of all requests, and the longest."""
    every = [1e3 * wait for each in driven for wait in each.latencies_seconds]
    cuts = statistics.quantiles(every, n=100)
    return f"{number(cuts[49])}, 99 % {number(cuts[98])}, at most {number(max(every))}"
