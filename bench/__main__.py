"""`python -m bench`: measure, print the tables, and with --write put them into docs/performance.md.

The exit status is 1 when a promise was not held, so that a slower exporter does not pass unseen.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from app import allocator, logs
from bench import (
    bare,
    client_cost,
    distinct,
    evaluate,
    growth,
    ingest,
    journal,
    memory,
    profile,
    rendering,
    scrape,
    state,
)
from bench.plan import FULL, QUICK
from bench.report import Report, fill
from bench.server import LOAD_CORE

PARTS: Final = {
    part.PART: part.measure
    for part in (
        ingest,
        bare,
        journal,
        state,
        evaluate,
        memory,
        distinct,
        scrape,
        rendering,
        growth,
        profile,
        client_cost,
    )
}
PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def main() -> int:
    """Run the chosen parts, one after the other."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="What the exporter costs, as ratios of one run."
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{PAGE.name}")
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(map(repr, unknown))}; one of {', '.join(PARTS)}")
    if options.quick and options.write:
        parser.error("--write wants the rounds of a full run: leave out --quick")

    plan = QUICK if options.quick else FULL
    # The servers run on the first core; all that drives them on the last.
    os.sched_setaffinity(0, {LOAD_CORE})
    # What is measured in this process runs as in the exporter.
    allocator.settle(os.environ)
    logs.configure("warning", "logfmt")
    missed = 0
    for name in options.parts or PARTS:
        report: Report = PARTS[name](plan)
        missed += sum(not goal.held for goal in report.goals)
        print(f"## {name}\n\n{report.markdown()}\n", flush=True)
        if options.write:
            page = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(fill(page, name, report.markdown()), encoding="utf-8")
            for file, picture in report.pictures.items():
                (PAGE.parent / "images" / file).write_text(picture, encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
