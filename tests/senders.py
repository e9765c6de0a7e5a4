"""Senders over real sockets that try again, lose answers on purpose, and know what was acknowledged."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable

import numpy as np

from tests.service import event

RETRYABLE = frozenset({408, 429, 502, 503, 504})
PAUSE_SECONDS = 0.02


class Sender:
    """Sends batches to one model's series, each under a key of its own, until it is stopped; for one thread.

    Some answers are not waited for, and some batches sent again though they were answered: that must not count twice.
    """

    def __init__(self, address: tuple[str, int], seed: int, *, vectors: bool = True, most_events: int = 20) -> None:
        self.model = f"sender-{seed}"
        self.acknowledged = 0
        """Events of batches that were answered with 202."""
        self.history: list[tuple[float, int]] = []
        """When, by the monotonic clock, and how many had been acknowledged by then."""
        self.refused: list[tuple[int, dict[str, str]]] = []
        """Statuses and headers of all other replies."""
        self.replayed = 0
        self.lost_answers = 0
        self._address = address
        self._rng = np.random.default_rng(seed)
        self._vectors = vectors
        self._most_events = most_events
        self._stop = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 120.0) -> None:
        """End after the batch under way was acknowledged."""
        self._stop.set()
        self._thread.join(timeout_seconds)
        assert not self._thread.is_alive()

    def acknowledged_at(self, moment: float) -> int:
        """Events acknowledged by then."""
        return max((count for at, count in self.history if at <= moment), default=0)

    def _run(self) -> None:
        while not self._stop.is_set():
            count = int(self._rng.integers(1, self._most_events + 1))
            body, key = self._batch(count), uuid.uuid4().hex
            if self._rng.random() < 0.1:
                self._send_and_leave(body, key)
            self._until_acknowledged(body, key)
            self.acknowledged += count
            self.history.append((time.monotonic(), self.acknowledged))
            if self._rng.random() < 0.1:
                self._until_acknowledged(body, key)
        self._drop()

    def _batch(self, count: int) -> bytes:
        made = []
        for _ in range(count):
            fields = {"embedding": self._rng.normal(size=16).round(4).tolist()} if self._vectors else {}
            scores = np.sort(self._rng.uniform(0.2, 0.9, 5))[::-1].round(4).tolist()
            made.append(event(model=self.model, scores=scores, sample_rate=0.3, **fields))
        return json.dumps(made).encode()

    def _until_acknowledged(self, body: bytes, key: str) -> None:
        while True:
            try:
                status, headers = self._ask(body, key)
            except (OSError, http.client.HTTPException):
                self._drop()
                time.sleep(PAUSE_SECONDS)
                continue
            if status == 202:
                self.replayed += "idempotent-replayed" in headers
                return
            self.refused.append((status, headers))
            assert status in RETRYABLE, status
            time.sleep(PAUSE_SECONDS)

    def _ask(self, body: bytes, key: str) -> tuple[int, dict[str, str]]:
        connection = self._connected()
        connection.request("POST", "/v1/events", body, {"Content-Type": "application/json", "Idempotency-Key": key})
        reply = connection.getresponse()
        reply.read()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}

    def _send_and_leave(self, body: bytes, key: str) -> None:
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            self._connected().request("POST", "/v1/events", body, headers)
            self.lost_answers += 1
        except (OSError, http.client.HTTPException):
            pass
        self._drop()

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(*self._address, timeout=10)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(PAUSE_SECONDS)
