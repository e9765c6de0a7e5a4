"""uvicorn's server, on listeners of our own."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Final, cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from app.server.connections import Connections, Place
from app.server.listener import Listener
from app.server.protocol import DoorProtocol

SWEEP_SECONDS: Final = 1.0

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
        stopping: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._listeners = listeners
        self._connections = connections
        self._stopping = stopping
        self._timer: asyncio.TimerHandle | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the listeners have them
        """Begin the lifespan, then accept."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        for name, listener in self._listeners.items():
            listener.start(self._maker(name))
        # As far as uvicorn uses them, they are what it keeps there.
        self.servers = cast("list[asyncio.Server]", list(self._listeners.values()))
        self._sweep()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, wait for what is under way, end the lifespan."""
        self._stopping()
        await super().shutdown(sockets)
        if self._timer is not None:
            self._timer.cancel()

    def _maker(self, name: str) -> Callable[[Place], DoorProtocol]:
        state = {**self.lifespan.state, "listener": name}

        def make(place: Place) -> DoorProtocol:
            return DoorProtocol(self.config, self.server_state, state, connections=self._connections, place=place)

        return make

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._connections.sweep(loop.time())
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep)


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
