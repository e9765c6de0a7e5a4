"""Admission to ingest: bounded bytes and bounded work, so that scrapes, probes and pages always have their turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from app.model import Shed

Result = TypeVar("Result")

TURN_SECONDS: Final = 0.01
"""Of work in one turn of the event loop, and what is begun by then; half as much where turns before it did some.

A scrape needs some four turns."""

RETRY_AFTER_SECONDS: Final = 1
"""What waits is done in less."""


class Overloaded(Exception):  # noqa: N818 - the reply says what went wrong
    """There is no place for the request now; it may be sent again."""

    def __init__(self, shed: Shed, message: str) -> None:
        super().__init__(message)
        self.shed = shed
        self.message = message


class Admission:
    """Takes work in while at most `max_waiting` requests wait and their bodies have at most `max_bytes`.

    Work on a small body is done on the event loop, for `TURN_SECONDS` a turn: handing it to a thread would cost more
    than it takes. Work on a large one is done in one thread, one after the other, so that only one of them at a time
    needs many times its size. For one event loop; costs a request a microsecond where nothing waits.
    """

    def __init__(self, max_waiting: int, max_bytes: int) -> None:
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._bytes = 0
        self._queue: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._beside = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._left_seconds = TURN_SECONDS
        self._turning = False

    @property
    def waiting(self) -> int:
        """Requests whose bodies are there and whose work has not ended."""
        return len(self._queue) + self._beside

    @property
    def held_bytes(self) -> int:
        """Of bodies, whole or in part."""
        return self._bytes

    @property
    def full(self) -> bool:
        """Whether small work would be refused: none can be begun at once, and as much waits as may."""
        return self.waiting >= self._max_waiting and not self._idle

    def overloaded(self) -> Overloaded:
        """What is raised where it is full."""
        return Overloaded(Shed.REQUESTS, f"{self._max_waiting} requests wait already: send it again later")

    @property
    def _idle(self) -> bool:
        return not self._queue and self._left_seconds > 0

    def hold(self, size: int) -> None:
        """Count bytes of a body that came in. Raises `Overloaded`, and counts none of them, where they are too many."""
        if self._bytes + size > self._max_bytes:
            raise Overloaded(Shed.BYTES, "the bodies under way hold all the memory that they may: send it again later")
        self._bytes += size

    def release(self, size: int) -> None:
        """Count bytes no more: their request is answered, or its body given up."""
        self._bytes -= size

    async def run(self, work: Callable[[], Result], *, beside: bool) -> Result:
        """Do the work in its turn, in the thread if `beside` the loop. Raises `Overloaded`, and what the work raises.

        Cancelled, work in the thread goes on to its end, and work that waits is left undone.
        """
        idle = self._idle
        if self.waiting >= self._max_waiting and (beside or not idle):
            raise self.overloaded()
        loop = asyncio.get_running_loop()
        if beside:
            return await self._run_beside(loop, work)
        if idle:
            return self._run(loop, work)
        future: asyncio.Future[Result] = loop.create_future()
        self._queue.append((work, future))
        try:
            return await future
        finally:
            del future  # it has what the work raised, whose traceback has this frame, the work and its body

    def close(self) -> None:
        """End the thread after the work that it is at."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run_beside(self, loop: asyncio.AbstractEventLoop, work: Callable[[], Result]) -> Result:
        future = loop.run_in_executor(self._thread, work)
        self._beside += 1
        future.add_done_callback(self._beside_done)
        try:
            return await future
        finally:
            del future  # as above

    def _beside_done(self, _: asyncio.Future[Any]) -> None:
        self._beside -= 1

    def _run(self, loop: asyncio.AbstractEventLoop, work: Callable[[], Result]) -> Result:
        begun = time.perf_counter()
        try:
            return work()
        finally:
            self._left_seconds -= time.perf_counter() - begun
            # Not after each: to be called back costs as much as reading the body of one event.
            if self._left_seconds < TURN_SECONDS / 2 and not self._turning:
                self._turning = True
                loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """One turn of the loop later: take up what waits, and come again while something does."""
        self._left_seconds = TURN_SECONDS
        self._turning = bool(self._queue)
        while self._queue and self._left_seconds > 0:
            work, future = self._queue.popleft()
            if not future.done():
                self._settle(loop, work, future)
        if self._turning:
            loop.call_soon(self._turn, loop)

    def _settle(self, loop: asyncio.AbstractEventLoop, work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        try:
            future.set_result(self._run(loop, work))
        except Exception as error:
            future.set_exception(error)
        finally:
            del future  # as above
