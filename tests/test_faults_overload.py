"""Twice as much as the exporter can take, for a while (R1 to R6): what it can is taken, the rest told to come again.

Capacity is measured in the same run, in turns with the overload, and both by the exporter's CPU time: the machine's
neighbours come and go, and take more or less of its cores.
"""

import base64
import json
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.process import Pair, process

ROOT = Path(__file__).resolve().parent.parent
EVENTS = 100
"""Of a request. Without vectors of thousands of bytes: what is to be overloaded is the exporter, not the loopback."""

SHARE = 0.9
"""Of the capacity, taken at twice of it."""

SENDERS = 8
CONNECTIONS = 128
"""Twice the requests that may wait."""

SERIES = 42
"""More than 5,000 samples together."""
PATIENT = 50
"""Connections of requests that are sent when they are due, also while none is answered; fewer than may wait."""
LONGER = 1.2
"""Times its p99 without scrapes, that ingest may take beside them."""
SCRAPE_INTERVAL_SECONDS = 15
"""As prometheus/prometheus.yml has it."""


@dataclass(frozen=True)
class Plan:
    rounds: int
    capacity_seconds: float
    overload_seconds: float


SHORT = pytest.param(Plan(8, 1.5, 3.75), marks=pytest.mark.faults, id="30 s")
LONG = pytest.param(Plan(20, 5, 30), marks=pytest.mark.nightly, id="10 min")


def batch(path):
    """A file with a request body of events that differ."""
    rng = np.random.default_rng(7)
    events = [
        {
            "embedding": base64.b64encode(rng.normal(1, 0.05, 64).astype("<f4").tobytes()).decode(),
            "scores": np.sort(rng.beta(8, 4, 10))[::-1].round(4).tolist(),
            "ids": [f"doc-{number}" for number in rng.integers(1000, size=10)],
        }
        for _ in range(EVENTS)
    ]
    path.write_text(json.dumps({"model": "e5", "model_version": "1", "events": events}))
    return path


def load(made, path, seconds, connections, rate=None):
    """What came of a load, from a process of its own."""
    command = [sys.executable, "-m", "tests.load", made.port, path, seconds, connections]
    cpu = made.cpu_seconds()
    done = subprocess.run(
        [*map(str, command), *([] if rate is None else [str(rate)])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout) | {"cpu_seconds": made.cpu_seconds() - cpu}


class Beside:
    """What goes on in a thread of its own while there is a load, until it is told to stop."""

    def __init__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


class Scraper(Beside):
    """Scrapes and asks for health every second."""

    def __init__(self, made, quiet):
        super().__init__()
        self.scrapes, self.health = Pair(made, quiet), Pair(made, quiet)
        self.statuses, self.waiting, self.resident = [], [], []

    def _run(self):
        while not self._stop.wait(1.0):
            status, body = self.scrapes.ask("/metrics")
            self.statuses.append(status)
            samples = {
                sample.name: sample.value
                for family in text_string_to_metric_families(body.decode())
                for sample in family.samples
                if not sample.labels
            }
            self.waiting.append(samples["embedding_exporter_waiting_requests"])
            self.resident.append(samples["process_resident_memory_bytes"])
            self.statuses.append(self.health.ask("/-/healthy")[0])


def share(turns):
    """Of the capacity taken at exactly twice of it, where each request that is taken goes with one that is shed.

    From CPU time: what taking one costs, alone, and what shedding one costs beside that, over all turns. A neighbour
    that takes a core makes more to be shed, and none of it dearer. 1 where nothing was shed: one that leaves doubles
    the capacity.
    """
    alone, beside = (
        {
            "cpu_seconds": sum(each["cpu_seconds"] for each in those),
            **sum((Counter(each["statuses"]) for each in those), Counter()),
        }
        for those in zip(*turns, strict=True)
    )
    if not beside.get("429"):
        return 1.0
    taking = alone["cpu_seconds"] / alone["202"]
    shedding = (beside["cpu_seconds"] - taking * beside["202"]) / beside["429"]
    return taking / (taking + max(0.0, shedding))


def recovered(before, after):
    """Whether the p99 of a little load is what it was before the overload."""
    return after["p99"] <= max(1.5 * before["p99"], 0.1)


class Ticker(Beside):
    """Once a second every series gets an event, so that no line is at hand; and after that it scrapes, or does not."""

    def __init__(self, made, each, scrapes):
        super().__init__()
        self._made, self._each, self._scrapes = made, each, scrapes
        self.seconds = []

    def _run(self):
        due = time.perf_counter()
        while not self._stop.wait(max(0.0, due - time.perf_counter())):
            due += 1
            assert 202 == self._made.ask("POST", "/v1/events", self._each)[0]
            if self._scrapes:
                begun = time.perf_counter()
                assert 200 == self._made.ask("GET", "/metrics", headers={"Accept-Encoding": "gzip"})[0]
                self.seconds.append(time.perf_counter() - begun)


def p99(quiet, scraped, interval_seconds=SCRAPE_INTERVAL_SECONDS):
    """Of ingest, in seconds, where one second of each interval has a scrape and the others have none."""
    seconds = np.concatenate([quiet, scraped])
    weights = np.repeat(
        [(interval_seconds - 1) / interval_seconds / len(quiet), 1 / interval_seconds / len(scraped)],
        [len(quiet), len(scraped)],
    )
    order = np.argsort(seconds)
    return float(seconds[order][np.searchsorted(np.cumsum(weights[order]), 0.99)])


def delay(turns, interval_seconds=SCRAPE_INTERVAL_SECONDS):
    """How many times its p99 alone that beside scrapes is: the median over turns, of which neighbours spoil some."""
    return statistics.median(p99(*turn, interval_seconds) / p99(turn[0], turn[0]) for turn in turns)


def total(made, name):
    """The sum of all samples of this name."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(made.ask("GET", "/metrics")[1].decode())
        for sample in family.samples
        if sample.name == name
    )


@pytest.mark.alone
@pytest.mark.parametrize("plan", [SHORT, LONG])
def test_r1_to_r5_at_twice_its_capacity_it_takes_what_it_can_and_is_scraped(tmp_path, plan):
    """Nine tenths of its capacity and more are taken, all else is told to come again, and every event is counted."""
    path = batch(tmp_path / "batch.json")
    turns = []
    (tmp_path / "quiet").mkdir()
    with process(tmp_path) as made, process(tmp_path / "quiet") as quiet:
        made.started()
        quiet.started()
        warm = load(made, path, 2, SENDERS)  # what is made once
        before = load(made, path, 3, 1, rate=5)
        with Scraper(made, quiet) as scraper:
            # Up to twice as many where neighbours came and went between the turns.
            while len(turns) < plan.rounds or (share(turns) < SHARE and len(turns) < 2 * plan.rounds):
                alone = load(made, path, plan.capacity_seconds, SENDERS)
                rate = 2 * alone["statuses"]["202"] / alone["seconds"]
                turns.append((alone, load(made, path, plan.overload_seconds, CONNECTIONS, rate)))
        # Fifteen requests: one that a neighbour held up is their p99.
        afters = [load(made, path, 3, 1, rate=5)]
        while not recovered(before, afters[-1]) and len(afters) < 5:
            afters.append(load(made, path, 3, 1, rate=5))
        accepted = total(made, "embedding_events_total")
        shed = total(made, "embedding_exporter_shed_requests_total")
        failures = total(made, "embedding_event_failures_total")
        log = made.log()

    figures = {
        "share": share(turns),
        "shares": [round(share([turn]), 2) for turn in turns],
        "scrape": {
            "p50": statistics.median(scraper.scrapes.seconds),
            "p99": scraper.scrapes.p99(),
            "max": max(scraper.scrapes.seconds),
            "max of a quiet one": max(scraper.scrapes.quiet_seconds),
        },
        "health_p99": scraper.health.p99(),
        "waiting": max(scraper.waiting),
        "recovered_p99": [each["p99"] / before["p99"] for each in afters],
        "shed": shed,
        "resident_mib": [round(each / 2**20) for each in scraper.resident],
    }
    sys.stdout.write(f"{figures}\n")
    results = [each for turn in turns for each in turn]
    assert {200} == set(scraper.statuses)
    assert all({"202", "429"} >= set(each["statuses"]) for each in results)
    assert shed > 0
    assert 0 == sum(each["resets"] + each["without_retry_after"] for each in results)
    replies = [each["statuses"] for each in (*results, warm, before, *afters)]
    assert all({"202"} == set(each["statuses"]) for each in afters)
    assert shed == sum(each.get("429", 0) for each in replies)
    assert 0 == failures
    assert max(scraper.waiting) <= 64
    assert share(turns) >= SHARE, figures
    assert scraper.scrapes.p99() < scraper.scrapes.within(1), figures
    assert max(scraper.scrapes.seconds) < scraper.scrapes.within(5), figures
    assert scraper.health.p99() < scraper.health.within(0.5), figures
    assert recovered(before, afters[-1]), figures
    tenth = scraper.resident[len(scraper.resident) // 10 + 2]
    assert scraper.resident[-1] <= 1.05 * tenth + 16 * 2**20, figures
    assert "Traceback" not in log
    assert accepted == EVENTS * sum(each["202"] for each in replies)


@pytest.mark.alone
@pytest.mark.faults
def test_r6_a_scrape_of_5000_series_hardly_delays_ingest(tmp_path):
    """By less than a fifth of its p99, at a fifth of its capacity and Prometheus' pace; in turns in the same run."""
    path = batch(tmp_path / "batch.json")
    events = json.loads(path.read_text())["events"][:SERIES]
    each = json.dumps({"model": "e5", "events": [event | {"model_version": str(i)} for i, event in enumerate(events)]})
    with process(tmp_path) as made:
        made.started()
        load(made, path, 1, SENDERS)  # what is made once
        for _ in range(200):  # a window with scores needs as many
            assert 202 == made.ask("POST", "/v1/events", each)[0]
        turns, waits = [], []
        # More where neighbours came and went between the turns: they spoil either side, and a median forgets them.
        while len(turns) < 5 or (delay(turns) >= LONGER and len(turns) < 20):
            quiet, scraped = Ticker(made, each, scrapes=False), Ticker(made, each, scrapes=True)
            turn = []
            for ticker in (quiet, scraped):
                with ticker:
                    turn.append(load(made, path, 1.5, PATIENT, rate=200)["latencies_seconds"])
            turns.append(turn)
            waits += scraped.seconds
        page = made.ask("GET", "/metrics")[1].decode()

    samples = sum(not line.startswith("#") for line in page.splitlines())
    figures = {
        "p99": statistics.median(p99(quiet, quiet) for quiet, _ in turns),
        "delay": delay(turns),
        "delays": [round(delay([turn]), 2) for turn in turns],
        "delay at a scrape a second": delay(turns, interval_seconds=1),
        "scrape_p50": statistics.median(waits),
        "samples": samples,
    }
    sys.stdout.write(f"{figures}\n")
    assert samples >= 5000, figures
    assert delay(turns) < LONGER, figures
