"""HTTP/1.1 of one connection: uvicorn's, with a bound on heads, and a watch on who waits for whom.

uvicorn has no deadline for the head of a request (uvicorn#157), nor for what follows a reply that was given early, nor
for a client that does not read; its parser has no bound on a head. Timers for each request would cost as much as
parsing it, so a connection only notes what it waits for, and `Connections.sweep` looks at all of them now and then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

import httptools
from fastapi import Response
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.model import Closed
from app.server.connections import Connections, Place
from app.server.received import LARGE_BYTES, Received

MAX_HEAD_BYTES: Final = 64 * 1024
"""Of the line and headers of a request, of trailers, and of what stands between chunks."""


def _last(status: HTTPStatus, message: str) -> Response:
    return Response(json.dumps({"error": message}), status, {"Connection": "close"}, "application/json")


_REPLIES: Final = {
    Closed.MALFORMED: _last(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1"),
    Closed.HEAD_TOO_LARGE: _last(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"the line and headers of a request may have {MAX_HEAD_BYTES} bytes",
    ),
    Closed.SLOW_REQUEST: _last(HTTPStatus.REQUEST_TIMEOUT, "the head of the request did not arrive in time"),
}
"""What is said to clients that may be listening."""

TurnAway = Callable[[bytes, bytes], Response | None]
"""Method and target of a request -> what to answer without its body; None where it is to be served."""


class _Part(Enum):
    """What of a request has come."""

    HEAD = auto()
    """None of it, or a part of its head."""
    BODY = auto()
    """Its head."""
    WHOLE = auto()


class DoorProtocol(HttpToolsProtocol):
    """One connection. `place` is where it stands among the others."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        connections: Connections,
        place: Place,
        admitted: Callable[[dict[str, Any] | None], bool],
        turn_away: TurnAway | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._connections = connections
        self._place = place
        self._admitted = admitted
        self._turn_away = turn_away
        self._turned_away = False
        self._served: RequestResponseCycle | None = None
        self._part = _Part.HEAD
        self._begun = False
        self._since = self.loop.time()
        self._unsent_since: float | None = None
        self._stray = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection is there, and its handshake done."""
        super().connection_made(transport)
        self._place.conversation = self
        if not self._admitted(transport.get_extra_info("peercert")):
            self._connections.refuse(Closed.HANDSHAKE)
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._connections.leave(self._place)
        self.pipeline.clear()
        if self._served is not None:
            # uvicorn tells the last request that it parsed; the one that is served wrote on, and logged a traceback.
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and end what is no request or has no end.

        In place of uvicorn's, which writes a warning for every client that does not speak HTTP.
        """
        self._unset_keepalive_if_required()
        if self._part is _Part.WHOLE and self._answered():
            # Bytes that may be no request yet: line ends between requests would else keep a connection open for ever.
            self._await(_Part.HEAD)
            self._begun = False
        self._stray += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # to what we do not speak; the request is answered as it is
        except httptools.HttpParserError:
            self._refuse(Closed.MALFORMED)
        else:
            if self._stray > MAX_HEAD_BYTES:
                self._refuse(Closed.HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._await(_Part.HEAD)
        self._begun = True

    def on_headers_complete(self) -> None:
        """The head is there: the application begins, unless the request is turned away."""
        reply = self._early_reply()
        self._turned_away = reply is not None
        if reply is None:
            super().on_headers_complete()
        else:
            self._send(reply)
        self._await(_Part.BODY)
        self._stray = 0

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._turned_away:
            # Begun anew after each message, and no gain for what is small.
            if len(body) >= LARGE_BYTES and isinstance(self.cycle.body, bytearray) and not self.cycle.body:
                self.cycle.body = Received()  # type: ignore[assignment]
            super().on_body(body)
        self._stray = 0

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self._turned_away:
            super().on_message_complete()
        self._part = _Part.WHOLE
        self._stray = 0
        if self._answered():
            # Before it was whole: uvicorn's timer of idle connections, if it ran, ended with the rest of the body.
            self._since = self.loop.time()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """The reply is written; its request may not have ended."""
        super().on_response_complete()
        if self._part is _Part.WHOLE:
            self._since = self.loop.time()

    def waiting_since(self) -> float | None:
        """Since when the client has the turn; None while the exporter has it."""
        if self._part is not _Part.BODY and not self._answered():
            return None
        return self._since

    def overdue(self, now: float, request_seconds: float, reply_seconds: float) -> Closed | None:
        """Whether the head, or the rest of a request that was answered, is late, or the client does not read."""
        if self.transport.get_write_buffer_size() == 0:
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        elif now - self._unsent_since > reply_seconds:
            return Closed.SLOW_READER
        # The body of a request that is under way has its deadline where it is read, and its reply from there.
        late = self._part is not _Part.WHOLE and self._answered() and now - self._since > request_seconds
        return Closed.SLOW_REQUEST if late and not self.transport.is_closing() else None

    def close(self, reason: Closed) -> None:
        """End it; with a reply where a head is late that was begun."""
        if reason is Closed.SLOW_REQUEST and self._part is _Part.HEAD and self._begun:
            self._reply(reason)
        else:
            self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def _await(self, part: _Part) -> None:
        self._part = part
        self._since = self.loop.time()

    def _answered(self) -> bool:
        """Whether no request is under way, other than the one that is still coming."""
        return self.cycle is None or self.cycle.response_complete

    def _early_reply(self) -> Response | None:
        """Of a request that is turned away; what is unusual goes the usual way, and is refused there."""
        if self._turn_away is None:
            return None
        reply = self._turn_away(self.parser.get_method(), self.url)
        usual = (
            reply is not None
            and self._answered()
            and self.parser.should_keep_alive()
            and self.parser.get_http_version() == "1.1"
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
            # Of a client that sends and does not read: there no more is read of it until it does.
            and not self.flow.write_paused
        )
        return reply if usual else None

    def _send(self, reply: Response) -> None:
        status = HTTPStatus(reply.status_code)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()]
        for name, value in (*self.server_state.default_headers, *reply.raw_headers):
            lines += (name, b": ", value, b"\r\n")
        self.transport.write(b"".join((*lines, b"\r\n", reply.body)))

    def _refuse(self, reason: Closed) -> None:
        self._connections.refuse(reason)
        self._reply(reason)

    def _reply(self, reason: Closed) -> None:
        self._send(_REPLIES[reason])
        self.transport.close()
