"""The parts that the routes work with, joined in main."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.body import BodyReader
from app.baseline import Pinned
from app.decode import Limits
from app.evaluate import Evaluator
from app.metrics import Metrics
from app.model import Clock, Timing
from app.store import SeriesStore


@dataclass(slots=True)
class Services:
    """Store, evaluator, baselines, metrics and clock, and what the routes need to know of the settings."""

    clock: Clock
    store: SeriesStore
    pinned: Pinned
    evaluator: Evaluator
    metrics: Metrics
    timing: Timing
    limits: Limits
    max_body_bytes: int
    bodies: BodyReader
    min_window_events: int
    time_scale: float
    ready: bool = False
    """Whether intake is open: from the end of the start to the beginning of the stop."""
