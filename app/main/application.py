"""The application: every part of it, joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from fastapi import FastAPI

from app import __version__
from app.access import Access, AccessError, Files, Role
from app.api import Admission, BodyReader, DirectApp, Services, add_routes
from app.baseline import BASELINES, Budget
from app.clock import Clock
from app.config import Settings
from app.decode import Limits
from app.evaluate import Evaluator, Rules
from app.intake import REPEAT_SECONDS, Intake, Ledger, Repeats
from app.lifecycle import Lifecycle, Spans
from app.main.errors import StartError
from app.main.input_key import read_input_key
from app.main.restoring import load_baselines, restored
from app.main.ticker import SHORTEST_TICK_SECONDS, Ticker
from app.metrics import build
from app.model import Timing
from app.outcomes import MEMORY_SECONDS, OutcomeMemory, RecentOutcomes
from app.state import Keeper, Kept, StateDirectory, StateFacts
from app.store import STORES, SeriesStore

MIB: Final = 1024 * 1024


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
        secret=read_input_key(settings.input_hash_key_file, directory),
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
    input_key = read_input_key(settings.input_hash_key_file, directory)
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
    keeper = None if directory is None else restored(settings, directory, kept)
    load_baselines(settings, pinned, input_key, clock, keeper)
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


def _facts(keeper: Keeper | None) -> StateFacts:
    return StateFacts() if keeper is None else keeper.told()
