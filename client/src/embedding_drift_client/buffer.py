"""The bounded queue between the caller's threads and the sending one, and the count of what became of each event."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, NamedTuple

Event = Mapping[str, Any]


class Stats(NamedTuple):
    """What became of the events: `recorded = sampled_out + errors + dropped + pending + sent + failed`, always."""

    recorded: int = 0
    """Calls of `record`."""
    sampled_out: int = 0
    errors: int = 0
    """Could not be used: an unknown field, or a value that cannot be encoded."""
    dropped: int = 0
    """The queue was full, or the client closed."""
    pending: int = 0
    """Queued or being sent."""
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    rejected: int = 0
    """Refused by the exporter, alone or with the whole batch."""
    failed: int = 0
    """Given up: no reply or a server error after all attempts, or out of time at the end."""
    retried: int = 0
    """Requests made again after a pause."""

    @property
    def sent(self) -> int:
        """Events that the exporter answered for good."""
        return self.accepted + self.duplicates + self.late + self.rejected


class Buffer:
    """Holds at most `capacity` events, those being sent included, and hands them out in batches.

    One lock for queue and counts, so that `stats` always adds up. It is reentrant: a signal handler that records an
    event while its own thread is in here must not wait for itself.
    """

    def __init__(self, capacity: int, batch_size: int, flush_interval_seconds: float) -> None:
        self._capacity = capacity
        self._batch_size = batch_size
        self._flush_interval_seconds = flush_interval_seconds
        self._changed = threading.Condition()
        self._events = deque[Event]()
        self._counts = Counter[str]()
        self._taken_in = 0
        self._finished = 0
        self._flush_up_to = 0
        self._closed = False
        self._deadline = float("inf")

    def sample_out(self) -> None:
        """Count an event that is not in the sample."""
        with self._changed:
            self._counts["recorded"] += 1
            self._counts["sampled_out"] += 1

    def refuse(self) -> None:
        """Count an event that cannot be used."""
        with self._changed:
            self._counts["recorded"] += 1
            self._counts["errors"] += 1

    def offer(self, event: Event) -> bool:
        """Take an event in, or drop it at once where there is no room; return whether it was taken."""
        with self._changed:
            self._counts["recorded"] += 1
            if self._closed or self._taken_in - self._finished >= self._capacity:
                self._counts["dropped"] += 1
                return False
            self._events.append(event)
            self._taken_in += 1
            if len(self._events) in (1, self._batch_size):
                self._changed.notify_all()
            return True

    def take(self) -> list[Event] | None:
        """Wait for a batch: full, `flush_interval_seconds` old, or asked for by a flush. None when closed and empty.

        Past the deadline of the close, what is left is given up.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._closed)
            self._changed.wait_for(self._is_due, self._flush_interval_seconds)
            if self._closed and time.monotonic() >= self._deadline:
                left = len(self._events)
                self._events.clear()
                self.finish(left, Counter(failed=left))
            if not self._events:
                return None
            return [self._events.popleft() for _ in range(min(self._batch_size, len(self._events)))]

    def finish(self, events: int, counts: Counter[str]) -> None:
        """Say what became of this many events that `take` had handed out."""
        with self._changed:
            self._counts.update(counts)
            self._finished += events
            self._changed.notify_all()

    def pause(self, seconds: float) -> bool:
        """Wait this long, and return True; False at once where a close leaves no time for it."""
        end = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: self._deadline < end, seconds)
            return self._deadline >= end

    def flush(self, timeout_seconds: float) -> bool:
        """Ask for all events taken in so far to be sent now, and return whether they were finished in time."""
        with self._changed:
            asked = self._flush_up_to = self._taken_in
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._finished >= asked, timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        """Take nothing more in, and give up what is not sent by then."""
        with self._changed:
            self._closed = True
            self._deadline = time.monotonic() + timeout_seconds
            self._changed.notify_all()

    @property
    def stats(self) -> Stats:
        """The counts at this moment."""
        with self._changed:
            return Stats(**self._counts, pending=self._taken_in - self._finished)

    def _is_due(self) -> bool:
        return self._closed or len(self._events) >= self._batch_size or self._finished < self._flush_up_to
