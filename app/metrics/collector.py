"""The families of a scrape, made from the store and the last evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.evaluate import Evaluation
from app.metrics.baselines import BASELINES
from app.metrics.drift import DRIFT
from app.metrics.effects import EFFECTS
from app.metrics.evaluated import Evaluated
from app.metrics.exporter import EXPORTER, INTAKE, Vitals
from app.metrics.family import Reading, Source, families
from app.metrics.own import OwnMetrics
from app.metrics.traffic import TRAFFIC
from app.metrics.windows import WINDOWS
from app.model import Clock, SeriesKey
from app.store import SeriesStore

SCORES: Final = (*WINDOWS, *DRIFT, *EFFECTS, *BASELINES)
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
        self, store: SeriesStore, evaluations: Evaluations, own: OwnMetrics, clock: Clock, min_window_events: int
    ) -> None:
        self._store = store
        self._evaluations = evaluations
        self._own = own
        self._clock = clock
        self._min_window_events = min_window_events

    def describe(self) -> Iterator[Metric]:
        """Yield every family without samples: how the registry finds them by name[]."""
        for family in (*families(TRAFFIC), *families(SCORES), *families(OWN)):
            yield family.metric()

    def collect(self) -> Iterator[Metric]:
        """Yield the families that have samples, in the catalogue's order, series sorted by their key."""
        totals = {each.key: each for each in self._store.totals(self._clock.now())}
        evaluation = self._evaluations.latest
        evaluated = {key: Evaluated(view, self._min_window_events) for key, view in evaluation.series.items()}
        yield from _of_series(TRAFFIC, totals)
        yield from _of_series(SCORES, evaluated)
        vitals = Vitals(self._own.totals(), self._store.counts(), evaluation)
        yield from _with_samples(source.family.metric(source.read(vitals)) for source in OWN)


def _of_series(sources: Sequence[Source[T]], states: dict[SeriesKey, T]) -> Iterator[Metric]:
    ordered = sorted(states.items(), key=lambda item: item[0])
    for source in sources:
        readings: Iterable[Reading] = (
            ((*key, *labels), value) for key, state in ordered for labels, value in source.read(state)
        )
        yield from _with_samples([source.family.metric(readings)])


def _with_samples(metrics: Iterable[Metric]) -> Iterator[Metric]:
    return (metric for metric in metrics if metric.samples)
