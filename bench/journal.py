"""What the journal costs: the same requests to two exporters, one of which has them on disk before it answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.exporter import Exporter
from bench.fill import baseline_files
from bench.load import Driven, Pool, Shape, drive
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table

PART: Final = "journal"
BATCHES: Final = (1, 16, 64)
CONNECTIONS: Final = 16
"""Requests under way: those that come while the disk is waited for share the next wait."""
LIMIT: Final = 0.8
WARM_UP_SECONDS: Final = 2.0
MEMORY: Final = "memory"
JOURNAL: Final = "journal"
MICRO: Final = 1e6


def measure(plan: Plan) -> Report:
    """Drive both in turn, with batches of each size."""
    pools = {batch: Pool(Shape("base64", batch)) for batch in BATCHES}
    turns: dict[str, dict[int, list[Driven]]] = {MEMORY: defaultdict(list), JOURNAL: defaultdict(list)}
    # Beside the code, not in /tmp, which may be memory.
    with TemporaryDirectory(dir=Path(__file__).parent) as folder:
        files = baseline_files(Path(folder), 1)
        state = ("--state-dir", str(Path(folder) / "state"), "--state-mode", "journal")
        with Exporter(files) as memory, Exporter(files, state) as journal:
            exporters = {MEMORY: memory, JOURNAL: journal}
            for exporter in exporters.values():
                drive(exporter, pools[64], WARM_UP_SECONDS, connections=CONNECTIONS)
            for turn in range(plan.rounds):
                names = (MEMORY, JOURNAL) if turn % 2 else (JOURNAL, MEMORY)
                for batch, pool in pools.items():
                    for name in names:
                        driven = drive(exporters[name], pool, plan.turn_seconds, connections=CONNECTIONS)
                        turns[name][batch].append(driven)
    return report(turns, plan.rounds)


def report(turns: Mapping[str, Mapping[int, Sequence[Driven]]], rounds: int) -> Report:
    """Events per CPU-second of the one over the other, in turns of the same round."""
    goals, rows = [], []
    for batch in BATCHES:
        without, with_it = turns[MEMORY][batch], turns[JOURNAL][batch]
        ratio = Spread.of(one.cpu_per_event / other.cpu_per_event for one, other in zip(without, with_it, strict=True))
        goals.append(
            Goal(
                f"events per CPU-second with a journal, batches of {batch}, over those without",
                ratio,
                LIMIT,
                "",
                at_least=True,
            )
        )
        waits = [
            Spread.of(1e3 * (end - start) for each in driven for start, end in each.exchanges)
            for driven in (without, with_it)
        ]
        rows.append((str(batch), micros(without), micros(with_it), str(ratio), *map(str, waits)))
    columns = (
        *("batch", "without: CPU, microseconds an event", "with it"),
        *("times the events per CPU-second", "without: a request, ms", "with it"),
    )
    caption = (
        f"{CONNECTIONS} requests under way, vectors in base64, ten scores; the CPU is that of the whole process, its "
        "waits for the disk and snapshots every 15 s included."
    )
    return Report(PART, goals, [(caption, Table(columns, rows))], rounds)


def micros(driven: Sequence[Driven]) -> str:
    """CPU of an event."""
    return str(Spread.of(MICRO * each.cpu_per_event for each in driven))
