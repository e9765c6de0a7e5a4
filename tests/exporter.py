"""Everything from decode to metrics, joined as main does it, without a service around it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from app.baseline import Pinned
from app.decode import Limits, decode
from app.evaluate import Evaluator
from app.metrics import build
from app.model import Timing
from app.store import MemoryStore
from tests.fakes import FakeClock


class Exporter:
    """An exporter on a fake clock, which evaluates when it is told to."""

    def __init__(self, *, max_series: int = 8, min_window_events: int = 200, baseline_min_events: int = 1000) -> None:
        timing = Timing()
        self.clock = FakeClock()
        self.store = MemoryStore(timing, max_series=max_series, max_state_bytes=10**9, seed=7)
        self.evaluator = Evaluator(self.store, Pinned(timing, baseline_min_events), timing, min_window_events)
        self.metrics = build(self.store, self.evaluator, self.clock, min_window_events)

    def send(self, events: Sequence[dict[str, Any]]) -> None:
        """Take events as POST /v1/events would; all must be accepted."""
        decoded = decode("application/json", None, json.dumps(events).encode(), Limits(), self.clock.now())
        receipt = self.store.append(decoded.batch, self.clock.now())
        assert len(events) == receipt.accepted, (decoded.errors, receipt)

    def tick(self) -> None:
        """Evaluate now."""
        self.evaluator.tick(self.clock.now())

    def scrape(self, accept: str | None = None, names: Sequence[str] = ()) -> str:
        """What GET /metrics would answer."""
        return self.metrics.exposition.render(accept, None, names).body.decode()
