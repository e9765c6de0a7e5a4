"""A scrape of fifty series with everything on: its CPU, its size, and what ingest does meanwhile."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

import numpy as np

from bench.exporter import Exporter
from bench.fill import baseline_files
from bench.load import SETTLE_SECONDS, Connection, Driven, Pool, Shape, drive, get
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table, number

PART: Final = "scrape"
SERIES: Final = 50
EVENTS_PER_SERIES: Final = 500
"""More than a window needs for scores."""
LIMIT_MILLISECONDS: Final = 150.0
SCORED_SECONDS: Final = 60.0
LOAD_SECONDS: Final = 1.0
"""How long ingest runs without and with scrapes, in each round."""
SCRAPE_INTERVAL_SECONDS: Final = 0.25
"""Sixty times as often as Prometheus does, so that a short run sees enough of it."""
MILLI: Final = 1e3

# What Prometheus 3 sends; it prefers OpenMetrics and takes gzip.
PROMETHEUS: Final = (
    "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1\r\nAccept-Encoding: gzip\r\n"
)
KINDS: Final = {"text, as curl asks": "", "OpenMetrics and gzip, as Prometheus asks": PROMETHEUS}


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape while nothing else was asked of the exporter."""

    cpu_seconds: float
    wall_seconds: float
    nbytes: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Ingest for a while, with the times at which scrapes were under way."""

    driven: Driven
    scrapes: list[tuple[float, float]]

    def answered_during(self) -> list[int]:
        """How many requests were answered during each scrape."""
        answers = [received for _, received in self.driven.exchanges]
        return [sum(start <= at <= end for at in answers) for start, end in self.scrapes]


def measure(plan: Plan) -> Report:
    """Give each series a baseline and events, wait for the scores; then scrape, alone and under load."""
    each_once = Pool(Shape("base64", SERIES), series=SERIES)
    batches = Pool(Shape("base64", 64))
    with (
        TemporaryDirectory() as folder,
        Exporter(baseline_files(Path(folder), SERIES)) as exporter,
    ):
        with Connection(exporter.port) as line:
            for _ in range(EVENTS_PER_SERIES):
                line.exchange(each_once.next_request())
        page = wait_until_scored(exporter)
        alone: dict[str, list[Scrape]] = {kind: [] for kind in KINDS}
        quiet: list[Busy] = []
        scraped: list[Busy] = []
        for _ in range(plan.rounds):
            for kind, headers in KINDS.items():
                # An event for each series, so that nothing of the answer is at hand from the scrape before.
                with Connection(exporter.port) as line:
                    line.exchange(each_once.next_request())
                    alone[kind].append(scrape(exporter, line, headers))
            quiet.append(Busy(drive(exporter, batches, LOAD_SECONDS, connections=1), []))
            with Scraper(exporter.port) as scraper:
                driven = drive(exporter, batches, LOAD_SECONDS, connections=1)
            scraped.append(Busy(driven, scraper.scrapes))
    return report(page, alone, quiet, scraped, plan.rounds)


def wait_until_scored(exporter: Exporter) -> str:
    """The page of metrics once it has scores of every series; RuntimeError when they do not come."""
    deadline = time.monotonic() + SCORED_SECONDS
    while time.monotonic() < deadline:
        page = exporter.get("/metrics").decode()
        if len(set(re.findall(r'^embedding_drift_score\{.*model_version="(\d+)"', page, re.MULTILINE))) == SERIES:
            return page
        time.sleep(0.5)
    raise RuntimeError(f"no scores of all {SERIES} series within {SCORED_SECONDS:g} s:\n{exporter.output()}")


def scrape(exporter: Exporter, line: Connection, headers: str) -> Scrape:
    """One scrape, measured."""
    time.sleep(SETTLE_SECONDS)
    cpu, started = exporter.cpu_seconds(), time.perf_counter()
    body = line.exchange(get(headers))
    wall = time.perf_counter() - started
    time.sleep(SETTLE_SECONDS)
    return Scrape(exporter.cpu_seconds() - cpu, wall, len(body))


class Scraper:
    """A thread that scrapes as Prometheus does, only more often, for as long as it is entered."""

    def __init__(self, port: int) -> None:
        self.scrapes: list[tuple[float, float]] = []
        self._port = port
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        with Connection(self._port) as line:
            while not self._stopped.wait(SCRAPE_INTERVAL_SECONDS):
                started = time.perf_counter()
                line.exchange(get(PROMETHEUS))
                self.scrapes.append((started, time.perf_counter()))


def report(
    page: str, alone: Mapping[str, Sequence[Scrape]], quiet: Sequence[Busy], scraped: Sequence[Busy], rounds: int
) -> Report:
    """What scrapes cost, and what they did to ingest."""
    cpu = {kind: Spread.of(MILLI * each.cpu_seconds for each in scrapes) for kind, scrapes in alone.items()}
    # A scrape that began as the load ended tells nothing; the rounds together hold enough of the others.
    answered = Spread.of(count for busy in scraped for count in busy.answered_during()[:-1])
    goals = [
        Goal(f"CPU of a scrape of {SERIES} series, {kind}", spread, LIMIT_MILLISECONDS, "ms")
        for kind, spread in cpu.items()
    ]
    goals.append(Goal("ingest requests answered while a scrape was under way", answered, 1, "requests", at_least=True))
    samples = sum(not line.startswith("#") for line in page.splitlines())
    scrapes = Table(
        ("scrape", "CPU, ms", "wait, ms", "KiB on the wire"),
        [
            (
                kind,
                str(cpu[kind]),
                str(Spread.of(MILLI * each.wall_seconds for each in alone[kind])),
                number(statistics.median(each.nbytes for each in alone[kind]) / 1024),
            )
            for kind in alone
        ],
    )
    ingest = Table(
        ("ingest, batches of 64", "events a second", "median wait, ms", "99 % wait, ms", "longest wait, ms"),
        [
            (label, *(str(Spread.of(figure(busy.driven) for busy in each)) for figure in FIGURES))
            for label, each in (
                ("without scrapes", quiet),
                (f"with {1 / SCRAPE_INTERVAL_SECONDS:g} scrapes a second", scraped),
            )
        ],
    )
    return Report(
        PART,
        goals,
        [
            (f"{SERIES} series with scores of every window and statistic, {samples:,} samples in all:", scrapes),
            ("One connection that sends as fast as it is answered, to one of them:", ingest),
        ],
        rounds,
    )


FIGURES: Final[tuple[Callable[[Driven], float], ...]] = (
    lambda driven: driven.events / driven.wall_seconds,
    lambda driven: MILLI * float(np.quantile(driven.latencies_seconds, 0.5)),
    lambda driven: MILLI * float(np.quantile(driven.latencies_seconds, 0.99)),
    lambda driven: MILLI * max(driven.latencies_seconds),
)
