"""The bounded queue between the caller's threads and the sending one, and the count of what became of its items."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from embedding_drift_client.route import ROUTES, Route

if TYPE_CHECKING:
    from typing import TypeAlias

Content: TypeAlias = "Mapping[str, Any] | bytes"
"""An event's fields, which the background encodes, or JSON."""
Item: TypeAlias = "tuple[Route, Content]"


class Stats(NamedTuple):
    """What became of all for one route.

    Always `recorded = sampled_out + errors + dropped + pending + sent + failed`.
    """

    recorded: int = 0
    """Calls; a lifecycle event with more than 1,000 ids counts for each thousand."""
    sampled_out: int = 0
    errors: int = 0
    """Could not be used: an unknown field, a value that cannot be encoded, a probe that could not be embedded."""
    dropped: int = 0
    """The queue was full, or the client closed."""
    pending: int = 0
    """Queued or being sent."""
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    unmatched: int = 0
    """Outcomes of queries that the exporter does not know."""
    rejected: int = 0
    """Refused by the exporter, alone or with the whole batch."""
    failed: int = 0
    """Given up: no reply or a server error after all attempts, or out of time at the end."""
    retried: int = 0
    """Requests made again after a pause."""

    @property
    def sent(self) -> int:
        """What the exporter answered for good."""
        return self.accepted + self.duplicates + self.late + self.unmatched + self.rejected


class Buffer:
    """Holds at most `capacity` items for each route, those being sent included, and hands them out in batches.

    One queue, so that all leaves in the order in which it came; a capacity each, so that events cannot crowd out the
    rest. One lock for queue and counts, so that `stats` always adds up. It is reentrant: a signal handler that records
    while its own thread is in here must not wait for itself.
    """

    def __init__(self, capacity: Mapping[Route, int], batch_size: int, flush_interval_seconds: float) -> None:
        self._capacity = capacity
        self._batch_size = batch_size
        self._flush_interval_seconds = flush_interval_seconds
        self._changed = threading.Condition()
        self._items = deque[Item]()
        self._counts = {route: Counter[str]() for route in ROUTES}
        self._held = dict.fromkeys(ROUTES, 0)
        self._taken_in = 0
        self._finished = 0
        self._flush_up_to = 0
        self._closed = False
        self._deadline = float("inf")

    def sample_out(self, route: Route) -> None:
        """Count what is not in the sample."""
        with self._changed:
            counts = self._counts[route]
            counts["recorded"] += 1
            counts["sampled_out"] += 1

    def refuse(self, route: Route) -> None:
        """Count what cannot be used."""
        with self._changed:
            counts = self._counts[route]
            counts["recorded"] += 1
            counts["errors"] += 1

    def offer(self, route: Route, content: Content) -> bool:
        """Take an item in, or drop it at once where there is no room; return whether it was taken."""
        with self._changed:
            counts = self._counts[route]
            counts["recorded"] += 1
            if self._closed or self._held[route] >= self._capacity[route]:
                counts["dropped"] += 1
                return False
            self._items.append((route, content))
            self._held[route] += 1
            self._taken_in += 1
            if len(self._items) in (1, self._batch_size):
                self._changed.notify_all()
            return True

    def take(self) -> list[Item] | None:
        """Wait for a batch: full, `flush_interval_seconds` old, or asked for by a flush. None when closed and empty.

        Past the deadline of the close, what is left is given up.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            self._changed.wait_for(self._is_due, self._flush_interval_seconds)
            if self._closed and time.monotonic() >= self._deadline:
                left = list(self._items)
                self._items.clear()
                self.finish(left, {route: Counter(failed=held) for route, held in Counter(r for r, _ in left).items()})
            if not self._items:
                return None
            return [self._items.popleft() for _ in range(min(self._batch_size, len(self._items)))]

    def finish(self, batch: Sequence[Item], counts: Mapping[Route, Counter[str]]) -> None:
        """Say what became of a batch that `take` had handed out, under the names of `Stats`."""
        with self._changed:
            for route, each in counts.items():
                self._counts[route].update(each)
            for route, _ in batch:
                self._held[route] -= 1
            self._finished += len(batch)
            self._changed.notify_all()

    def pause(self, seconds: float) -> bool:
        """Wait this long, and return True; False at once where a close leaves no time for it."""
        end = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: self._deadline < end, seconds)
            return self._deadline >= end

    def flush(self, timeout_seconds: float) -> bool:
        """Ask for all that was taken in so far to be sent now, and return whether it was finished in time."""
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

    def stats(self, route: Route) -> Stats:
        """The counts at this moment."""
        with self._changed:
            return Stats(**self._counts[route], pending=self._held[route])

    @property
    def pending(self) -> int:
        """What is queued or being sent."""
        with self._changed:
            return self._taken_in - self._finished

    def _is_due(self) -> bool:
        return self._closed or len(self._items) >= self._batch_size or self._finished < self._flush_up_to
