"""A golden set, embedded again and again: the same input must give the same vector."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from embedding_drift_client.event import Vector


def named(probes: Iterable[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Probes by name. A text without one is named by its SHA-256: with another text it is another probe, not drift.

    Raises ValueError where there is none, or a single string.

    >>> list(named(["reset my password"]))
    ['a488074ce8eaacecbb3d34f963a41b00']
    """
    if isinstance(probes, (str, bytes)):
        raise ValueError("probes must be texts, or a mapping of names to inputs, not one string")
    by_name = (
        dict(probes)
        if isinstance(probes, Mapping)
        else {hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]: text for text in probes}
    )
    if not by_name:
        raise ValueError("probes must hold at least one input")
    return by_name


class ProbeWatch:
    """Embeds each of `probes` every `every` seconds in a daemon thread, until stopped.

    The probes are spread over that time, so that a large golden set is no burst; where `embed` is slow, a round takes
    longer. `record(name, vector)` gets each vector, `fail(problem)` whatever `embed` raises, and neither may raise.
    `stopping` ends the watch.

    Raises ValueError where `every` is not above 0 and finite, and for probes that `named` refuses.
    """

    def __init__(
        self,
        embed: Callable[[Any], Vector],
        probes: Iterable[str] | Mapping[str, Any],
        every: float,
        *,
        record: Callable[[str, Vector], None],
        fail: Callable[[BaseException], None],
        stopping: threading.Event,
    ) -> None:
        if not 0 < every <= threading.TIMEOUT_MAX:
            raise ValueError("every must be a number of seconds above 0")
        self._embed = embed
        self._probes = named(probes)
        self._every = every
        self._record = record
        self._fail = fail
        self._stopping = stopping
        self._thread = threading.Thread(target=self._run, name="embedding-drift-probes", daemon=True)

    def start(self) -> None:
        """Begin with the first probe. Raises RuntimeError where no thread can be started."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch, without waiting: a vector that is being made will not be recorded."""
        self._stopping.set()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread of a stopped watch, at most this long; return whether it has ended."""
        # `embed` itself may close the client.
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def leave_to_parent(self) -> None:
        """In a forked child there is no such thread, and the event's lock may be held for ever."""
        self._stopping = threading.Event()
        self._stopping.set()

    def _run(self) -> None:
        pause = self._every / len(self._probes)
        for name, probe in itertools.cycle(self._probes.items()):
            try:
                vector = self._embed(probe)
                if vector is None:
                    raise TypeError
            except BaseException as problem:  # SystemExit and CancelledError too: nobody waits for them here
                self._fail(problem)
            else:
                if not self._stopping.is_set():
                    self._record(name, vector)
            if self._stopping.wait(pause):
                return
