"""One series through the exporter's own code on a fake clock: store, baselines, evaluator, collector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple
from unittest import mock

import numpy as np

from app.baseline import BASELINES, Budget
from app.config import Settings
from app.evaluate import Evaluation, Evaluator, Rules, evaluator
from app.lifecycle import Lifecycle
from app.metrics.collector import ExporterCollector
from app.metrics.lines import Exposed, Section
from app.metrics.own import OwnMetrics
from app.metrics.traffic import COUNTERS, TRAFFIC
from app.model import EventBatch, Rung, SeriesKey, Timing
from app.outcomes import MEMORY_SECONDS, OutcomeMemory
from app.series import Totals
from app.store import MemoryStore
from bench.collected import ToldClock
from bench.detection.traffic import DAY, STEP_SECONDS
from bench.month.fleet import CLASSES, Member
from bench.month.read import SAMPLES
from bench.month.service import Service

BEGINS: Final = 4 * DAY + 2800 * 7 * DAY
"""The first midnight, of a Monday. Where the days lie in time is settled when they are loaded."""

CLOSE_SECONDS: Final = STEP_SECONDS
"""Between evaluations while a baseline is learned, and as long as a score is near its limit."""
NEAR: Final = 0.7

_LAST_EVENT: Final = "embedding_last_event_timestamp_seconds"

SECRET: Final = b"thirty silent days"


class Scraped(NamedTuple):
    """What a scrape would bring of one series, as lines without times."""

    now: float
    dated: bytes
    """Lines whose values are times."""
    plain: bytes


class _PromptStore(MemoryStore):
    """Counts an event when it comes, as a scrape every 15 seconds would make it; folds it when it is evaluated.

    The same counting on the same events: `Series` would come to the same numbers at a cost, for a scrape makes it
    fold the few events that are there.
    """

    def __init__(self, key: SeriesKey, timing: Timing, seed: int) -> None:
        super().__init__(timing, max_series=1, max_state_bytes=1 << 30, secret=SECRET, seed=seed)
        self._key = key
        self._counted: Totals | None = None

    def count(self, batch: EventBatch, now: float) -> None:
        """Count the events of a batch, and add them."""
        if not len(batch):
            return
        if self._counted is None:
            self._counted = Totals(self._key, first_seen=now)
        self._counted.accept(batch)
        self._counted.add(batch, vectors=int(np.count_nonzero(batch.vectors.lengths)))
        self.append(batch, now)

    def totals(self, now: float) -> list[Totals]:  # noqa: ARG002 - as the store promises
        """What was counted so far."""
        series = self.find(self._key)
        if self._counted is None or series is None:
            return []
        self._counted.set_poor_match_limit(series.poor_match_limit)
        return [self._counted.copy()]

    def folded(self, now: float) -> list[Totals]:
        """What the series itself has counted: the same, which a test holds."""
        return super().totals(now)


class Exporter:
    """An exporter of one series with the shipped settings.

    Two things are thinned out, and neither is what a rule could tell: panes of the first rung are as long as the
    shortest window, because nobody evaluates more often; diagnostics, which no rule reads, are left out.
    """

    def __init__(self, member: Member) -> None:
        settings = Settings()
        self._base_seconds = CLASSES[member.of].evaluation_seconds
        self._service = Service(member, BEGINS)
        timing = settings.timing()
        timing = replace(timing, rungs=(Rung(timing.windows["5m"], 1), *timing.rungs[1:]))
        self._clock = ToldClock(BEGINS)
        self.store = _PromptStore(self._service.key, timing, member.seed)
        budget = Budget(settings.false_alarms_per_series_year, timing.windows)
        self._pinned = BASELINES["pinned"](timing, settings.baseline_min_events, budget)
        rules = Rules(min_window_events=settings.min_window_events, baselines=settings.baselines)
        self._evaluator = Evaluator(self.store, self._pinned, rules)
        self._evaluated = BEGINS
        self._gauges = self._dated = b""
        self._counters: Section[SeriesKey, Totals] = Section([each for each in COUNTERS if each.family.name in SAMPLES])
        self._last_event: Section[SeriesKey, Totals] = Section([e for e in TRAFFIC if e.family.name == _LAST_EVENT])
        self._collector = ExporterCollector(
            self.store,
            self._evaluator,
            lifecycle=Lifecycle(SECRET, settings.freshness_limit_seconds),
            outcomes=OutcomeMemory(MEMORY_SECONDS),
            own=OwnMetrics(),
            clock=self._clock,
            min_window_events=settings.min_window_events,
        )

    def run(self, seconds: float) -> Iterator[Scraped]:
        """What a scrape every 150 s would bring; between two evaluations only counters say anything new."""
        for now, batch in self._service.steps(seconds):
            self._clock.seconds = now
            self.store.count(batch, now)
            whole = (now - BEGINS) % STEP_SECONDS == 0
            if whole and self._is_due(now):
                with mock.patch.multiple(
                    evaluator, scalar_diagnostics=lambda *_: (), row_diagnostics=lambda *_: ([], None)
                ):
                    self._evaluator.tick(now)
                self._evaluated = now
                yield self._whole(now)
            else:
                yield self._between(now, repeated=whole)

    @property
    def evaluation(self) -> Evaluation:
        """The last one."""
        return self._evaluator.latest

    def _is_due(self, now: float) -> bool:
        return now - self._evaluated >= (CLOSE_SECONDS if self._is_close() else self._base_seconds)

    def _is_close(self) -> bool:
        baseline = self._pinned.find(self._service.key)
        if baseline is None or baseline.state != "final":
            return True
        scores = (score.score for view in self.evaluation.series.values() for score in view.scores)
        return any(score is not None and score >= NEAR for score in scores)

    def _whole(self, now: float) -> Scraped:
        counters: list[bytes] = []
        gauges: list[bytes] = []
        dated: list[bytes] = []
        buckets: list[bytes] = []
        for metric in self._collector.collect():
            assert isinstance(metric, Exposed)
            if metric.type == "counter":
                if f"{metric.name}_total" in SAMPLES:
                    counters.append(metric.lines)
            elif metric.type == "histogram":
                if f"{metric.name}_bucket" in SAMPLES:
                    buckets.append(metric.lines.partition(f"{metric.name}_count".encode())[0])
            elif metric.name in SAMPLES:
                (dated if metric.name.endswith("_timestamp_seconds") else gauges).append(metric.lines)
        self._gauges, self._dated = b"".join(gauges), b"".join(dated)
        return Scraped(now, self._dated, b"".join([*counters, self._gauges, *buckets]))

    def _between(self, now: float, *, repeated: bool) -> Scraped:
        """Counters, and gauges as they stand: once in 5 minutes, or Prometheus would take them for gone."""
        totals = {each.key: each for each in self.store.totals(now)}
        lines = b"".join([each.lines for each in self._counters.families(totals)])
        dated = b"".join([each.lines for each in self._last_event.families(totals)])
        if not repeated:
            return Scraped(now, b"", lines)
        kept = [line for line in self._dated.splitlines(keepends=True) if not line.startswith(_LAST_EVENT.encode())]
        return Scraped(now, b"".join([dated, *kept]), lines + self._gauges)
