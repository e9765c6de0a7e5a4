"""Events as request bodies, and a load generator that costs less than what it drives.

Bodies are made once; each time one is sent, its event ids are overwritten in place with fresh ones of the same width,
so that nothing is a duplicate and nothing is encoded again.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import secrets
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from bench.bodies import Encoding, Events, body, media_type
from bench.server import Server

MODEL: Final = "bench-model"
DIMENSION: Final = 768
TOP_K: Final = 10
DISTINCT_EVENTS: Final = 512
"""Of one pool: enough that neither the vectors nor the text stay in the first caches."""
CONNECTIONS: Final = 8
ID_DIGITS: Final = 12
PLACEHOLDER: Final = "#" * ID_DIGITS
SETTLE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Shape:
    """How events are put into requests."""

    encoding: Encoding
    batch: int

    def __str__(self) -> str:
        return f"{self.encoding}, batch {self.batch}"


class Pool:
    """Requests of one shape, ready to be sent, each with event ids that were never sent before.

    Their events belong to `series` versions of one model in turn, from the `first` on, and have all fields but those
    that they are made `without`.
    """

    def __init__(
        self,
        shape: Shape,
        series: int = 1,
        *,
        first: int = 0,
        without: Collection[str] = (),
        dimension: int = DIMENSION,
    ) -> None:
        self.shape = shape
        # Vectors around a common mean, as real models give them, float32 like theirs: as doubles they have about
        # twenty digits of text.
        rng = np.random.default_rng(7)
        count = math.ceil(DISTINCT_EVENTS / shape.batch) * shape.batch
        vectors = rng.normal(size=(count, dimension)) + rng.normal(size=dimension)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        scores = np.sort(rng.beta(8, 4, size=(count, TOP_K)))[:, ::-1].astype(np.float32)
        prefix = secrets.token_hex(4)
        fields = [
            {
                "model": MODEL,
                "model_version": str(first + position % series),  # as bench.fill.key names them
                "tokenizer_version": "1",
                "event_id": f"e-{prefix}-{PLACEHOLDER}",
                "query_id": f"q-{prefix}-{PLACEHOLDER}",
                "input_hash": rng.bytes(16).hex(),
                "ids": [f"doc-{document:07d}" for document in rng.integers(1_000_000, size=TOP_K)],
            }
            for position in range(count)
        ]
        fields = [{name: value for name, value in each.items() if name not in without} for each in fields]
        events = Events(fields, vectors.astype("<f4"), scores)
        requests = [
            post(body(shape.encoding, events.take(start, start + shape.batch)), media_type(shape.encoding))
            for start in range(0, count, shape.batch)
        ]
        self._requests: Iterator[tuple[bytearray, list[int]]] = itertools.cycle(requests)
        self._serial = 0

    def next_request(self) -> bytearray:
        """The next request, headers and body; it is valid until the pool has gone round once."""
        request, places = next(self._requests)
        for place in places:
            self._serial += 1
            request[place : place + ID_DIGITS] = b"%0*d" % (ID_DIGITS, self._serial)
        return request


def post(content: bytes, content_type: str) -> tuple[bytearray, list[int]]:
    """A POST to /v1/events, and where in it the placeholders of ids stand."""
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    request = bytearray(head.encode() + content)
    return request, [match.start() for match in re.finditer(PLACEHOLDER.encode(), request)]


def get(headers: str) -> bytes:
    """A GET of /metrics."""
    return f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


class Connection:
    """A kept-alive HTTP/1.1 connection that sends made-up bytes and reads one reply for each."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, request: bytes | bytearray) -> None:
        """Send one request as it is."""
        self._socket.sendall(request)

    def receive(self) -> bytes:
        """The body of the next reply; RuntimeError when its status is not 2xx or the connection ends."""
        reply = self._read()
        while (end := reply.find(b"\r\n\r\n")) < 0:
            reply += self._read()
        head, body = reply[:end].lower(), reply[end + 4 :]
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        # In a list: a scrape of megabytes is not to be copied once a chunk.
        chunks, missing = [body], length - len(body)
        while missing > 0:
            chunks.append(self._read())
            missing -= len(chunks[-1])
        if not head.startswith(b"http/1.1 2"):
            raise RuntimeError(f"{head.splitlines()[0].decode()}: {b''.join(chunks)[:500].decode(errors='replace')}")
        return b"".join(chunks)

    def exchange(self, request: bytes | bytearray) -> bytes:
        """Send one request and read the body of its reply."""
        self.send(request)
        return self.receive()

    def _read(self) -> bytes:
        chunk = self._socket.recv(1 << 18)
        if not chunk:
            raise RuntimeError("the server closed the connection")
        return chunk


@dataclass(frozen=True, slots=True)
class Driven:
    """What a server was sent in one go, and what that cost it."""

    requests: int
    events: int
    cpu_seconds: float
    wall_seconds: float
    exchanges: list[tuple[float, float]]
    """When the last byte of each request was sent and when its reply was read, on the clock of `time.perf_counter`."""

    @property
    def cpu_per_request(self) -> float:
        """Seconds of the server's CPU time."""
        return self.cpu_seconds / self.requests

    @property
    def latencies_seconds(self) -> list[float]:
        """From request to reply; with more than one connection, the wait in the queue is in it."""
        return [received - sent for sent, received in self.exchanges]

    @property
    def cpu_per_event(self) -> float:
        """Seconds of the server's CPU time."""
        return self.cpu_seconds / self.events


def drive(
    server: Server, pool: Pool, seconds: float, *, connections: int = CONNECTIONS, counted: bool = True
) -> Driven:
    """Keep `connections` requests under way for `seconds` and wait for the last reply: what did they cost the server.

    RuntimeError where a reply is not 2xx or, when `counted`, does not accept every event that was sent.
    """
    batch = pool.shape.batch
    exchanges: list[tuple[float, float]] = []
    with ExitStack() as stack:
        lines = [stack.enter_context(Connection(server.port)) for _ in range(connections)]
        sent = dict.fromkeys(lines, 0.0)

        def send(line: Connection) -> None:
            line.send(pool.next_request())
            sent[line] = time.perf_counter()

        def receive(line: Connection) -> None:
            accepted = json.loads(line.receive())["accepted"]
            exchanges.append((sent[line], time.perf_counter()))
            if counted and accepted != batch:
                raise RuntimeError(f"{server.name} accepted {accepted} events of {batch}")

        for line in lines:
            send(line)
            receive(line)
        exchanges.clear()
        time.sleep(SETTLE_SECONDS)
        started, cpu = time.perf_counter(), server.cpu_seconds()
        for line in lines:
            send(line)
        while time.perf_counter() - started < seconds:
            for line in lines:
                receive(line)
                send(line)
        for line in lines:
            receive(line)
        wall = time.perf_counter() - started
        time.sleep(SETTLE_SECONDS)
        cpu = server.cpu_seconds() - cpu
    return Driven(len(exchanges), len(exchanges) * batch, cpu, wall, exchanges)
