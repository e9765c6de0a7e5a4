"""What an evaluation of all shipped rules costs a Prometheus that has thirty days of the series behind it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import yaml

from bench.month.backfill import INSTANCE
from bench.month.record import backfill
from bench.month.server import Server, server
from prometheus.alerts import ALERTING
from prometheus.families import LABELS
from prometheus.recording import RECORDING
from prometheus.rule import Record
from prometheus.thresholds import seconds

SHIPPED: Final = Path(__file__).parents[2] / "prometheus"
SCRAPE_SECONDS: Final = 15.0
"""As in prometheus.yml."""
EVALUATION_SECONDS: Final = 30.0
"""Of groups that name no interval of their own."""

LIMIT_SECONDS: Final = 2.0
EVALUATIONS: Final = 3
"""Of each group, the first of which opens what nobody has read for long."""
PATIENCE_SECONDS: Final = 900.0

_RANGE: Final = re.compile(r"([a-z_:]\w*(?::\w+)*)(?:\{[^}]*\})?\[(\d+[smhd])\]")


def ranges() -> Mapping[str, int]:
    """The longest range, in seconds, that a rule reads of each metric, its offset included roughly: an hour more."""
    found: dict[str, int] = {}
    for group in (*RECORDING, *ALERTING):
        for rule in group.rules:
            for name, duration in _RANGE.findall(rule.rendered()["expr"]):
                found[name] = max(found.get(name, 0), seconds(duration) + 3600)
    return found


def thicken(programs: tuple[str, str], end: float, data: Path) -> None:
    """Give what rules read by the range the samples that it has in service.

    The past was written every 150 s and recorded every 300 s; scrapes come every 15 s and recordings as often as their
    groups are evaluated. Values between two samples are those of the former, as a scrape would have found them.
    """
    intervals = {
        rule.name: seconds(group.interval) if group.interval else EVALUATION_SECONDS
        for group in RECORDING
        for rule in group.rules
        if isinstance(rule, Record)
    }
    by: dict[tuple[float, int], list[Record]] = {}
    for name, length in ranges().items():
        if name in LABELS or name in intervals:
            by.setdefault((intervals.get(name, SCRAPE_SECONDS), length), []).append(Record(name, name))
    for (interval, length), records in sorted(by.items()):
        backfill(programs, records, (end - length, end, interval), data)


def measure(prometheus: str, lines: bytes, directory: Path) -> Mapping[str, Sequence[float]]:
    """Durations, in seconds, of evaluations of each group of rules, while the last scrape comes again and again.

    `lines` are those of that scrape, without times and labels of the target. Waits for `EVALUATIONS` of every group.
    """
    configuration = directory / "shipped"
    configuration.mkdir()
    shipped = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    with _target(lines) as address:
        job = shipped["scrape_configs"][0]
        job["static_configs"] = [{"targets": [address], "labels": {"instance": INSTANCE}}]
        del shipped["alerting"]
        shipped["rule_files"] = [str(SHIPPED / "rules" / "*.yml")]
        (configuration / "prometheus.yml").write_text(yaml.safe_dump(shipped))
        with server(prometheus, configuration, directory) as running:
            return _durations(running)


def _durations(running: Server) -> Mapping[str, Sequence[float]]:
    seen: dict[str, list[float]] = {}
    iterations: dict[str, float] = {}
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        counted = running.own("prometheus_rule_group_iterations_total")
        lasted = running.own("prometheus_rule_group_last_duration_seconds")
        for group, count in counted.items():
            if count > iterations.get(group, 0) and group in lasted:
                iterations[group] = count
                seen.setdefault(group.partition(";")[2].rstrip('"}'), []).append(lasted[group])
        if seen and len(seen) == len(counted) and all(len(each) >= EVALUATIONS for each in seen.values()):
            return seen
        time.sleep(1)
    message = f"not every group of rules was evaluated {EVALUATIONS} times in {PATIENCE_SECONDS:g} s"
    raise RuntimeError(message)


@contextmanager
def _target(lines: bytes) -> Iterator[str]:
    """Something to scrape: the same lines each time."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(lines)

        def log_message(self, *_: object) -> None:
            """Not on our terminal."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        listening.server_close()
