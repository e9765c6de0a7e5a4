"""Reading a request body within a size, a time and the memory that all bodies share."""

from __future__ import annotations

import asyncio

from fastapi import Request

from app.api.admission import Admission
from app.model import Reason


class BodyRefused(Exception):  # noqa: N818 - the reply says what went wrong
    """The body is too large, came too slowly, or its sender left."""

    def __init__(self, status_code: int, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.reason = reason
        self.message = message


class BodyReader:
    """Reads request bodies within a size and a time.

    With an `admission`, what comes in is held there, and whoever got a body releases its length.

    One timer looks after all that are under way: one for each would cost a request of one event as much as parsing it.
    So a body is given up between `timeout_seconds` and an eighth more after its start.
    """

    def __init__(self, timeout_seconds: float, admission: Admission | None = None) -> None:
        self._timeout_seconds = timeout_seconds
        self._admission = admission
        self._since: dict[asyncio.Task[object], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, request: Request, limit_bytes: int) -> bytes:
        """The whole body.

        Raises:
            BodyRefused: with the status to answer.
            Overloaded: the bodies under way hold all the memory that they may.
        """
        chunks = await self.chunks(request, limit_bytes)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def chunks(self, request: Request, limit_bytes: int) -> list[bytes]:
        """The whole body in the pieces it came in: to join a large one takes so long that it is done beside the loop.

        Raises:
            BodyRefused: as for `read`.
        """
        announced = header(request, b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > limit_bytes:
            raise _too_large(limit_bytes)
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        self._since[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._timeout_seconds / 8, self._give_up, loop)
        try:
            return await self._received(request, limit_bytes)
        except asyncio.CancelledError:
            if task in self._since:
                raise  # by somebody else: the server stops
            task.uncancel()
            message = f"the body did not arrive within {self._timeout_seconds:g} s"
            raise BodyRefused(408, Reason.TOO_SLOW, message) from None
        finally:
            self._since.pop(task, None)

    async def _received(self, request: Request, limit_bytes: int) -> list[bytes]:
        chunks: list[bytes] = []
        size = held = 0
        more = True
        try:
            # Not request.stream(): its two generators cost as much as the timeout.
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise BodyRefused(400, Reason.DISCONNECTED, "the connection closed before the body was whole")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                if self._admission is not None:
                    self._admission.hold(len(chunk))
                    held = size
                chunks.append(chunk)
                more = message.get("more_body", False)
        except BaseException:
            if self._admission is not None:
                self._admission.release(held)
            raise
        return chunks

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is late, and look again if anything is under way."""
        latest = loop.time() - self._timeout_seconds
        for task in [task for task, since in self._since.items() if since < latest]:
            del self._since[task]
            task.cancel()
        self._timer = loop.call_later(self._timeout_seconds / 8, self._give_up, loop) if self._since else None


def header(request: Request, name: bytes) -> str | None:
    """The first header of this name, in lower case; Starlette's own look-up encodes the name anew for each header."""
    for key, value in request.scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def media_type(request: Request) -> str:
    """The content type without parameters; empty if there is none."""
    return (header(request, b"content-type") or "").partition(";")[0].strip().lower()


def _too_large(limit_bytes: int) -> BodyRefused:
    return BodyRefused(413, Reason.TOO_LARGE, f"the body may have {limit_bytes} bytes at most: send less at a time")
