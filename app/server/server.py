"""uvicorn's server, on listeners of our own."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Final, cast

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from app.access import Access
from app.server.connections import Connections, Place
from app.server.listener import Listener
from app.server.protocol import DoorProtocol, TurnAway

MINDING_SECONDS: Final = 1.0

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
        turn_away: Mapping[str, TurnAway],
    ) -> None:
        super().__init__(config)
        self._listeners = listeners
        self._connections = connections
        self._access = access
        self._stopping = stopping
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
        await super().shutdown(sockets)
        if self._minding is not None:
            self._minding.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Uvicorn's ten a second: it makes the headers of every reply anew in one of them."""
        stop = await super().on_tick(counter)
        if counter % 10 == 0:
            self.server_state.default_headers += self._access.headers
        return stop

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
        # Without it a half-sent request holds a stop for ever, and the lifespan never ends.
        timeout_graceful_shutdown=max(1, round(stop_seconds)),
    )
    listeners = {
        name: Listener(listening, connections, lambda: access.context, request_seconds)
        for name, listening in sockets.items()
    }
    return Server(config, listeners, connections, access, stopping=stopping, turn_away=turn_away)


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
