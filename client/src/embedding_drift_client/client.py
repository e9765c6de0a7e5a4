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
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from embedding_drift_client.buffer import Buffer, Content, Stats
from embedding_drift_client.delivery import Delivery
from embedding_drift_client.event import DEFAULT_FIELDS, Defaults, Event, EventError, Vector, encode, snapshot
from embedding_drift_client.lifecycle import (
    Deployment,
    DeploymentStatus,
    Documents,
    DocumentsStatus,
    Maintenance,
    MaintenanceStatus,
    Reindex,
    ReindexStatus,
    encode_lifecycle,
)
from embedding_drift_client.log import RateLimitedLog
from embedding_drift_client.outcome import Outcome, encode_outcome
from embedding_drift_client.probes import ProbeWatch
from embedding_drift_client.route import EVENTS, LIFECYCLE, OUTCOMES, ROUTES, Route
from embedding_drift_client.sampling import Sampler
from embedding_drift_client.transport import Transport, identity

if TYPE_CHECKING:
    from typing import Self, Unpack

EXIT_SECONDS = 3.0
"""How long all clients together may keep a process that ends."""
LIFECYCLE_QUEUE_SIZE = 1024
"""Of at most 1,000 ids each: some 20 MB."""


class DriftClient:
    """Sends events to the exporter at `url` from a background thread. Safe from any thread, and across forks.

    `sample_rate` in (0, 1] is the share of events that is sent, with their outcomes. The further keywords are fields
    that hold for all events (`Defaults`). A batch goes out when it has `batch_size` items (at most 1000, the exporter's
    limit) or its oldest has waited for `flush_interval_seconds`; `queue_size` bounds the events held in memory, and the
    outcomes, those being sent included; `timeout_seconds` bounds each wait for the exporter. `token`, or the first line
    of `token_file`, which is read for each batch, is sent along; `ca_file` holds the certificates that an exporter with
    https is known by, in place of those of the system.

    Raises ValueError for an argument that can never work, as `watch_probes` does. After that nothing raises.
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
        token: str | None = None,
        token_file: str | None = None,
        ca_file: str | None = None,
        **defaults: Unpack[Defaults],
    ) -> None:
        if not 1 <= batch_size <= 1000:
            raise ValueError("batch_size must be from 1 to 1000")
        if queue_size < batch_size:
            raise ValueError("queue_size must be at least batch_size")
        if not flush_interval_seconds > 0 or not timeout_seconds > 0:
            raise ValueError("flush_interval_seconds and timeout_seconds must be above 0")
        _check_defaults(defaults)
        self._url = url
        self._sample_rate = sample_rate
        self._batch_size = batch_size
        self._flush_interval_seconds = flush_interval_seconds
        self._queue_size = queue_size
        self._timeout_seconds = timeout_seconds
        self._identity = identity(token, token_file, ca_file)
        self._defaults = defaults
        self._event_defaults = encode({**defaults, "sample_rate": sample_rate})
        self._watches: weakref.WeakSet[ProbeWatch] = weakref.WeakSet()
        self._closed = False
        self._begin()
        _clients.add(self)

    def _begin(self) -> None:
        """Everything that one process has for itself; a forked child begins anew."""
        self._sampler = Sampler(self._sample_rate)
        capacity: dict[Route, int] = {
            EVENTS: self._queue_size,
            OUTCOMES: self._queue_size,
            LIFECYCLE: LIFECYCLE_QUEUE_SIZE,
        }
        self._buffer = Buffer(capacity, self._batch_size, self._flush_interval_seconds)
        self._log = RateLimitedLog()
        self._transport = Transport(self._url, self._timeout_seconds, self._identity)
        self._deliveries = {
            route: Delivery(
                self._transport,
                route,
                self._event_defaults if route == EVENTS else b"{}",
                pause=self._buffer.pause,
                log=self._log,
            )
            for route in ROUTES
        }
        self._id_prefix = secrets.token_hex(8)
        self._id_numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def record(self, /, **event: Unpack[Event]) -> None:
        """Take an event into the sample or leave it out, and return at once. Never blocks, never raises.

        The fields are those of `Event`. What is passed is copied. An event that cannot be used is one of `errors`.
        """
        try:
            if not event.get("probe") and not self._sampler.takes(event.get("query_id")):
                self._buffer.sample_out(EVENTS)
                return
            fields = snapshot(dict(event), f"{self._id_prefix}-{next(self._id_numbers)}")
            if self._thread is None:
                self._start()
        except Exception as problem:
            self._refuse(EVENTS, problem)
            return
        self._offer(EVENTS, fields)

    def outcome(self, query_id: str, **outcome: Unpack[Outcome]) -> None:
        """Tell what came of a query, and return at once. Never blocks, never raises.

        Left out where an event with this `query_id` would be: the sample of both is the same at the same rate.
        """
        try:
            if query_id is None:
                raise EventError("query_id: an outcome is joined by it")
            if not self._sampler.takes(query_id):
                self._buffer.sample_out(OUTCOMES)
                return
            content = encode_outcome(query_id, outcome)
            if self._thread is None:
                self._start()
        except Exception as problem:
            self._refuse(OUTCOMES, problem)
            return
        self._offer(OUTCOMES, content)

    @overload
    def lifecycle(self, type: Literal["deployment"], status: DeploymentStatus, **told: Unpack[Deployment]) -> None: ...
    @overload
    def lifecycle(self, type: Literal["reindex"], status: ReindexStatus, **told: Unpack[Reindex]) -> None: ...
    @overload
    def lifecycle(self, type: Literal["documents"], status: DocumentsStatus, **told: Unpack[Documents]) -> None: ...
    @overload
    def lifecycle(
        self, type: Literal["maintenance"], status: MaintenanceStatus, **told: Unpack[Maintenance]
    ) -> None: ...
    def lifecycle(self, type: str, status: str, **told: Any) -> None:  # noqa: A002 (its name on the wire)
        """Tell of a deployment, a reindex, documents or maintenance, and return at once. Never blocks, never raises.

        The fields are those of `Deployment`, `Reindex`, `Documents` and `Maintenance`; where they are among the
        client's and are not said here, the client's hold. Nothing is sampled.
        """
        try:
            contents = encode_lifecycle(type, status, told, self._defaults)
            if self._thread is None:
                self._start()
        except Exception as problem:
            self._refuse(LIFECYCLE, problem)
            return
        for content in contents:
            self._offer(LIFECYCLE, content)

    def watch_probes(
        self,
        embed: Callable[[Any], Vector],
        probes: Iterable[str] | Mapping[str, Any],
        every: float = 300.0,
        **fields: Unpack[Defaults],
    ) -> ProbeWatch:
        """Embed a golden set every `every` seconds in a thread of its own, and record each vector as a probe.

        `embed(text)` makes one vector, in the way that it is made for a query. `probes` are texts, or names with any
        inputs: a name stands for one input for ever. `fields` are those of the events. Whatever `embed` raises is
        counted under `errors` and logged, and the next probe has its turn. Ends with `stop()` or with the client, and
        stays behind when a process is forked.

        Raises ValueError for an argument that can never work.
        """
        _check_defaults(fields)
        failing = False

        def record(name: str, vector: Vector) -> None:
            nonlocal failing
            failing = False
            self.record(**fields, probe=name, embedding=vector)

        def fail(problem: BaseException) -> None:
            nonlocal failing
            self._buffer.refuse(EVENTS)
            if not failing:
                self._log.warning("probe", "a probe cannot be embedded: %s", type(problem).__name__)
            failing = True

        watch = ProbeWatch(embed, probes, every, record=record, fail=fail, stopping=threading.Event())
        self._watches.add(watch)
        if self._closed:
            watch.stop()
            return watch
        try:
            watch.start()
        except RuntimeError as problem:
            fail(problem)
        return watch

    @property
    def stats(self) -> Stats:
        """What became of the events that this process recorded, probes among them."""
        return self._buffer.stats(EVENTS)

    @property
    def outcome_stats(self) -> Stats:
        """What became of the outcomes."""
        return self._buffer.stats(OUTCOMES)

    @property
    def lifecycle_stats(self) -> Stats:
        """What became of the lifecycle events."""
        return self._buffer.stats(LIFECYCLE)

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Send what was recorded so far without waiting for full batches; return whether that was finished in time.

        Finished is also what was given up: `stats` tells.
        """
        return self._buffer.flush(timeout_seconds)

    def close(self, timeout_seconds: float = 5.0) -> bool:
        """Send what is queued, give up what is not sent in time, and end the threads; return whether all is settled.

        What is recorded afterwards is dropped.
        """
        if not self._closed:
            self._closed = True
            end = time.monotonic() + timeout_seconds
            for watch in list(self._watches):
                watch.stop()
            self._buffer.close(timeout_seconds)
            if self._thread is not None:
                self._thread.join(timeout_seconds)
            # An `embed` that is at work when the interpreter ends may crash it.
            for watch in list(self._watches):
                watch.join(max(0.0, end - time.monotonic()))
        return not self._buffer.pending

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin_after_fork(self) -> None:
        """Start anew, in a forked child: the queue is the parent's to send, and its lock may be held for ever."""
        self._begin()
        for watch in list(self._watches):
            watch.leave_to_parent()
        if self._closed:
            self._buffer.close(0.0)

    def _offer(self, route: Route, content: Content) -> None:
        if not self._buffer.offer(route, content):
            self._log.warning(
                f"dropped {route}", "%s are dropped: the queue is full, or the client closed", ROUTES[route]
            )

    def _refuse(self, route: Route, problem: Exception) -> None:
        self._buffer.refuse(route)
        self._log.event_error(problem)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="embedding-drift-client", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while (batch := self._buffer.take()) is not None:
            by_route: dict[Route, list[Content]] = {route: [] for route in ROUTES}
            for route, content in batch:
                by_route[route].append(content)
            # At once: a flush counts in the order in which things came, and a batch is not sent in that order.
            self._buffer.finish(batch, {route: self._send(route, contents) for route, contents in by_route.items()})
        self._transport.close()

    def _send(self, route: Route, contents: Iterable[Content]) -> Counter[str]:
        counts = Counter[str]()
        encoded = []
        for content in contents:
            try:
                encoded.append(content if isinstance(content, bytes) else encode(content, self._sample_rate))
            except EventError as problem:
                counts["errors"] += 1
                self._log.event_error(problem)
        if encoded:
            try:
                counts += self._deliveries[route].deliver(encoded)
            except Exception as problem:  # whatever it is, the next batch is to be sent
                counts["failed"] += len(encoded)
                self._log.warning("bug", "a batch was lost: %s", type(problem).__name__)
        return counts


def _check_defaults(fields: Defaults) -> None:
    if not fields.keys() <= DEFAULT_FIELDS:
        raise ValueError(f"unknown keyword; fields that hold for all events are {', '.join(sorted(DEFAULT_FIELDS))}")


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
