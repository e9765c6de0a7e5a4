"""Scores of every series at a moment: store x baselines x statistics. A scrape renders the last result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import structlog

from app.baseline import Pinned, PinnedBaseline
from app.baseline.pinned import Progress
from app.distribution import Distribution
from app.drift import STATISTICS
from app.model import Score, SeriesKey, SimilarityMetric, Timing
from app.series import Series
from app.signals import SIGNALS
from app.store import SeriesStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WindowView:
    """A window as it was evaluated: events and distribution of each signal that it has."""

    name: str
    events: int
    signals: dict[str, Distribution]


@dataclass(frozen=True, slots=True)
class BaselineView:
    """A baseline as it was at the evaluation; `pinned` is None while it is being learned."""

    name: str
    state: str
    pinned: PinnedBaseline | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class SeriesView:
    """Windows, baselines and scores of one series."""

    key: SeriesKey
    windows: dict[str, WindowView]
    baselines: tuple[BaselineView, ...]
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of one tick."""

    at: float = 0.0
    """Unix seconds; 0 before the first."""
    duration_seconds: float = 0.0
    series: dict[SeriesKey, SeriesView] = field(default_factory=dict)


class Evaluator:
    """Evaluates the store now and then; `latest` is the last result.

    Runs beside ingest: it holds a series only while it copies its windows.
    """

    def __init__(
        self,
        store: SeriesStore,
        pinned: Pinned,
        timing: Timing,
        min_window_events: int,
        poor_match_similarity: float | None = None,
    ) -> None:
        self._store = store
        self._pinned = pinned
        self._timing = timing
        self._min_window_events = min_window_events
        self._poor_match_similarity = poor_match_similarity
        self.latest = Evaluation()

    def tick(self, now: float) -> Evaluation:
        """Let idle series go, bring baselines up to date, score what is left."""
        begun = time.perf_counter()
        for key in self._store.expire(now):
            log.info("series idle, dropped", **key._asdict())
        live = self._store.series()
        self._store.reserve(self._pinned.nbytes_of_departed({series.key for series in live}))
        views = {}
        for series in live:
            try:
                views[series.key] = self._view(series, now)
            except Exception:
                # A bug met in one series must not cost the others their scores; its own are absent, not stale.
                log.exception("series not evaluated", **series.key._asdict())
        self.latest = Evaluation(at=now, duration_seconds=time.perf_counter() - begun, series=views)
        return self.latest

    def _view(self, series: Series, now: float) -> SeriesView:
        windows = {
            name: WindowView(
                name,
                window.pane.events,
                {
                    signal.name: distribution
                    for signal in SIGNALS
                    if (distribution := window.distribution(signal.name)) is not None
                },
            )
            for name, window in series.windows(now).items()
        }
        baseline = self._pinned.of(series, now)
        series.set_poor_match_limit(self._poor_match_limit(series, baseline))
        scores = () if baseline is None else self._scores(windows, "pinned", baseline)
        state = "learning" if baseline is None else baseline.state
        view = BaselineView("pinned", state, baseline, self._pinned.progress(series, now))
        return SeriesView(series.key, windows, (view,), scores)

    def _scores(self, windows: dict[str, WindowView], name: str, baseline: PinnedBaseline) -> tuple[Score, ...]:
        scores = []
        for window in windows.values():
            for signal in SIGNALS:
                current, reference = window.signals.get(signal.name), baseline.signals.get(signal.name)
                if current is None or reference is None or current.n < self._min_window_events:
                    continue
                for statistic in STATISTICS:
                    limit = baseline.limit(window.name, signal.name, statistic.name)
                    value = statistic.compute(current, reference)
                    at = None if limit is None else limit.at(current.n)
                    scores.append(Score(window.name, name, signal.name, statistic.name, value, at))
        return tuple(scores)

    def _poor_match_limit(self, series: Series, baseline: PinnedBaseline | None) -> float | None:
        """The absolute limit where one is set and the scores are cosines; else that of the baseline."""
        bounded = {SimilarityMetric.COSINE, SimilarityMetric.L2, SimilarityMetric.L2_SQUARED}
        if self._poor_match_similarity is not None and series.similarity_metric in bounded:
            return self._poor_match_similarity
        return None if baseline is None else baseline.poor_match_limit
