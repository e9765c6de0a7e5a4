"""The parts that the routes work with, joined in main."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from app.access import Access
from app.api.admission import Admission
from app.api.body import BodyReader
from app.baseline import Pinned
from app.clock import Clock
from app.decode import Limits
from app.evaluate import Evaluator
from app.intake import Intake
from app.lifecycle import Lifecycle
from app.metrics import Metrics
from app.model import Timing
from app.outcomes import OutcomeMemory, RecentOutcomes
from app.store import SeriesStore

UPLOAD_SECONDS = 120.0
"""For a file of a baseline to arrive."""


@dataclass(slots=True)
class Services:
    """Store, evaluator, baselines, metrics and clock, and what the routes need to know of the settings."""

    access: Access
    clock: Clock
    store: SeriesStore
    pinned: Pinned
    evaluator: Evaluator
    lifecycle: Lifecycle
    outcomes: OutcomeMemory
    intake: Intake
    recent_outcomes: RecentOutcomes
    metrics: Metrics
    timing: Timing
    limits: Limits
    max_body_bytes: int
    admission: Admission
    bodies: BodyReader
    min_window_events: int
    time_scale: float
    uploads: BodyReader = field(default_factory=lambda: BodyReader(UPLOAD_SECONDS))
    uploading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a file is taken: each may need some hundred MiB."""
    metrics_apart: bool = False
    """Whether what is read has a listener of its own."""
    save_baselines: Callable[[], object] = lambda: None
    """To be called when a baseline was pinned, taken or forgotten: on disk when it returns, where there is one."""
    ready: bool = False
    """Whether intake is open: from the end of the start to the beginning of the stop."""

    def close_intake(self) -> None:
        """Say so at once when a stop begins: requests under way are still waited for."""
        self.ready = False
