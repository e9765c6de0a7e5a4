"""Recording rules over the past: those that alerts need, in the order in which they read each other."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from bench.month.backfill import create_blocks
from bench.month.read import names_in
from bench.month.server import server
from prometheus.alerts import ALERTING
from prometheus.recording import RECORDING
from prometheus.rule import Record


def needed() -> Sequence[Record]:
    """The recording rules that alerts read, or that those read."""
    rules = [rule for group in RECORDING for rule in group.rules if isinstance(rule, Record)]
    by_name: dict[str, list[Record]] = {}
    for rule in rules:
        by_name.setdefault(rule.name, []).append(rule)
    asked = {name for group in ALERTING for rule in group.rules for name in names_in(rule.rendered()["expr"])}
    found: set[str] = set()
    while waiting := (asked & by_name.keys()) - found:
        found |= waiting
        asked |= {name for each in waiting for rule in by_name[each] for name in names_in(rule.expr)}
    return [rule for rule in rules if rule.name in found]


def levels(rules: Sequence[Record]) -> Sequence[Sequence[Record]]:
    """Each level reads what the levels before it have recorded. What a rule reads of its own name is the past's.

    Raises ValueError where rules read each other in a circle.
    """
    reads: Mapping[str, set[str]] = {
        rule.name: {name for each in rules if each.name == rule.name for name in names_in(each.expr)} - {rule.name}
        for rule in rules
    }
    left, done, found = dict(reads), set[str](), []
    while left:
        ready = {name for name, read in left.items() if not (read & reads.keys()) - done}
        if not ready:
            message = f"these rules read each other in a circle: {', '.join(sorted(left))}"
            raise ValueError(message)
        found.append([rule for rule in rules if rule.name in ready])
        done |= ready
        left = {name: read for name, read in left.items() if name not in ready}
    return found


IDLE: Final = {"global": {"evaluation_interval": "1h", "scrape_interval": "1h"}}
"""The configuration of a Prometheus that is only asked."""


def backfill(programs: tuple[str, str], rules: Sequence[Record], times: tuple[float, float, float], data: Path) -> None:
    """Record the rules from a time to a time in steps, into the data of a Prometheus that does not run.

    `programs` are promtool and prometheus, `times` start, end and step.
    """
    promtool, prometheus = programs
    start, end, step = times
    configuration, made = data.parent / "idle", data.parent / "made"
    configuration.mkdir(exist_ok=True)
    (configuration / "prometheus.yml").write_text(yaml.safe_dump(IDLE))
    for number, level in enumerate(levels(rules), 1):
        file = data.parent / "level.yml"
        group = {"name": f"level {number}", "interval": f"{step:g}s", "rules": [rule.rendered() for rule in level]}
        file.write_text(yaml.safe_dump({"groups": [group]}))
        with server(prometheus, configuration, data.parent) as running:
            create_blocks(
                promtool,
                "rules",
                f"--url={running.url}",
                f"--start={start:.0f}",
                f"--end={end:.0f}",
                f"--output-dir={made}",
                str(file),
            )
        for block in made.iterdir():
            block.rename(data / block.name)
        shutil.rmtree(made)
        print(f"recorded level {number}: {len(level)} rules", flush=True)
