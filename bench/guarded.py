"""What the regression guard watches: each case does one piece of the exporter's work, some 10 to 50 ms of it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Final

import numpy as np

from app.baseline import Pinned, Reader
from app.baseline.content import content_id
from app.clock import SystemClock
from app.compare import Reference
from app.decode import Limits, decode
from app.evaluate import Evaluator, Rules
from app.metrics import encode
from app.model import SeriesKey, Timing
from app.store import MemoryStore
from bench.bodies import Encoding
from bench.collected import collected
from bench.fill import NOW, budget, events
from bench.load import Pool, Shape
from bench.peers.turn import DIMENSION
from bench.peers.turn import events as traffic

Case = Callable[[], object]

SERIES: Final = 16


def decoding(encoding: Encoding, batch: int, repeats: int) -> Callable[[], Case]:
    """Bodies to columns."""

    def make() -> Case:
        pool, limits = Pool(Shape(encoding, batch)), Limits()
        bodies = [bytes(pool.next_request().partition(b"\r\n\r\n")[2]) for _ in range(repeats)]
        now = time.time()

        def case() -> None:
            for body in bodies:
                decode("application/json", None, body, limits, now)

        return case

    return make


class _Exporter:
    """A few series with an uploaded baseline, traffic for them, and what a scrape reads."""

    def __init__(self, series: int) -> None:
        timing = Timing()
        pinned = Pinned(timing, min_events=0, budget=budget(timing))
        self.store = MemoryStore(timing, max_series=series, max_state_bytes=1 << 40, seed=7)
        self.evaluator = Evaluator(self.store, pinned, Rules())
        self._batches = []
        sample, file = traffic(1024, 1), io.BytesIO()
        np.savez(file, embedding=sample.vectors, scores=sample.scores)
        # Read once: its limits take half a second.
        read = Reader(b"secret", 128, DIMENSION).baseline(file.getvalue(), {"model": "e5"}, NOW)
        for number in range(series):
            key, content = SeriesKey("e5", str(number), "", "query"), deepcopy(read.content)
            pinned.upload(replace(read, key=key, content=content, id=content_id(key, content)), replace=False)
            self._batches.append(events(key, np.random.default_rng(number)))
        self._now = NOW
        self.registry = collected(self.store, self.evaluator, SystemClock())
        for _ in range(2):
            for number in range(series):
                self.append(number)
            self.evaluate()

    def append(self, number: int) -> None:
        """256 events at 2,000 a second, in batches of 64."""
        whole = self._batches[number]
        for first in range(0, len(whole), 64):
            self._now += 64 / 2000
            part = whole.take(np.arange(first, first + 64))
            self.store.append(replace(part, timestamp=np.full(64, self._now)), self._now)

    def append_one(self, number: int) -> None:
        """One event."""
        one = self._batches[number].take(np.arange(1))
        self.store.append(replace(one, timestamp=np.full(1, self._now)), self._now)

    def evaluate(self) -> None:
        """Evaluate all series."""
        self.evaluator.tick(self._now)

    def show_anew(self) -> None:
        """As after an evaluation: every state of the last one is another object."""
        latest = self.evaluator.latest
        self.evaluator.latest = replace(latest, series={key: replace(view) for key, view in latest.series.items()})


def storing() -> Case:
    """2,048 events into one series, staged, folded and measured."""
    exporter = _Exporter(1)

    def case() -> None:
        for _ in range(8):
            exporter.append(0)

    return case


def evaluating() -> Case:
    """Four series with news, against their baselines and a peer."""
    exporter = _Exporter(4)

    def case() -> None:
        exporter.append(0)
        exporter.evaluate()

    return case


def scraping(changed: int) -> Callable[[], Case]:
    """A scrape of 16 series after news of so many of them; of all of them after an evaluation, too."""

    def make() -> Case:
        exporter = _Exporter(SERIES)

        def case() -> None:
            for number in range(changed):
                exporter.append_one(number)
            if changed == SERIES:
                exporter.show_anew()
            encode.text(exporter.registry)

        return case

    return make


def comparing() -> Case:
    """1,000 vectors against a fitted reference of 1,000."""
    reference, current = Reference(traffic(1000, 1).vectors), traffic(1000, 2).vectors
    return lambda: reference.compare(current)


CASES: Final[dict[str, Callable[[], Case]]] = {
    "decode 256 events, lists, batches of 64": decoding("list", 64, 4),
    "decode 1,024 events, base64, batches of 64": decoding("base64", 64, 16),
    "decode 256 events, base64, one by one": decoding("base64", 1, 256),
    "store 2,048 events, batches of 64": storing,
    "evaluate 4 series": evaluating,
    "scrape 16 series, everything changed": scraping(SERIES),
    "scrape 16 series, one changed": scraping(1),
    "compare 1,000 with 1,000": comparing,
}
