"""`python -m bench.guard`: whether anything became slower by a fifth since the ratios in guard.json were written.

Each case is timed beside a calibration loop of the same moment and judged by its ratio to it: that carries from machine
to machine, where milliseconds do not. The best of several rounds of each is taken, for noise only ever adds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from app import allocator, logs
from bench.guarded import CASES

RATIOS: Final = Path(__file__).with_name("guard.json")
TOLERANCE: Final = 1.2
"""A loss of more than a fifth fails."""
ROUNDS: Final = 10
TRIES: Final = 3
"""A case that seems slower is measured again: a loss is there each time, a busy minute is not."""

Case = Callable[[], object]


class Verdict(NamedTuple):
    """One case against what it took when its ratio was written."""

    name: str
    ratio: float
    committed: float | None
    """None where none was written yet."""

    @property
    def change(self) -> float | None:
        """1 is no change, above it is slower."""
        return None if self.committed is None else self.ratio / self.committed

    @property
    def held(self) -> bool:
        """Whether it is known and no slower than allowed."""
        return self.change is not None and self.change <= TOLERANCE

    def __str__(self) -> str:
        """The verdict as a line of text.

        >>> str(Verdict("scrape", 1.1, 1.0)), str(Verdict("scrape", 1.3, 1.0)), str(Verdict("scrape", 1.3, None))
        ('ok    scrape: 1.10 of what it took', 'LOSS  scrape: 1.30 of what it took', 'NEW   scrape: no ratio yet')
        """
        if self.change is None:
            return f"NEW   {self.name}: no ratio yet"
        return f"{'ok   ' if self.held else 'LOSS '} {self.name}: {self.change:.2f} of what it took"


def calibration() -> None:
    """The kinds of work that the exporter does, by code that is not its own: some 10 ms."""
    document = json.dumps([[index / 7 for index in range(256)]] * 16)
    for _ in range(3):
        json.loads(document)
    rows = np.random.default_rng(7).normal(size=(256, 768)).astype(np.float32)
    for _ in range(8):
        np.sort(rows[:16], axis=1)
        rows @ rows[:64].T
        np.einsum("ij,ij->i", rows, rows)
    counts: dict[str, int] = {}
    for index in range(20_000):
        name = f"document-{index % 997}"
        counts[name] = counts.get(name, 0) + 1


def measure(case: Case, rounds: int = ROUNDS) -> float:
    """CPU of the case over that of the calibration loop, the best of so many rounds of both in turn."""
    case()
    best, unit = np.inf, np.inf
    for _ in range(rounds):
        unit = min(unit, _cpu_seconds(calibration))
        best = min(best, _cpu_seconds(case))
    return float(best / unit)


def judge(name: str, case: Case, committed: Mapping[str, float], timed: Callable[[Case], float] = measure) -> Verdict:
    """Measure the case, again where it seems slower, and hold the best against the committed ratio."""
    before = committed.get(name)
    verdict = Verdict(name, timed(case), before)
    for _ in range(TRIES - 1):
        if verdict.held or before is None:
            break
        verdict = min(verdict, Verdict(name, timed(case), before), key=lambda each: each.ratio)
    return verdict


def _cpu_seconds(work: Case) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> int:
    """Measure every case; the exit status is 1 where one is slower than allowed, or not known."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help=f"write the ratios of this run to {RATIOS.name}")
    options = parser.parse_args()
    # What is measured in this process runs as in the exporter.
    allocator.settle(os.environ)
    logs.configure("warning", "logfmt")
    committed = json.loads(RATIOS.read_text(encoding="utf-8"))
    verdicts = []
    for name, make in CASES.items():
        case = make()
        if options.write:
            verdicts.append(Verdict(name, statistics.median(measure(case) for _ in range(TRIES)), committed.get(name)))
        else:
            verdicts.append(judge(name, case, committed))
        print(verdicts[-1], flush=True)
    if options.write:
        text = json.dumps({each.name: float(f"{each.ratio:.3g}") for each in verdicts}, indent=2)
        RATIOS.write_text(f"{text}\n", encoding="utf-8")
        return 0
    if not all(each.held for each in verdicts):
        print(
            f"slower than {TOLERANCE:g} times what is committed in bench/{RATIOS.name}, or not in it: find out why "
            "(make bench has the parts), or commit new ratios (python -m bench.guard --write) and say in the message "
            "what was bought with them",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
