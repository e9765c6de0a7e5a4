"""`make test-month`: simulate thirty days, judge them, and measure what the rules cost."""

from __future__ import annotations

import os

# Read by OpenBLAS on import: there is a process a core already.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from bench.detection.traffic import DAY
from bench.month import backfill, judge, record, simulate, speed
from bench.month.fleet import FLEET, Member
from bench.month.quick import CHANGE_SECONDS, CONTROLS, PAGED, QUICK, QUICK_DAYS, TOLD
from bench.month.server import server

OUT: Final = Path(__file__).parents[1] / "out" / "month"
DAYS: Final = 30.0
STEP_SECONDS: Final = 300.0
"""Between two looks at an alert."""
TICKETS: Final = 1
"""That thirty days of the fleet may open. No page may come."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where the promise is held, 1 where it is not, 2 where a program of Debian's is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.month", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few series and days, two of them with a change: minutes")
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

    programs = shutil.which("promtool"), shutil.which("prometheus")
    if None in programs:
        print("promtool and prometheus are needed: install the Debian package prometheus", file=sys.stderr)
        return 2
    promtool, prometheus = str(programs[0]), str(programs[1])
    members = (*QUICK, *CONTROLS) if options.quick else FLEET
    days = QUICK_DAYS if options.quick else DAYS
    kept = OUT / simulate.digest()
    began = time.monotonic()
    simulate.simulate(members, days, kept)
    with tempfile.TemporaryDirectory(prefix="embedding-drift-month-") as temporary:
        directory = Path(temporary)
        begins = time.time() // STEP_SECONDS * STEP_SECONDS - days * DAY
        incidents = judged((promtool, prometheus), members, days, begins, kept, directory)
        for each in incidents:
            print(f"  {each.call}: {', '.join(each.alerts)}: {dict(each.group)} from hour {each.begin / 3600:.1f}")
        failures = verdict(incidents, members)
        print(looked(members, days, kept))
        if not options.quick:
            failures += costs((promtool, prometheus), members, days, begins, kept, directory)
    print(f"{len(members)} series, {days:g} days: {(time.monotonic() - began) / 60:.0f} min")
    for failure in failures:
        print(f"not held: {failure}", file=sys.stderr)
    return 1 if failures else 0


def judged(  # noqa: PLR0917 - what is judged, of when, and where it lies
    programs: tuple[str, str], members: Sequence[Member], days: float, begins: float, kept: Path, directory: Path
) -> Sequence[judge.Incident]:
    """Load the series, record the rules, ask the alerts; times of incidents are seconds from the first midnight.

    The blocks stay in the directory, and end at the present moment.
    """
    data = directory / "prometheus"
    told = _Told()
    paths = [simulate.path_of(each, days, kept) for each in members]
    samples = backfill.load(programs[0], [simulate.scraped(path) for path in paths], begins, data)
    told(f"loaded {samples / 1e6:.1f} million samples")
    end = begins + days * DAY
    record.backfill(programs, record.needed(), (begins, end, STEP_SECONDS), data)
    told("recorded what alerts read")
    with server(programs[1], directory / "idle", directory) as running:
        firings = [*judge.ask(running, begins, end, STEP_SECONDS)]
    told("asked every alert")
    return [
        judge.Incident(each.call, each.group, each.begin - begins, each.end - begins, each.alerts)
        for each in judge.incidents(firings)
    ]


def verdict(incidents: Sequence[judge.Incident], members: Sequence[Member]) -> list[str]:
    """What is not as it should be: healthy series are silent, controls are not."""
    controls = {each.name for each in CONTROLS} & {each.name for each in members}
    counted = Counter(each.call for each in incidents if each.group.get("model") not in controls)
    print(f"healthy series: {counted['page']} pages, {counted['ticket']} tickets")
    found = [] if not counted["page"] else [f"{counted['page']} pages of healthy series, 0 are allowed"]
    if counted["ticket"] > TICKETS:
        found.append(f"{counted['ticket']} tickets of healthy series, {TICKETS} is allowed")
    for control, calls in ((PAGED, ("page",)), (TOLD, ("page", "ticket"))):
        if control.name not in controls:
            continue
        own = [each for each in incidents if each.group.get("model") == control.name]
        if not any(each.call in calls and each.begin >= CHANGE_SECONDS for each in own):
            found.append(f"no {' or '.join(calls)} for {control.name}")
        if any(each.begin < CHANGE_SECONDS for each in own):
            found.append(f"{control.name} was told of before anything had changed")
    return found


def looked(members: Sequence[Member], days: float, kept: Path) -> str:
    """How much of the time a window had a score, and one above 1."""
    looks = sum((simulate.looks_of(each, days, kept) for each in members if each not in CONTROLS), Counter[str]())
    rows = ["| window and baseline | with a score, series-days | above 1 |", "|---|--:|--:|"]
    for place in sorted(name for name in looks if name.count(" ") == 1):
        above = looks[f"{place} above"] / looks[place]
        rows.append(f"| {place} | {looks[place] * STEP_SECONDS / DAY:,.1f} | {100 * above:.2f} % |")
    return "\n".join(rows)


def costs(  # noqa: PLR0917 - as `judged`
    programs: tuple[str, str], members: Sequence[Member], days: float, begins: float, kept: Path, directory: Path
) -> list[str]:
    """Measure an evaluation of all rules; what is over its limit."""
    told = _Told()
    speed.thicken(programs, begins + days * DAY, directory / "prometheus")
    told("recorded as densely as in service")
    lines = b"".join(simulate.last_of(simulate.path_of(each, days, kept)) for each in members)
    durations = speed.measure(programs[1], lines, directory)
    for group, each in durations.items():
        print(f"  {group}: {', '.join(f'{seconds:.3f}' for seconds in each)} s")
    whole = sum(each[-1] for each in durations.values())
    print(f"all rules once: {whole:.2f} s, at most {speed.LIMIT_SECONDS:g} s")
    return [f"all rules take {whole:.2f} s"] if whole > speed.LIMIT_SECONDS else []


class _Told:
    """Says what was done, and how long that took."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, what: str) -> None:
        now = time.monotonic()
        print(f"{what} in {now - self._began:.0f} s", flush=True)
        self._began = now


if __name__ == "__main__":
    sys.exit(main())
