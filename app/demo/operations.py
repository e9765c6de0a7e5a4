"""What the teams around the search do, and tell the exporter of: roll-outs, documents that change, nightly rebuilds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from embedding_drift_client import DriftClient

from app.demo.acts import Act

INDEX = "python-docs"
CHANGED_DOCUMENTS = 8
"""Documents that change at a time, and come in to be indexed again."""
CHANGE_HOURS = 1 / 6
INDEXING_HOURS = 1 / 20
"""From then until they can be found: a fifth of the time that the exporter allows as shipped."""

NIGHT_HOUR = 2.0
"""When the index is built anew, each night."""
MAINTENANCE_HOURS = 0.5
"""Announced for that; it would end by itself."""
REBUILD_HOURS = 0.3


class Operations:
    """Tells the life of the model and of its index, as acts and nights come and go."""

    def __init__(self, client: DriftClient, documents: int, hour_seconds: float) -> None:
        """`documents` is how many there are, `hour_seconds` how long an hour takes."""
        self._client = client
        self._documents = documents
        self._hour_seconds = hour_seconds
        # An exporter that outlives this run would take the next one's messages for repeats.
        self._run = f"{time.time():.0f}"
        self._act: Act | None = None
        self._acts = 0
        self._changed = 0
        self._next_change = 0.0
        self._waiting: deque[tuple[float, list[int]]] = deque()
        self._next_night = 0.0
        self._plan: deque[tuple[float, Callable[[], None]]] = deque()
        """What is to be told at which hour, of a night that has begun."""

    def go_on(self, act: Act, day: float) -> None:
        """Tell what is to be told at this time, in days, of the act that is played."""
        hours = 24 * day
        if self._act is None:
            self._deployment("finished", act)
            self._next_change, self._next_night = hours, _next_night(hours)
        if act is not self._act:
            self._turn_to(act)
        indexing = act.indexed_share == 1
        self._change(hours, indexing=indexing)
        self._keep_nights(hours, indexing=indexing)

    def _turn_to(self, act: Act) -> None:
        before, self._act = self._act, act
        if before is not None and before.announced:
            self._deployment("rolled_back", before)
        if before is not None and before.indexed_share < 1:
            self._reindex("finished", f"act-{self._acts}")
        self._acts += 1
        if act.announced:
            self._deployment("started", act)
        if act.indexed_share < 1:
            self._reindex("started", f"act-{self._acts}")
            self._reindex("progress", f"act-{self._acts}", act.indexed_share)

    def _change(self, hours: float, *, indexing: bool) -> None:
        while hours >= self._next_change:
            first = self._changed % self._documents
            ids = [(first + each) % self._documents for each in range(CHANGED_DOCUMENTS)]
            self._client.lifecycle("documents", "ingested", index=INDEX, ids=ids)
            self._waiting.append((hours, ids))
            self._changed += CHANGED_DOCUMENTS
            self._next_change += CHANGE_HOURS
        while indexing and self._waiting and hours >= self._waiting[0][0] + INDEXING_HOURS:
            self._client.lifecycle("documents", "indexed", index=INDEX, ids=self._waiting.popleft()[1])

    def _keep_nights(self, hours: float, *, indexing: bool) -> None:
        if hours >= self._next_night:
            # A job that is stuck does not begin anew.
            if indexing:
                self._plan.extend(self._night(self._next_night))
            self._next_night = _next_night(hours)
        while self._plan and hours >= self._plan[0][0]:
            self._plan.popleft()[1]()

    def _night(self, begin: float) -> list[tuple[float, Callable[[], None]]]:
        name = f"night-{begin:g}"
        return [
            (begin, lambda: self._maintenance("begin")),
            (begin, lambda: self._reindex("started", name)),
            (begin + REBUILD_HOURS / 2, lambda: self._reindex("progress", name, 0.5)),
            (begin + REBUILD_HOURS, lambda: self._reindex("finished", name)),
            (begin + REBUILD_HOURS, lambda: self._maintenance("end")),
        ]

    def _deployment(self, status: Literal["started", "finished", "rolled_back"], act: Act) -> None:
        self._client.lifecycle(
            "deployment",
            status,
            tokenizer_version=act.tokenizer_version,
            track="canary" if act.announced else "stable",
            deployment=f"{self._run}-{self._acts}",
        )

    def _reindex(
        self, status: Literal["started", "progress", "finished"], name: str, progress: float | None = None
    ) -> None:
        self._client.lifecycle("reindex", status, index=INDEX, reindex=f"{self._run}-{name}", progress=progress)

    def _maintenance(self, status: Literal["begin", "end"]) -> None:
        seconds = MAINTENANCE_HOURS * self._hour_seconds if status == "begin" else None
        self._client.lifecycle("maintenance", status, duration_seconds=seconds)


def _next_night(hours: float) -> float:
    """The next beginning of one, after this time."""
    return hours + ((NIGHT_HOUR - hours) % 24 or 24.0)
