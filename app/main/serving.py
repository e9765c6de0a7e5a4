"""A process: sockets, signals and the server around one application."""

from __future__ import annotations

import gc
import signal
import socket
from functools import partial

import structlog

from app import __version__
from app.access import Access, Role
from app.api import INGEST_PATHS, MAIN, METRICS, Doorstep
from app.clock import SystemClock
from app.config import Address, Settings
from app.main.application import create_app, create_store
from app.main.errors import StartError
from app.main.restoring import take_directory
from app.server import Connections, enough_descriptors, make_server

log = structlog.get_logger("app.main")


def serve(settings: Settings) -> int:
    """Run the service until it is told to stop; return the exit code."""
    try:
        directory = take_directory(settings)
        app = create_app(settings, create_store(settings, directory), SystemClock(), directory)
        sockets = _listen(settings)
    except StartError as error:
        log.error("cannot start", why=str(error))
        return 1
    services = app.services
    own, access = services.metrics.own, services.access
    connections = Connections(settings.max_connections, settings.request_timeout_seconds, own.count_closed)
    own.watch("connections", lambda: len(connections))
    own.watch("access_reload_failed", lambda: int(access.reload_failed))
    beyond = {name for name, address in _addresses(settings).items() if not address.loopback}
    for role in Role:
        reached = (METRICS if role is Role.READ and services.metrics_apart else MAIN) in beyond
        own.watch(f"unprotected_{role}", partial(_unprotected, access, role, reached=reached))
    if beyond and access.closed and access.context is None:
        log.warning(
            "tokens and passwords are sent to addresses beyond this machine without TLS: whoever listens has them"
        )
    server = make_server(
        app,
        sockets,
        connections,
        access,
        stopping=services.close_intake,
        turn_away={MAIN: Doorstep(services.admission, own, INGEST_PATHS).reply},
        debug=settings.log_level == "debug",
        request_seconds=settings.request_timeout_seconds,
        stop_seconds=settings.shutdown_timeout_seconds,
    )
    for each in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal once more when it is done, and a stop that was asked for is no failure. Its own
        # handler, so that a signal is not lost that comes before it sets that itself.
        signal.signal(each, server.handle_exit)
    scheme = "http" if access.context is None else "https"
    for name, listening in sockets.items():
        host, port = listening.getsockname()[:2]
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
        log.info("listening" if name == MAIN else "listening for readers", url=url, version=__version__)
    # What is imported stays: a full collection would go through all of it, and hold every request up for some 20 ms.
    gc.collect()
    gc.freeze()
    server.run()
    # Or what is frozen would keep sketches alive past the end, and their library complain of it.
    gc.unfreeze()
    log.info("stopped")
    return 0


def _unprotected(access: Access, role: Role, *, reached: bool) -> int:
    return int(reached and access.unprotected(role))


def _addresses(settings: Settings) -> dict[str, Address]:
    """Where to listen, by the name of the listener."""
    apart = settings.metrics_listen
    return {MAIN: settings.listen, **({} if apart is None else {METRICS: apart})}


def _listen(settings: Settings) -> dict[str, socket.socket]:
    most = enough_descriptors(settings.max_connections)
    if most is not None:
        message = f"--max-connections {settings.max_connections}: the system allows {most} open files; raise its limit"
        raise StartError(message)
    sockets = {}
    for name, address in _addresses(settings).items():
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            sockets[name] = socket.create_server((address.host, address.port), family=family, backlog=2048)
        except OSError as error:
            flag = "--listen" if name == MAIN else "--metrics-listen"
            message = f"cannot listen on {address}: {error.strerror}; choose another ADDRESS:PORT with {flag}"
            raise StartError(message) from error
    return sockets
