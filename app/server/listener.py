"""Accepting connections on one socket, in turns, into the places that there are."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from app.server.connections import Connections, Place

log = structlog.get_logger("app.server")

ACCEPTS_A_TURN: Final = 64
"""Then the loop does something else: a flood of connections must not keep it from requests."""

PAUSE_SECONDS: Final = 1.0
"""After an error of accepting, such as no descriptors left."""

MakeProtocol = Callable[[Place], asyncio.Protocol]


class Listener:
    """One socket to accept from.

    Not `loop.create_server`: that accepts without bound, counts nobody before the end of the handshake, and keeps the
    certificate that it began with. `context` is asked for each connection; None is plain HTTP.
    """

    def __init__(
        self,
        listening: socket.socket,
        connections: Connections,
        context: Callable[[], ssl.SSLContext | None],
        handshake_seconds: float,
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._context = context
        self._handshake_seconds = handshake_seconds
        self._beginning: dict[asyncio.Task[None], Place] = {}
        self._closed = False

    def start(self, make_protocol: MakeProtocol) -> None:
        """Begin to accept."""
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._listening.settimeout(0)
        self._listen()

    def close(self) -> None:
        """Accept no more, and give up handshakes."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listening)
            self._listening.close()
            for task, place in self._beginning.items():
                # Or its protocol would never be told that the connection is lost.
                if place.conversation is None and self._context() is not None:
                    task.cancel()

    async def wait_closed(self) -> None:
        """As of an asyncio server, of which uvicorn takes this for one."""

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                accepted, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("cannot accept connections", why=error.strerror)
                self._loop.remove_reader(self._listening)
                self._loop.call_later(PAUSE_SECONDS, self._listen)
                return
            place = self._connections.enter(accepted, self._loop.time())
            if place is None:
                accepted.close()
                continue
            accepted.settimeout(0)
            task = self._loop.create_task(self._serve(accepted, place))
            self._beginning[task] = place
            task.add_done_callback(self._beginning.pop)

    async def _serve(self, accepted: socket.socket, place: Place) -> None:
        context = self._context()
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make_protocol(place),
                accepted,
                ssl=context,
                ssl_handshake_timeout=None if context is None else self._handshake_seconds,
            )
        except (OSError, asyncio.CancelledError):  # of TLS and of time among them
            self._connections.fail(place)
            accepted.close()
        else:
            if self._closed and place.conversation is not None:
                place.conversation.shutdown()
