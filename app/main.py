"""The composition root: every part is made here and handed on."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
from fastapi import FastAPI

from app import __version__
from app.access import Access, AccessError, Files, Role
from app.api import INGEST_PATHS, MAIN, METRICS, Admission, BodyReader, DirectApp, Doorstep, Services, add_routes
from app.baseline import BASELINES, VECTORS, Budget, Pinned, Reader
from app.config import Address, Settings
from app.decode import Limits
from app.evaluate import Evaluator, Rules
from app.intake import REPEAT_SECONDS, Intake, Ledger, Repeats
from app.lifecycle import Lifecycle, Spans
from app.metrics import build
from app.model import Clock, SystemClock, Timing
from app.outcomes import MEMORY_SECONDS, OutcomeMemory, RecentOutcomes
from app.server import Connections, enough_descriptors, make_server
from app.state import INTERVAL_SECONDS, Keeper, Kept, Mode, StateDirectory, StateError, StateFacts
from app.store import STORES, SeriesStore

log = structlog.get_logger("app.main")

MIB = 1024 * 1024

INPUT_KEY_BYTES = 32
MIN_SECRET_BYTES = 16

SHORTEST_TICK_SECONDS = 0.2
"""A time-scaled demonstration would ask for an evaluation every few milliseconds."""

EVALUATION_NICENESS = 10
"""Requests go first where they and an evaluation want the same core: at equal rights a scrape took up to twice
as long beside one, and more beside a new baseline. A tenth of the core is left to the evaluation."""


class StartError(Exception):
    """The service cannot start; the message says why and what to do."""


class Ticker:
    """Evaluates now and then, in a thread of its own, until it is told to stop.

    `evaluate` is given the time of each tick; what it raises is logged, and the next tick comes all the same.
    """

    def __init__(self, evaluate: Callable[[float], object], clock: Clock, interval_seconds: float) -> None:
        self._evaluate = evaluate
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evaluate", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """End after the evaluation under way."""
        self._stop.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        if sys.platform == "linux":
            # There it is the thread's own; elsewhere it would be that of the process.
            os.nice(EVALUATION_NICENESS)
        while not self._stop.wait(self._interval_seconds):
            try:
                self._evaluate(self._clock.now())
            except Exception:
                # One series that cannot be scored must not end the scores of all; a bug shows in the log, and in
                # embedding_exporter_last_evaluation_timestamp_seconds, which stops.
                log.exception("evaluation failed")


def take_directory(settings: Settings) -> StateDirectory | None:
    """Own the state directory that the settings ask for.

    Raises:
        StartError: it belongs to another process, or cannot be written.
    """
    if settings.state_dir is None:
        if settings.state_mode == "journal":
            raise StartError("--state-mode journal needs --state-dir: there is nowhere to write")
        log.info("no --state-dir: a restart forgets windows and learned baselines")
        return None
    try:
        return StateDirectory.take(settings.state_dir)
    except StateError as error:
        message = f"--state-dir {error}"
        raise StartError(message) from error


def create_store(settings: Settings, directory: StateDirectory | None = None) -> SeriesStore:
    """The store that the settings ask for.

    Raises:
        StartError: the secret for input hashes cannot be read.
    """
    return STORES["memory"](
        settings.timing(),
        max_series=settings.max_series,
        max_state_bytes=settings.max_state_mib * MIB,
        reserved_models=settings.reserved_models,
        dimension=settings.dimension,
        secret=_input_key(settings.input_hash_key_file, directory),
    )


def create_app(
    settings: Settings, store: SeriesStore, clock: Clock, directory: StateDirectory | None = None
) -> DirectApp:
    """Join the parts to an application. Nothing is shared between two of them.

    With a directory the state in it is taken up here, and saved while the application lives.

    Raises:
        StartError: a baseline file, the secret for input hashes, the state or a file of access cannot be read.
    """
    timing = settings.timing()
    budget = Budget(settings.false_alarms_per_series_year, Timing().windows)
    pinned = BASELINES["pinned"](
        timing,
        settings.baseline_min_events,
        budget,
        projected=directory is not None and settings.persist_vectors == "projected",
    )
    input_key = _input_key(settings.input_hash_key_file, directory)
    rules = Rules(
        min_window_events=settings.min_window_events,
        poor_match_similarity=settings.poor_match_similarity,
        baselines=settings.baselines,
        limits=dict(settings.drift_limits),
        day_seconds=timing.rungs[-1].pane_seconds,
    )
    lifecycle = Lifecycle(
        input_key, settings.freshness_limit_seconds / settings.time_scale, Spans().scaled(settings.time_scale)
    )
    outcomes = OutcomeMemory(MEMORY_SECONDS / settings.time_scale)
    intake = Intake(Ledger(store, outcomes, lifecycle, input_key, Repeats(REPEAT_SECONDS / settings.time_scale)))
    evaluator = Evaluator(store, pinned, rules, intake)
    kept = Kept(store, pinned, lifecycle, outcomes, intake, timing, clock)
    keeper = None if directory is None else _restored(settings, directory, kept)
    _load_baselines(settings, pinned, input_key, clock, keeper)
    admission = Admission(settings.max_waiting_requests, settings.max_inflight_mib * MIB)
    recent_outcomes = RecentOutcomes(timing.windows["1h"])
    recent_outcomes.note(outcomes.totals().series, clock.now())
    services = Services(
        access=_access(settings),
        metrics_apart=settings.metrics_listen is not None,
        clock=clock,
        store=store,
        pinned=pinned,
        evaluator=evaluator,
        lifecycle=lifecycle,
        outcomes=outcomes,
        intake=intake,
        recent_outcomes=recent_outcomes,
        metrics=build(
            store,
            evaluator,
            lifecycle,
            clock,
            settings.min_window_events,
            outcomes=outcomes,
            state=partial(_facts, keeper),
        ),
        timing=timing,
        limits=Limits(
            dimension=settings.max_dimension,
            top_k=settings.max_top_k,
            events=settings.max_batch_events,
            inflated_bytes=settings.max_inflated_mib * MIB,
            label_bytes=settings.max_label_bytes,
            future_seconds=timing.future_seconds,
            slice_labels=frozenset(settings.slice_labels),
            input_key=input_key,
        ),
        max_body_bytes=settings.max_body_mib * MIB,
        admission=admission,
        bodies=BodyReader(settings.request_timeout_seconds, admission),
        min_window_events=settings.min_window_events,
        time_scale=settings.time_scale,
    )
    if keeper is not None:
        services.save_baselines = keeper.save_baselines

    services.metrics.own.watch("waiting_requests", lambda: admission.waiting)
    services.metrics.own.watch("held_bytes", lambda: admission.held_bytes)

    def tick(now: float) -> None:
        evaluator.tick(now)
        services.save_baselines()
        recent_outcomes.note(outcomes.totals().series, now)

    ticker = Ticker(tick, clock, max(SHORTEST_TICK_SECONDS, timing.evaluation_seconds))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ticker.start()
        if keeper is not None:
            keeper.start()
        services.ready = True
        # Cancelled by a second Ctrl-C, for which uvicorn leaves out the end of the lifespan and logs a traceback.
        with suppress(asyncio.CancelledError):
            yield
        services.close_intake()
        await asyncio.to_thread(ticker.stop, settings.shutdown_timeout_seconds)
        await asyncio.to_thread(admission.close)
        if keeper is not None:
            await asyncio.to_thread(keeper.stop, settings.shutdown_timeout_seconds)

    app = DirectApp(
        title="Embedding Drift Exporter",
        version=__version__,
        description="Sampled embedding and retrieval events in, drift scores for Prometheus out.",
        lifespan=lifespan,
        redirect_slashes=False,
        # Its document and pages are routes like the others, with a role.
        openapi_url=None,
    )
    app.services = services
    add_routes(app)
    return app


def access_files(settings: Settings) -> Files:
    """The files that say who may do what."""
    paths = {
        Role.INGEST: settings.ingest_token_file,
        Role.READ: settings.read_token_file,
        Role.ADMIN: settings.admin_token_file,
    }
    return Files(settings.web_config_file, {role: path for role, path in paths.items() if path is not None})


def _access(settings: Settings) -> Access:
    try:
        return Access(access_files(settings))
    except AccessError as error:
        raise StartError(str(error)) from error


def _restored(settings: Settings, directory: StateDirectory, kept: Kept) -> Keeper:
    """What keeps the state in a directory, after it took up what is there."""
    interval_seconds = max(SHORTEST_TICK_SECONDS, INTERVAL_SECONDS / settings.time_scale)
    vectors = next(each for each in VECTORS if each == settings.persist_vectors)
    mode: Mode = "journal" if settings.state_mode == "journal" else "snapshot"
    keeper = Keeper(directory, kept, interval_seconds, vectors=vectors, mode=mode)
    # What is taken up stays: the collector would go through it again and again, for a fifth of the time.
    gc.disable()
    try:
        keeper.restore()
    except StateError as error:
        message = f"--state-dir {error}"
        raise StartError(message) from error
    finally:
        gc.enable()
    return keeper


def _load_baselines(settings: Settings, pinned: Pinned, input_key: bytes, clock: Clock, keeper: Keeper | None) -> None:
    """Take the baselines of the settings, but for those that were taken before a restart: others may have followed."""
    reader = Reader(input_key, settings.max_label_bytes, settings.max_dimension, pinned.projected)
    for path in settings.baseline:
        try:
            baseline = reader.baseline(path.read_bytes(), {}, clock.now())
            if keeper is None or not keeper.baselines.knows(baseline):
                pinned.adopt(baseline)
        except (OSError, ValueError) as error:
            message = f"--baseline {path}: {error}"
            raise StartError(message) from error


def _facts(keeper: Keeper | None) -> StateFacts:
    return StateFacts() if keeper is None else keeper.told()


def _input_key(path: Path | None, directory: StateDirectory | None) -> bytes:
    """The key that input hashes are hashed with.

    Of the secret in the file, whatever its length; else that of the state directory, or a random one.
    """
    if path is None and directory is not None:
        try:
            return directory.input_key()
        except StateError as error:
            message = f"--state-dir {error}"
            raise StartError(message) from error
    if path is None:
        return secrets.token_bytes(INPUT_KEY_BYTES)
    try:
        # Secrets are mounted with a line end or without.
        secret = path.read_bytes().strip()
    except OSError as error:
        message = f"--input-hash-key-file {path}: {error.strerror}"
        raise StartError(message) from error
    if len(secret) < MIN_SECRET_BYTES:
        message = (
            f"--input-hash-key-file {path}: the secret must have at least {MIN_SECRET_BYTES} bytes; "
            "`openssl rand -hex 32` makes one"
        )
        raise StartError(message)
    return hashlib.blake2b(secret, digest_size=INPUT_KEY_BYTES).digest()


def serve(settings: Settings) -> int:
    """Run the service until it is told to stop; return the exit code."""
    try:
        directory = take_directory(settings)
        app = create_app(settings, create_store(settings, directory), SystemClock(), directory)
        sockets = _listen(settings)
    except StartError as error:
        log.error("cannot start", why=str(error))
        return 1
    services: Services = app.services
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
