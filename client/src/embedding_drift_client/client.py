"""DriftClient: samples in the caller's thread, sends from its own."""

from __future__ import annotations

import atexit
import itertools
import os
import secrets
import threading
import time
import weakref
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING

from embedding_drift_client.buffer import Buffer, Stats
from embedding_drift_client.delivery import Delivery
from embedding_drift_client.event import DEFAULT_FIELDS, Defaults, Event, EventError, encode, snapshot
from embedding_drift_client.log import RateLimitedLog
from embedding_drift_client.sampling import Sampler
from embedding_drift_client.transport import Transport

if TYPE_CHECKING:
    from typing import Self, Unpack

EXIT_SECONDS = 3.0
"""How long all clients together may keep a process that ends."""


class DriftClient:
    """Sends events to the exporter at `url` from a background thread. Safe from any thread, and across forks.

    `sample_rate` in (0, 1] is the share of events that is sent. The further keywords are fields that hold for all
    events (`Defaults`). A batch goes out when it has `batch_size` events (at most 1000, the exporter's limit) or its
    oldest has waited for `flush_interval_seconds`; `queue_size` bounds the events held in memory, those being sent
    included; `timeout_seconds` bounds each wait for the exporter.

    Raises ValueError for an argument that can never work. After that nothing raises.
    """

    def __init__(
        self,
        url: str,
        sample_rate: float = 1.0,
        *,
        batch_size: int = 64,
        flush_interval_seconds: float = 1.0,
        queue_size: int = 4096,
        timeout_seconds: float = 5.0,
        **defaults: Unpack[Defaults],
    ) -> None:
        if not 1 <= batch_size <= 1000:
            raise ValueError("batch_size must be from 1 to 1000")
        if queue_size < batch_size:
            raise ValueError("queue_size must be at least batch_size")
        if not flush_interval_seconds > 0 or not timeout_seconds > 0:
            raise ValueError("flush_interval_seconds and timeout_seconds must be above 0")
        if not defaults.keys() <= DEFAULT_FIELDS:
            raise ValueError(
                f"unknown keyword; fields that hold for all events are {', '.join(sorted(DEFAULT_FIELDS))}"
            )
        self._url = url
        self._sample_rate = sample_rate
        self._batch_size = batch_size
        self._flush_interval_seconds = flush_interval_seconds
        self._queue_size = queue_size
        self._timeout_seconds = timeout_seconds
        self._defaults = encode({**defaults, "sample_rate": sample_rate})
        self._closed = False
        self._begin()
        _clients.add(self)

    def _begin(self) -> None:
        """Everything that one process has for itself; a forked child begins anew."""
        self._sampler = Sampler(self._sample_rate)
        self._buffer = Buffer(self._queue_size, self._batch_size, self._flush_interval_seconds)
        self._log = RateLimitedLog()
        self._transport = Transport(self._url, self._timeout_seconds)
        self._delivery = Delivery(self._transport, self._defaults, self._buffer.pause, self._log)
        self._id_prefix = secrets.token_hex(8)
        self._id_numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def record(self, /, **event: Unpack[Event]) -> None:
        """Take an event into the sample or leave it out, and return at once. Never blocks, never raises.

        The fields are those of `Event`. What is passed is copied. An event that cannot be used is one of `errors`.
        """
        try:
            if not self._sampler.takes(event.get("query_id")):
                self._buffer.sample_out()
                return
            fields = snapshot(dict(event), f"{self._id_prefix}-{next(self._id_numbers)}")
            if self._thread is None:
                self._start()
        except Exception as problem:
            self._buffer.refuse()
            self._log.event_error(problem)
            return
        if not self._buffer.offer(fields):
            self._log.warning("dropped", "events are dropped: the queue is full, or the client closed")

    @property
    def stats(self) -> Stats:
        """What became of the events that this process recorded."""
        return self._buffer.stats

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Send what was recorded so far without waiting for full batches; return whether that was finished in time.

        Finished is also what was given up: `stats` tells.
        """
        return self._buffer.flush(timeout_seconds)

    def close(self, timeout_seconds: float = 5.0) -> bool:
        """Send what is queued, give up what is not sent in time, and end the thread; return whether nothing is pending.

        What is recorded afterwards is dropped.
        """
        if not self._closed:
            self._closed = True
            self._buffer.close(timeout_seconds)
            if self._thread is not None:
                self._thread.join(timeout_seconds)
        return not self._buffer.stats.pending

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin_after_fork(self) -> None:
        """Start anew, in a forked child: the queue is the parent's to send, and its lock may be held for ever."""
        self._begin()
        if self._closed:
            self._buffer.close(0.0)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="embedding-drift-client", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while (batch := self._buffer.take()) is not None:
            counts = Counter[str]()
            encoded = []
            for event in batch:
                try:
                    encoded.append(encode(event, self._sample_rate))
                except EventError as problem:
                    counts["errors"] += 1
                    self._log.event_error(problem)
            if encoded:
                try:
                    counts += self._delivery.deliver(encoded)
                except Exception as problem:  # whatever it is, the next batch is to be sent
                    counts["failed"] += len(encoded)
                    self._log.warning("bug", "a batch was lost: %s", type(problem).__name__)
            self._buffer.finish(len(batch), counts)
        self._transport.close()


_clients: weakref.WeakSet[DriftClient] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    end = time.monotonic() + EXIT_SECONDS
    for client in list(_clients):
        client.close(max(0.0, end - time.monotonic()))


def _begin_all_after_fork() -> None:
    for client in list(_clients):
        client.begin_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all_after_fork)
