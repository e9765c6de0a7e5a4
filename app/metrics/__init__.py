"""What Prometheus scrapes. `catalog.FAMILIES` names every family, `build` joins the parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from app.clock import Clock
from app.lifecycle import Lifecycle
from app.metrics.collector import Evaluations, ExporterCollector
from app.metrics.exposition import Exposition, Rendered
from app.metrics.own import OwnMetrics
from app.metrics.runtime import register_runtime
from app.outcomes import OutcomeMemory
from app.state import StateFacts
from app.store import SeriesStore


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the routes count with, and what they answer a scrape with."""

    own: OwnMetrics
    exposition: Exposition


def build(
    store: SeriesStore,
    evaluations: Evaluations,
    lifecycle: Lifecycle,
    clock: Clock,
    min_window_events: int,
    *,
    outcomes: OutcomeMemory,
    state: Callable[[], StateFacts] = StateFacts,
) -> Metrics:
    """Metrics of a store, its evaluator, the lifecycle and outcomes as they were told, on a registry of their own."""
    own = OwnMetrics()
    # auto_describe: the client library's own collectors do not describe themselves, and name[] would not find them.
    registry = CollectorRegistry(auto_describe=True)
    registry.register(
        ExporterCollector(
            store,
            evaluations,
            lifecycle=lifecycle,
            outcomes=outcomes,
            own=own,
            clock=clock,
            min_window_events=min_window_events,
            state=state,
        )
    )
    register_runtime(registry)
    return Metrics(own, Exposition(registry, own.observe_scrape))


__all__ = ["Evaluations", "Exposition", "Metrics", "OwnMetrics", "Rendered", "build"]
