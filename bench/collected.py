"""What a scrape reads, joined as the exporter joins it, on a clock that a benchmark moves."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from app.clock import Clock
from app.evaluate import Evaluator
from app.lifecycle import Lifecycle
from app.metrics.collector import ExporterCollector
from app.metrics.own import OwnMetrics
from app.outcomes import OutcomeMemory
from app.store import SeriesStore


@dataclass(slots=True)
class ToldClock(Clock):
    """Stands still until it is told another time."""

    seconds: float

    def now(self) -> float:
        """Unix seconds."""
        return self.seconds


def collected(
    store: SeriesStore, evaluator: Evaluator, clock: Clock, outcomes: OutcomeMemory | None = None
) -> CollectorRegistry:
    """A registry of the exporter's own families alone, without those of the process and the runtime."""
    registry = CollectorRegistry()
    registry.register(
        ExporterCollector(
            store,
            evaluator,
            lifecycle=Lifecycle(b"secret", 900.0),
            outcomes=OutcomeMemory() if outcomes is None else outcomes,
            own=OwnMetrics(),
            clock=clock,
            min_window_events=200,
        )
    )
    return registry
