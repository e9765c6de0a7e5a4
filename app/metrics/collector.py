"""The families of a scrape, made from the store and the last evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Final, Protocol

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.clock import Clock
from app.evaluate import Evaluation
from app.lifecycle import Lifecycle, LifecycleView
from app.metrics.baselines import BASELINES
from app.metrics.canary import CANARY
from app.metrics.drift import DRIFT
from app.metrics.effects import EFFECTS
from app.metrics.evaluated import Evaluated
from app.metrics.exporter import EXPORTER, INTAKE, Vitals
from app.metrics.family import families
from app.metrics.lifecycle import ANNOUNCED, LIFECYCLE
from app.metrics.lines import Section
from app.metrics.manners import in_slices
from app.metrics.outcomes import OUTCOMES, RELEVANCE, UNMATCHED
from app.metrics.own import OwnMetrics
from app.metrics.results import RESULTS
from app.metrics.slices import SLICES, Sliced
from app.metrics.sources import SOURCES
from app.metrics.state import STATE
from app.metrics.traffic import TRAFFIC
from app.metrics.windows import WINDOWS
from app.model import FOLDED, SeriesKey
from app.outcomes import OutcomeCounts, OutcomeMemory, OutcomeTotals
from app.relevance import RelevanceSums
from app.series import Totals
from app.state import StateFacts
from app.store import SeriesStore

SCORES: Final = (*WINDOWS, *RESULTS, *DRIFT, *EFFECTS, *BASELINES)
VERSIONS: Final = (*SOURCES, *CANARY)
OWN: Final = (*INTAKE, *EXPORTER, *STATE)


class Evaluations(Protocol):
    """Who knows the last evaluation."""

    latest: Evaluation


class ExporterCollector(Collector):
    """Families of every live series and of the exporter: counters as of now, scores as of the last evaluation.

    A series that has gone, and a value that is not known, is simply not there.

    # TYPE embedding_drift_score gauge
    embedding_drift_score{model="e5",model_version="2",tokenizer_version="1",kind="query",
        window="1h",baseline="pinned",signal="norm",statistic="norm"} 0.41
    """

    def __init__(
        self,
        store: SeriesStore,
        evaluations: Evaluations,
        *,
        lifecycle: Lifecycle,
        outcomes: OutcomeMemory,
        own: OwnMetrics,
        clock: Clock,
        min_window_events: int,
        state: Callable[[], StateFacts] = StateFacts,
    ) -> None:
        self._store = store
        self._evaluations = evaluations
        self._lifecycle = lifecycle
        self._outcomes = outcomes
        self._own = own
        self._clock = clock
        self._min_window_events = min_window_events
        self._state = state
        self._lock = Lock()
        self._shown: Evaluation | None = None
        self._views: Mapping[SeriesKey, Evaluated] = {}
        self._traffic: Section[SeriesKey, Totals] = Section(TRAFFIC)
        self._relevance: Section[SeriesKey, RelevanceSums] = Section(RELEVANCE)
        self._came_of: Section[SeriesKey, OutcomeCounts] = Section(OUTCOMES)
        self._unmatched: Section[tuple[()], OutcomeTotals] = Section(UNMATCHED)
        self._scores: Section[SeriesKey, Evaluated] = Section(SCORES)
        self._announced: Section[SeriesKey, bool] = Section(ANNOUNCED)
        self._versions: Section[tuple[()], Evaluation] = Section(VERSIONS)
        self._slices: Section[tuple[()], Sliced] = Section(SLICES)
        self._told: Section[tuple[()], LifecycleView] = Section(LIFECYCLE)
        self._vitals: Section[tuple[()], Vitals] = Section(OWN)

    def describe(self) -> Iterator[Metric]:
        """Yield every family without samples: how the registry finds them by name[]."""
        for family in families(
            (
                *TRAFFIC,
                *RELEVANCE,
                *OUTCOMES,
                *UNMATCHED,
                *SCORES,
                *ANNOUNCED,
                *VERSIONS,
                *SLICES,
                *LIFECYCLE,
                *OWN,
            )
        ):
            yield family.metric()

    def collect(self) -> Iterator[Metric]:
        """The families that have samples, in the catalogue's order, series sorted by their key."""
        # One at a time: a section keeps its lines for the next scrape.
        with self._lock:
            return iter([*in_slices(self._families(*self._clock.reading()))])

    def _families(self, now: float, offset: float) -> Iterator[Metric]:
        totals = {each.key: each for each in self._store.totals(now)}
        evaluation = self._evaluations.latest
        yield from self._traffic.families(totals, offset)
        labelled = {key: each.relevance for key, each in totals.items() if each.relevance is not None}
        yield from self._relevance.families(labelled)
        outcomes = self._outcomes.totals()
        yield from self._came_of.families({key: each for key, each in outcomes.series.items() if key in totals})
        yield from self._unmatched.families({(): outcomes})
        yield from self._scores.families(self._evaluated(evaluation), offset)
        live = [key for key in totals if key != FOLDED]
        yield from self._announced.families({key: self._lifecycle.announced(key) for key in live})
        yield from self._versions.families({(): evaluation})
        yield from self._slices.families({(): self._store.slices(now)})
        yield from self._told.families({(): self._lifecycle.view(now, {key.model for key in live})}, offset)
        vitals = Vitals(self._own.totals(), self._store.counts(), evaluation, self._state())
        yield from self._vitals.families({(): vitals}, offset)

    def _evaluated(self, evaluation: Evaluation) -> Mapping[SeriesKey, Evaluated]:
        """The series of an evaluation; the same objects as before while there is no new one."""
        if evaluation is not self._shown:
            self._shown = evaluation
            self._views = {key: Evaluated(view, self._min_window_events) for key, view in evaluation.series.items()}
        return self._views
