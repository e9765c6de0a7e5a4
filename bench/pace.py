"""Events at a given pace, as senders give them: what they cost a server that mostly waits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from bench.load import SETTLE_SECONDS, Connection, Pool
from bench.server import Server

LEAST_REQUESTS: Final = 10
"""Fewer say little of what one costs."""


@dataclass(frozen=True, slots=True)
class Paced:
    """What a server did for events that came at a pace."""

    events: int
    cpu_seconds: float
    wall_seconds: float

    @property
    def cpu_per_event(self) -> float:
        """Seconds of the server's CPU time, with all that it does beside."""
        return self.cpu_seconds / self.events

    @property
    def busy(self) -> float:
        """Share of one core."""
        return self.cpu_seconds / self.wall_seconds


def pace(server: Server, pool: Pool, events_per_second: float, seconds: float) -> Paced:
    """Send requests over one connection, each when its time has come, for so long or for some requests at least."""
    interval = pool.shape.batch / events_per_second
    requests = max(LEAST_REQUESTS, round(seconds / interval))
    with Connection(server.port) as line:
        line.send(pool.next_request())
        line.receive()
        time.sleep(SETTLE_SECONDS)
        cpu, started = server.cpu_seconds(), time.perf_counter()
        for number in range(requests):
            time.sleep(max(0.0, started + number * interval - time.perf_counter()))
            line.send(pool.next_request())
            line.receive()
        time.sleep(max(0.0, started + requests * interval - time.perf_counter()))
        return Paced(requests * pool.shape.batch, server.cpu_seconds() - cpu, time.perf_counter() - started)
