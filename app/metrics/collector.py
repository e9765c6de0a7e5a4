"""The families of a scrape, made from the store and the last evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.evaluate import Evaluation
from app.lifecycle import Lifecycle
from app.metrics.baselines import BASELINES
from app.metrics.canary import CANARY
from app.metrics.drift import DRIFT
from app.metrics.effects import EFFECTS
from app.metrics.evaluated import Evaluated
from app.metrics.exporter import EXPORTER, INTAKE, Vitals
from app.metrics.family import Reading, Source, families
from app.metrics.lifecycle import ANNOUNCED, LIFECYCLE
from app.metrics.outcomes import OUTCOMES, RELEVANCE, UNMATCHED
from app.metrics.own import OwnMetrics
from app.metrics.results import RESULTS
from app.metrics.slices import SLICES
from app.metrics.traffic import TRAFFIC
from app.metrics.windows import WINDOWS
from app.model import FOLDED, Clock, SeriesKey
from app.outcomes import OutcomeMemory
from app.store import SeriesStore

SCORES: Final = (*WINDOWS, *RESULTS, *DRIFT, *EFFECTS, *BASELINES)
OWN: Final = (*INTAKE, *EXPORTER)

T = TypeVar("T")


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
    ) -> None:
        self._store = store
        self._evaluations = evaluations
        self._lifecycle = lifecycle
        self._outcomes = outcomes
        self._own = own
        self._clock = clock
        self._min_window_events = min_window_events

    def describe(self) -> Iterator[Metric]:
        """Yield every family without samples: how the registry finds them by name[]."""
        for family in families(
            (*TRAFFIC, *RELEVANCE, *OUTCOMES, *UNMATCHED, *SCORES, *ANNOUNCED, *CANARY, *SLICES, *LIFECYCLE, *OWN)
        ):
            yield family.metric()

    def collect(self) -> Iterator[Metric]:
        """Yield the families that have samples, in the catalogue's order, series sorted by their key."""
        now = self._clock.now()
        totals = {each.key: each for each in self._store.totals(now)}
        evaluation = self._evaluations.latest
        evaluated = {key: Evaluated(view, self._min_window_events) for key, view in evaluation.series.items()}
        yield from _of_series(TRAFFIC, totals)
        labelled = {key: each.relevance for key, each in totals.items() if each.relevance is not None}
        yield from _of_series(RELEVANCE, labelled)
        outcomes = self._outcomes.totals()
        yield from _of_series(OUTCOMES, {key: each for key, each in outcomes.series.items() if key in totals})
        yield from _of_one(UNMATCHED, outcomes)
        yield from _of_series(SCORES, evaluated)
        live = [key for key in totals if key != FOLDED]
        yield from _of_series(ANNOUNCED, {key: self._lifecycle.announced(key) for key in live})
        yield from _of_one(CANARY, evaluation)
        yield from _of_one(SLICES, self._store.slices(now))
        yield from _of_one(LIFECYCLE, self._lifecycle.view(now, {key.model for key in live}))
        vitals = Vitals(self._own.totals(), self._store.counts(), evaluation)
        yield from _of_one(OWN, vitals)


def _of_series(sources: Sequence[Source[T]], states: dict[SeriesKey, T]) -> Iterator[Metric]:
    ordered = sorted(states.items(), key=lambda item: item[0])
    for source in sources:
        readings: Iterable[Reading] = (
            ((*key, *labels), value) for key, state in ordered for labels, value in source.read(state)
        )
        yield from _with_samples([source.family.metric(readings)])


def _of_one(sources: Sequence[Source[T]], state: T) -> Iterator[Metric]:
    return _with_samples(source.family.metric(source.read(state)) for source in sources)


def _with_samples(metrics: Iterable[Metric]) -> Iterator[Metric]:
    return (metric for metric in metrics if metric.samples)
