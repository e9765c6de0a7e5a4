"""A log that cannot be flooded."""

from __future__ import annotations

import contextlib
import logging
import time

from embedding_drift_client.event import EventError

_LOGGER = logging.getLogger("embedding_drift_client")
INTERVAL_SECONDS = 60.0


class RateLimitedLog:
    """Logs a warning at most once a minute for each kind of trouble. Never raises."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def warning(self, kind: str, message: str, *values: object) -> None:
        """Log `message % values`, unless a warning of this kind was logged within the last minute."""
        now = time.monotonic()
        if now < self._next.get(kind, now):
            return
        self._next[kind] = now + INTERVAL_SECONDS
        with contextlib.suppress(Exception):  # a filter or handler of the caller's may raise
            _LOGGER.warning(message, *values)

    def event_error(self, problem: Exception) -> None:
        """Log why an event cannot be used: the text of an EventError, which holds no value, or else the type alone."""
        text = str(problem) if isinstance(problem, EventError) else type(problem).__name__
        self.warning("event", "an event cannot be used: %s", text)
