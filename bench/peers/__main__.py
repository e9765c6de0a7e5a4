"""`python -m bench.peers`: install the peers, run all of them in turns, print the tables."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

from bench.peers.environments import ENVIRONMENTS, ROOT
from bench.report import Goal, Report, Spread, Table, fill, number

PART: Final = "peers"
PAGE: Final = ROOT / "docs" / "performance.md"
MIB: Final = 1024 * 1024
MICRO: Final = 1e6
OURS: Final = "this exporter"


class Peer(NamedTuple):
    """One line of a table."""

    label: str
    environment: str | None
    """None is the project's own."""
    module: str
    goal: float | None = None
    """How many times as many events a CPU-second this project promises."""


class Work(NamedTuple):
    """One table."""

    name: str
    caption: str
    peers: tuple[Peer, ...]


WORKS: Final = (
    Work(
        "scalars",
        "Eleven numbers an event (the length of the vector, ten similarities), batches of 256, into what answers for "
        "drift after 10,240 of them:",
        (
            Peer("whylogs, data frames", "whylogs", "whylogs_profile", 25),
            Peer("prometheus_client, histograms", "prometheus_client", "prometheus_histograms"),
            Peer("river, ADWIN", "river", "river_adwin"),
        ),
    ),
    Work(
        "vectors",
        "Vectors of 768 and ten similarities, batches of 256. The exporter does all that it does with an event once it "
        "is decoded, at 2,000 a second, and evaluates every statistic after 10,240; whylogs profiles each dimension:",
        (Peer("whylogs, data frames", "whylogs", "whylogs_profile", 300),),
    ),
    Work(
        "check",
        "A window of 1,000 vectors of 768 against a reference of 1,000. The exporter's is its whole alarm family with "
        "effects and diagnosis, against a fitted reference; alibi-detect's reference is prepared, too:",
        (
            Peer("alibi-detect, MMD with 100 permutations", "alibi-detect", "alibi_mmd", 10),
            Peer("Evidently, bare MMD", "evidently", "evidently_mmd", 3),
        ),
    ),
)


class Told(NamedTuple):
    """What a process said of one turn."""

    events: int
    drift: str
    cpu_seconds: float
    added_bytes: int

    @property
    def cpu_per_event(self) -> float:
        """Seconds."""
        return self.cpu_seconds / self.events


class Process:
    """A peer that waits for its turns."""

    def __init__(self, peer: Peer, work: str) -> None:
        if peer.environment is None:
            python, module = Path(sys.executable), f"bench.peers.{peer.module}"
        else:
            python, module = ENVIRONMENTS[peer.environment].python, f"bench.peers.foreign.{peer.module}"
        self._label = peer.label
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", module, work],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def turn(self) -> Told:
        """Do the work once. Raises RuntimeError where the process has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Told(**json.loads(self._answer()))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._label} ended; run its module under bench/peers by hand to see why")
        return line


def measure(work: Work, rounds: int) -> tuple[list[Goal], tuple[str, Table]]:
    """All peers of one work in turns, after one turn that does not count."""
    peers = (Peer(OURS, None, "exporter"), *work.peers)
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(peer, work.name)) for peer in peers]
        for each in processes:
            each.turn()
        turns = [[each.turn() for each in processes] for _ in range(rounds)]
    goals, rows = [], []
    for column, peer in enumerate(peers):
        told = [turn[column] for turn in turns]
        times = Spread.of(turn[column].cpu_per_event / turn[0].cpu_per_event for turn in turns)
        if peer.goal is not None:
            promise = f"{work.name}: events per CPU-second, over those of {peer.label}"
            goals.append(Goal(promise, times, peer.goal, "times", at_least=True))
        rows.append(
            (
                peer.label,
                str(Spread.of(MICRO * each.cpu_per_event for each in told)),
                "1" if column == 0 else str(times),
                number(told[-1].added_bytes / MIB),
                told[-1].drift,
            )
        )
    columns = ("library", "CPU, microseconds an event", "times this exporter's", "memory added, MiB", "its answer")
    return goals, (work.caption, Table(columns, rows))


def main() -> int:
    """Install, measure, print; 1 where a promise was not held."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=main.__doc__)
    names = [work.name for work in WORKS]
    parser.add_argument("works", nargs="*", metavar="work", help=f"of {', '.join(names)}; all of them by default")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each peer (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{PAGE.name}")
    options = parser.parse_args()
    if unknown := sorted(set(options.works) - set(names)):
        parser.error(f"no work {', '.join(map(repr, unknown))}; one of {', '.join(names)}")
    chosen = [work for work in WORKS if not options.works or work.name in options.works]
    for name in sorted({peer.environment for work in chosen for peer in work.peers if peer.environment}):
        ENVIRONMENTS[name].install()
    goals: list[Goal] = []
    tables = []
    for work in chosen:
        print(f"{work.name}: {options.rounds} rounds", file=sys.stderr, flush=True)
        held, table = measure(work, options.rounds)
        goals += held
        tables.append(table)
    report = Report(PART, goals, tables, options.rounds)
    print(report.markdown())
    if options.write:
        PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), PART, report.markdown()), encoding="utf-8")
    return int(any(not goal.held for goal in goals))


if __name__ == "__main__":
    sys.exit(main())
