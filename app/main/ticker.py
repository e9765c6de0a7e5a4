"""What is done now and then, beside the requests."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Final

import structlog

from app.clock import Clock

log = structlog.get_logger("app.main")

SHORTEST_TICK_SECONDS: Final = 0.2
"""A time-scaled demonstration would ask for an evaluation every few milliseconds."""

EVALUATION_NICENESS: Final = 10
"""Requests go first where they and an evaluation want the same core: at equal rights a scrape took up to twice
as long beside one, and more beside a new baseline. A tenth of the core is left to the evaluation."""


class Ticker:
    """Evaluates now and then, in a thread of its own, until it is told to stop.

    `evaluate` is given the time of each tick; what it raises is logged, and the next tick comes all the same.
    """

    def __init__(self, evaluate: Callable[[float], object], clock: Clock, interval_seconds: float) -> None:
        self._evaluate = evaluate
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evaluate", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """End after the evaluation under way."""
        self._stop.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        if sys.platform == "linux":
            # There it is the thread's own; elsewhere it would be that of the process.
            os.nice(EVALUATION_NICENESS)
        while not self._stop.wait(self._interval_seconds):
            try:
                self._evaluate(self._clock.now())
            except Exception:
                # One series that cannot be scored must not end the scores of all; a bug shows in the log, and in
                # embedding_exporter_last_evaluation_timestamp_seconds, which stops.
                log.exception("evaluation failed")
