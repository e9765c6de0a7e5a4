"""What the two steps behind the HTTP server cost by themselves: decoding a body, adding its events to their series."""

from __future__ import annotations

import time
from dataclasses import dataclass

from app.decode import Limits, decode
from app.model import Timing
from app.store import MemoryStore
from bench.bodies import media_type
from bench.load import Pool


@dataclass(frozen=True, slots=True)
class Steps:
    """Seconds of CPU an event."""

    decode: float
    append: float


class InProcess:
    """Decoding and storing in this process, of the bodies of one pool, into a series that has learned its baseline."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._media_type = media_type(pool.shape.encoding)
        self._limits = Limits()
        self._store = MemoryStore(Timing(), max_series=1, max_state_bytes=1 << 30)
        self.run(seconds=0)
        for series in self._store.series():
            series.stop_learning()

    def run(self, seconds: float) -> Steps:
        """Go on for so long, for one body at least."""
        decoding = appending = 0.0
        events = 0
        end = time.monotonic() + seconds
        while events == 0 or time.monotonic() < end:
            body, now = bytes(self._pool.next_request().partition(b"\r\n\r\n")[2]), time.time()
            started = time.thread_time()
            batch = decode(self._media_type, None, body, self._limits, now).batch
            decoded = time.thread_time()
            events += self._store.append(batch, now).accepted
            appending += time.thread_time() - decoded
            decoding += decoded - started
        return Steps(decoding / events, appending / events)
