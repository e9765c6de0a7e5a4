"""Every series of the month simulated once, two at a time, and kept: what a scrape would have brought, and when."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final

from backports import zstd

from bench.detection.traffic import DAY, STEP_SECONDS
from bench.month.exporter import BEGINS, Exporter, Scraped
from bench.month.fleet import CLASSES, Member

_ROOT: Final = Path(__file__).parents[2]
_DECIDES: Final = (
    *(
        f"app/{part}/*.py"
        for part in ("baseline", "config", "drift", "evaluate", "metrics", "series", "sketch", "store")
    ),
    "app/*.py",
    "bench/detection/traffic.py",
    "bench/detection/synthetic.py",
    "bench/month/exporter.py",
    "bench/month/fleet.py",
    "bench/month/service.py",
)
COUNTING: Final = 60.0
"""What a day of counting costs, in evaluations."""

_RECORD: Final = struct.Struct("<dII")
"""When, bytes of the lines with times, bytes of all other lines."""


def digest() -> str:
    """Of the code that what is simulated depends on: another one simulates anew."""
    hashed = hashlib.sha256()
    for pattern in _DECIDES:
        for path in sorted(_ROOT.glob(pattern)):
            hashed.update(path.read_bytes())
    return hashed.hexdigest()[:12]


def simulate(members: Sequence[Member], days: float, directory: Path) -> None:
    """Simulate the members that the directory does not have yet, and say how far that is."""
    directory.mkdir(parents=True, exist_ok=True)
    missing = [each for each in members if not path_of(each, days, directory).exists()]
    costs = {each: COUNTING + DAY / CLASSES[each.of].evaluation_seconds for each in missing}
    whole, done, began = sum(costs.values()), 0.0, time.monotonic()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        running = {pool.submit(one, each, days, directory): each for each in missing}
        for number, future in enumerate(as_completed(running), 1):
            future.result()
            done += costs[running[future]]
            passed = time.monotonic() - began
            left = passed * (whole - done) / done
            print(
                f"simulated {number} of {len(missing)} series in {_minutes(passed)}, {_minutes(left)} left", flush=True
            )


def one(member: Member, days: float, directory: Path) -> None:
    """Simulate one series into its file, and what its scores were into another."""
    path = path_of(member, days, directory)
    part = path.with_suffix(".part")
    exporter = Exporter(member)
    looks: Counter[str] = Counter()
    with zstd.open(part, "wb", level=1) as file:
        for each in exporter.run(days * DAY):
            file.write(_RECORD.pack(each.now - BEGINS, len(each.dated), len(each.plain)))
            file.write(each.dated)
            file.write(each.plain)
            if (each.now - BEGINS) % STEP_SECONDS == 0:
                _look(exporter, looks)
    path.with_suffix(".json").write_text(json.dumps(looks, indent=1))
    part.rename(path)


def _look(exporter: Exporter, looks: Counter[str]) -> None:
    """How often a window had a score, and how often one above 1, against which baseline."""
    for view in exporter.evaluation.series.values():
        highest: dict[tuple[str, str], float] = {}
        for score in view.scores:
            if score.score is not None:
                place = score.window, score.baseline
                highest[place] = max(highest.get(place, 0.0), score.score)
                looks[f"{score.window} {score.baseline} {score.statistic}"] += score.score > 1
        for (window, baseline), largest in highest.items():
            looks[f"{window} {baseline}"] += 1
            looks[f"{window} {baseline} above"] += largest > 1


def path_of(member: Member, days: float, directory: Path) -> Path:
    """Where a series is kept."""
    told = hashlib.sha256(repr(member).encode()).hexdigest()[:8]
    return directory / f"{member.name}-{told}-{days:g}d.zst"


def looks_of(member: Member, days: float, directory: Path) -> Counter[str]:
    """What `one` counted of its scores."""
    found: dict[str, Any] = json.loads(path_of(member, days, directory).with_suffix(".json").read_text())
    return Counter(found)


def scraped(path: Path) -> Iterator[Scraped]:
    """What was simulated, in order of time, in seconds from the first midnight."""
    with zstd.open(path, "rb") as file:
        while head := _exactly(file, _RECORD.size):
            now, dated, plain = _RECORD.unpack(head)
            yield Scraped(now, _exactly(file, dated), _exactly(file, plain))


def last_of(path: Path) -> bytes:
    """The lines of the last scrape that brought all of a series."""
    last = b""
    for each in scraped(path):
        if each.dated and b"_bucket{" in each.plain:
            last = each.dated + each.plain
    return last


def _exactly(file: zstd.ZstdFile, size: int) -> bytes:
    parts = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
