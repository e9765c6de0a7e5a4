"""The traffic process: a search service that answers its users and sends an event for every query.

Beside them it tells what users made of the answers, and what was done to the model and to the index.

It reads the name of the act to play from its standard input, a line each, starts with the first and ends with the
input, so it never outlives the demonstration that started it. SIGTERM ends it too, in the middle of its training.
"""

from __future__ import annotations

import os

# Read when numpy is first imported. Small products gain nothing from a second thread, and the exporter needs the core:
# on two busy cores, training took 35 times as long with two threads as with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence

from embedding_drift_client import DriftClient

from app.demo.acts import BY_NAME, MODEL, MODEL_VERSION, Act
from app.demo.audience import rate_factor
from app.demo.corpus import load_corpus
from app.demo.frontend import Frontend
from app.demo.lsa import DIMENSIONS
from app.demo.operations import Operations
from app.demo.service import SearchService
from app.demo.users import Users

EVENTS_PER_TICK = 48
"""Queries that are embedded and searched together: enough for one matrix product to be cheap."""
FIRST_DAY = 0.5
"""Traffic begins at noon, and the acts do a day later: the more events in a window, the surer its scores."""


class Pace:
    """How many queries are due, given the time; the rate follows the day.

    What a slow machine could not send in two ticks is forgotten, so it sends fewer events and never a burst.
    """

    def __init__(self, *, day_seconds: float, events_per_day: float, start: float) -> None:
        self._day_seconds = day_seconds
        self._rate = events_per_day / day_seconds
        self._start = self._last = start
        self._due = 0.0

    @property
    def tick_seconds(self) -> float:
        """The time between looks at an average rate of `EVENTS_PER_TICK` each."""
        return EVENTS_PER_TICK / self._rate

    def day(self, now: float) -> float:
        """The time in days, of which the first began at midnight."""
        return FIRST_DAY + (now - self._start) / self._day_seconds

    def due(self, now: float) -> int:
        """Whole queries due since the last call."""
        self._due += self._rate * rate_factor(self.day(now)) * (now - self._last)
        self._last = now
        self._due = min(self._due, 2.0 * EVENTS_PER_TICK)
        whole = int(self._due)
        self._due -= whole
        return whole


class Orders:
    """The act to play, as last read from the input."""

    def __init__(self) -> None:
        self.act: Act | None = None
        self.ended = threading.Event()

    def follow(self, lines: Iterable[str]) -> None:
        """Take each line as the name of an act, until there are no more. Runs in a thread of its own."""
        for line in lines:
            name = line.strip()
            if name in BY_NAME:
                self.act = BY_NAME[name]
            else:
                print(f"no act of that name; one of {', '.join(BY_NAME)}", file=sys.stderr, flush=True)
        self.ended.set()


def main(argv: Sequence[str] | None = None) -> int:
    """Train, index, say "ready", then play the acts until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m app.demo.traffic", description=__doc__)
    parser.add_argument("--url", required=True, help="where the exporter listens")
    parser.add_argument("--day-seconds", type=float, required=True, help="how long a day of traffic takes")
    parser.add_argument("--events-per-day", type=float, required=True)
    parser.add_argument("--flush-seconds", type=float, required=True, help="how long an event may wait to be sent")
    args = parser.parse_args(argv)

    began = time.monotonic()
    service = SearchService(load_corpus())
    orders = Orders()
    threading.Thread(target=orders.follow, args=(sys.stdin,), daemon=True).start()
    # From now on there are events to flush.
    signal.signal(signal.SIGTERM, lambda *_: orders.ended.set())
    print(
        f"{service.passages:,} passages, {DIMENSIONS} dimensions, read and trained in {time.monotonic() - began:.1f} s",
        flush=True,
    )
    client = DriftClient(
        args.url,
        flush_interval_seconds=args.flush_seconds,
        model=MODEL,
        model_version=MODEL_VERSION,
        kind="query",
        similarity_metric="cosine",
    )
    with contextlib.suppress(KeyboardInterrupt):
        _play(service, client, orders, args.day_seconds, args.events_per_day)
    client.close(timeout_seconds=2.0)
    for what, stats in (
        ("event", client.stats),
        ("outcome", client.outcome_stats),
        ("lifecycle event", client.lifecycle_stats),
    ):
        if stats.accepted < stats.recorded:
            print(f"not every {what} of the traffic was counted: {stats}", file=sys.stderr, flush=True)
    return 0


def _play(
    service: SearchService, client: DriftClient, orders: Orders, day_seconds: float, events_per_day: float
) -> None:
    while orders.act is None and not orders.ended.wait(0.02):
        pass
    pace = Pace(day_seconds=day_seconds, events_per_day=events_per_day, start=time.monotonic())
    frontend = Frontend(service, Users(), client)
    operations = Operations(client, service.passages, hour_seconds=day_seconds / 24)
    while not orders.ended.wait(pace.tick_seconds):
        now = time.monotonic()
        count = pace.due(now)
        act = orders.act
        if count and act is not None:
            operations.go_on(act, pace.day(now))
            frontend.serve(act, service.questions(act, count, pace.day(now)))


if __name__ == "__main__":
    sys.exit(main())
