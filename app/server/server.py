"""uvicorn's server, on listeners of our own."""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from app.access import Access
from app.server.connections import Connections, Place
from app.server.listener import Listener
from app.server.protocol import DoorProtocol, TurnAway

log = structlog.get_logger("app.server")

MINDING_SECONDS: Final = 1.0

GIVING_UP_SECONDS: Final = 0.5
"""For the replies of requests that a stop gives up to be read; then their connections are cut."""

OTHER_DESCRIPTORS: Final = 128
"""For files, logs and the interpreter, beside the connections."""


class Server(uvicorn.Server):
    """Serves one application on several listeners, each request with the listener's name in its state.

    `stopping` is called when a stop begins, before requests under way are waited for.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listeners: Mapping[str, Listener],
        connections: Connections,
        access: Access,
        *,
        stopping: Callable[[], None],
        stop_seconds: float,
        turn_away: Mapping[str, TurnAway],
    ) -> None:
        super().__init__(config)
        self._listeners = listeners
        self._connections = connections
        self._access = access
        self._stopping = stopping
        self._stop_seconds = stop_seconds
        self._turn_away = turn_away
        self._minding: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the listeners have them
        """Begin the lifespan, then accept."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        for name, listener in self._listeners.items():
            listener.start(self._maker(name))
        # As far as uvicorn uses them, they are what it keeps there.
        self.servers = cast("list[asyncio.Server]", list(self._listeners.values()))
        self._minding = asyncio.create_task(self._mind())
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, wait for what is under way, end the lifespan."""
        self._stopping()
        giving_up = asyncio.create_task(self._give_up())
        await super().shutdown(sockets)
        giving_up.cancel()
        if self._minding is not None:
            self._minding.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Uvicorn's ten a second: it makes the headers of every reply anew in one of them."""
        stop = await super().on_tick(counter)
        if counter % 10 == 0:
            self.server_state.default_headers += self._access.headers
        return stop

    async def _give_up(self) -> None:
        """End requests whose senders hold them, or do not read: part of a stop, which uvicorn would call an error."""
        await asyncio.sleep(self._stop_seconds)
        # First, for a reply that waits to be read would be broken off where it is, with a traceback.
        self._cut(connection for connection in self._open() if connection.transport.get_write_buffer_size())
        await asyncio.sleep(0.01)
        under_way = list(self.server_state.tasks)
        if under_way:
            log.info("stopping: requests under way are answered with 503", requests=len(under_way))
        for task in under_way:
            task.cancel()
        await asyncio.sleep(GIVING_UP_SECONDS)
        self._cut(self._open())

    def _open(self) -> list[DoorProtocol]:
        return cast("list[DoorProtocol]", list(self.server_state.connections))

    def _cut(self, connections: Iterable[DoorProtocol]) -> None:
        for connection in connections:
            connection.transport.abort()

    def _maker(self, name: str) -> Callable[[Place], DoorProtocol]:
        state = {**self.lifespan.state, "listener": name}

        def make(place: Place) -> DoorProtocol:
            return DoorProtocol(
                self.config,
                self.server_state,
                state,
                connections=self._connections,
                place=place,
                admitted=self._access.admitted,
                turn_away=self._turn_away.get(name),
            )

        return make

    async def _mind(self) -> None:
        """Once a second: close what is overdue, and read files of access that have changed."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(MINDING_SECONDS)
            self._connections.sweep(loop.time())
            await asyncio.to_thread(self._access.refresh)


def make_server(
    app: FastAPI,
    sockets: Mapping[str, socket.socket],
    connections: Connections,
    access: Access,
    *,
    stopping: Callable[[], None],
    turn_away: Mapping[str, TurnAway],
    debug: bool,
    request_seconds: float,
    stop_seconds: float,
) -> Server:
    """A server of an application on sockets that listen, by the name of each, which `turn_away` may have too."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        # That it started and stopped is logged in main, with what it is; a level of its own would undo `error`.
        log_level=None if debug else max(logging.WARNING, logging.getLogger().level),
        access_log=debug,
        server_header=False,
        proxy_headers=False,
        # Past the time that the server gives requests itself: whatever is left then would hold the stop for ever.
        timeout_graceful_shutdown=math.ceil(stop_seconds + GIVING_UP_SECONDS) + 1,
    )
    listeners = {
        name: Listener(listening, connections, lambda: access.context, request_seconds)
        for name, listening in sockets.items()
    }
    return Server(
        config,
        listeners,
        connections,
        access,
        stopping=stopping,
        stop_seconds=stop_seconds,
        turn_away=turn_away,
    )


def enough_descriptors(connections: int) -> int | None:
    """See to it that so many connections have descriptors; None, or as many as the system allows where it does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return None
