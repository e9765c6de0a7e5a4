"""Load from a process of its own: `python -m tests.load PORT FILE SECONDS CONNECTIONS [RATE]`.

It posts the file to /v1/events.

With a rate requests are sent when they are due, whatever has become of those before (open loop), as far as connections
are free; without, each connection sends the next one when it has its reply. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, deque
from pathlib import Path

import uvloop


class Line(asyncio.Protocol):
    """A kept-alive connection: one request, one reply."""

    def __init__(self, load):
        self.load = load
        self.received = b""
        self.begun = None

    def connection_made(self, transport):
        self.transport = transport
        self.load.free(self)

    def send(self, request):
        self.begun = time.perf_counter()
        self.load.sent += 1
        self.transport.write(request)

    def data_received(self, data):
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        lowered = head.lower()
        length = int(lowered.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.received = b""
        status = int(head[9:12])
        self.load.seconds.append(time.perf_counter() - self.begun)
        self.load.statuses[status] += 1
        self.begun = None
        if status == 202:
            self.load.accepted += json.loads(body)["accepted"]
        elif b"retry-after:" not in lowered:
            self.load.without_retry_after += 1
        self.load.free(self)

    def connection_lost(self, exc):
        self.load.lost(self)


class Load:
    """All connections, and what came of what was sent on them."""

    def __init__(self, port, request, seconds, connections, rate):
        self.request, self.port, self.rate = request, port, rate
        self.duration, self.connections = seconds, connections
        self.statuses, self.seconds = Counter(), []
        self.sent = self.accepted = self.without_retry_after = self.resets = 0
        self.idle = deque()
        self.over = self.ended = False

    def free(self, line):
        if self.rate is None and not self.over:
            line.send(self.request)
        else:
            self.idle.append(line)

    def lost(self, line):
        if line.begun is not None and not self.ended:
            self.resets += 1
        elif line in self.idle:
            self.idle.remove(line)

    async def run(self):
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Line(self), "127.0.0.1", self.port) for _ in range(self.connections)
        ]
        begun = time.perf_counter()
        due = 0.0
        while (now := time.perf_counter() - begun) < self.duration:
            if self.rate is not None:
                due = max(due, now * self.rate - self.connections)
                while due < now * self.rate and self.idle:
                    self.idle.popleft().send(self.request)
                    due += 1
            await asyncio.sleep(0.001)
        self.over = True
        while (
            self.sent > sum(self.statuses.values()) + self.resets and time.perf_counter() - begun < self.duration + 30
        ):
            await asyncio.sleep(0.01)
        self.ended = True
        took = time.perf_counter() - begun
        for transport, _ in made:
            transport.close()
        ordered = sorted(self.seconds)
        return {
            "sent": self.sent,
            "statuses": self.statuses,
            "accepted": self.accepted,
            "without_retry_after": self.without_retry_after,
            "resets": self.resets,
            "seconds": took,
            "p50": ordered[len(ordered) // 2],
            "p99": ordered[int(len(ordered) * 0.99)],
            "latencies_seconds": ordered,
        }


def main(port, path, seconds, connections, rate=None):
    body = Path(path).read_bytes()
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    load = Load(
        int(port), head.encode() + body, float(seconds), int(connections), None if rate is None else float(rate)
    )
    print(json.dumps(uvloop.run(load.run())))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
