"""What the exporter counts about itself beside its series: refused events, its replies, its scrapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np

from app.model import Closed, Reason, Shed
from app.sketch import BucketCounts

DURATION_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; fixed for ever. A batch takes a millisecond, Prometheus gives a scrape ten seconds."""

STAGED_REQUESTS: Final = 256
"""Counting one duration into buckets costs as much as counting some hundred."""

WATCHED: Final = (
    *("connections", "waiting_requests", "held_bytes"),
    *("access_reload_failed", "unprotected_ingest", "unprotected_read", "unprotected_admin"),
)
"""Numbers of now, which are not counted here."""

_CLASSES: Final = tuple(f"{first}xx" for first in range(10))
"""Of status codes, by their first digit."""

Answered = tuple[str, str]
"""Route template and class of status, such as ("/v1/events", "2xx")."""


@dataclass(frozen=True, slots=True)
class OwnTotals:
    """A copy of what was counted."""

    failures: dict[Reason, int]
    shed: dict[Shed, int]
    closed: dict[Closed, int]
    requests: dict[Answered, BucketCounts]
    scrape_seconds: float | None
    watched: dict[str, int]


class OwnMetrics:
    """Counts refused events and answered requests. Safe from any thread; an observation costs a microsecond.

    Plain numbers that the collector turns into families, not counters of the client library: those add a `_created`
    sample each unless that is switched off for the whole process, which is not for a part of it to decide.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures: Counter[Reason] = Counter(dict.fromkeys(Reason, 0))
        self._shed: Counter[Shed] = Counter(dict.fromkeys(Shed, 0))
        self._closed: Counter[Closed] = Counter(dict.fromkeys(Closed, 0))
        self._requests: dict[Answered, BucketCounts] = {}
        self._staged: dict[Answered, list[float]] = {}
        self._scrape_seconds: float | None = None
        self._watched: dict[str, Callable[[], int]] = {}

    def watch(self, name: str, read: Callable[[], int]) -> None:
        """Ask for a number at each scrape that somebody else has: one of WATCHED."""
        assert name in WATCHED
        self._watched[name] = read

    def count_failure(self, reason: Reason, count: int = 1) -> None:
        """Count refused events; a request whose events nobody could read counts as one."""
        with self._lock:
            self._failures[reason] += count

    def count_shed(self, reason: Shed) -> None:
        """Count a request that was not taken because too much was under way."""
        with self._lock:
            self._shed[reason] += 1

    def count_closed(self, reason: Closed) -> None:
        """Count a connection that was closed on its client."""
        with self._lock:
            self._closed[reason] += 1

    def observe_request(self, route: str, code: int, seconds: float) -> None:
        """Count an answered request by its route template (never the raw path, which has no bound) and status code."""
        answered = route, _CLASSES[code // 100]
        with self._lock:
            staged = self._staged.get(answered)
            if staged is None:
                staged = self._staged[answered] = []
            staged.append(seconds)
            if len(staged) >= STAGED_REQUESTS:
                self._fold(answered)

    def observe_scrape(self, seconds: float) -> None:
        """Keep how long the latest scrape took to render."""
        self._scrape_seconds = seconds

    def totals(self) -> OwnTotals:
        """All counts so far, as a copy."""
        with self._lock:
            for answered in self._staged:
                self._fold(answered)
            requests = {answered: counts.copy() for answered, counts in self._requests.items()}
            return OwnTotals(
                failures=dict(self._failures),
                shed=dict(self._shed),
                closed=dict(self._closed),
                requests=requests,
                scrape_seconds=self._scrape_seconds,
                watched={name: read() for name, read in self._watched.items()},
            )

    def _fold(self, answered: Answered) -> None:
        staged = self._staged[answered]
        self._requests.setdefault(answered, BucketCounts(DURATION_BOUNDS)).update(np.array(staged))
        staged.clear()
