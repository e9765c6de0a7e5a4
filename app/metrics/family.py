"""What a metric family is, and how one is read from the state that it describes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple, TypeGuard, TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.samples import Exemplar as OfMetric
from prometheus_client.utils import floatToGoString

from app.model import SeriesKey
from app.series.traced import Exemplar
from app.sketch import BucketCounts

Kind = Literal["counter", "gauge", "histogram"]

SERIES_LABELS: Final = SeriesKey._fields
"""The labels of every family about a series."""


class TracedCounts(NamedTuple):
    """The buckets of a histogram, and exemplars by the position of their bucket."""

    counts: BucketCounts
    exemplars: Mapping[int, Exemplar]


Value = float | BucketCounts | TracedCounts | None
"""A histogram's value is its buckets. None, NaN and infinity make no sample: absent is better than wrong."""

Reading = tuple[tuple[str, ...], Value]
"""Label values, in the order of the family's labels, and the value."""


def makes_sample(value: Value) -> TypeGuard[float]:
    """Whether a counter or gauge has a sample of this value, as it has of every finite number, numpy's among them."""
    try:
        return value is not None and math.isfinite(value)  # type: ignore[arg-type]
    except TypeError:
        return False


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family:
    """One entry of the catalogue."""

    name: str
    """As the text format has it: a counter's ends in _total."""
    kind: Kind
    labels: tuple[str, ...]
    help: str
    """A sentence or two: what it is, its unit, how to read it."""

    @property
    def is_time(self) -> bool:
        """Whether its values are unix seconds."""
        return self.name.endswith("_timestamp_seconds")

    @property
    def client_name(self) -> str:
        """As the client library and OpenMetrics have it: a counter's without _total."""
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name

    def metric(self, readings: Iterable[Reading] = ()) -> Metric:
        """A fresh family of the client library with a sample for each reading that has a value."""
        if self.kind == "histogram":
            return self._histogram(readings)
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        metric = make(self.name, self.help, labels=self.labels)
        for labels, value in readings:
            if makes_sample(value):
                metric.add_metric(labels, value)
        return metric

    def _histogram(self, readings: Iterable[Reading]) -> Metric:
        metric = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in readings:
            counts, exemplars = value if isinstance(value, TracedCounts) else (value, {})
            if isinstance(counts, BucketCounts):
                bounds = [*map(floatToGoString, counts.bounds), "+Inf"]
                # The client leaves out _sum and _count where a bound is negative, as OpenMetrics 1.0 demands:
                # the sum of such a histogram may fall, and rate() would take that for a restart.
                buckets = list(zip(bounds, counts.cumulative.tolist(), strict=True))
                metric.add_metric(labels, _with_exemplars(buckets, exemplars) if exemplars else buckets, counts.sum)
        return metric


def _with_exemplars(
    buckets: Sequence[tuple[str, float]], exemplars: Mapping[int, Exemplar]
) -> list[tuple[str, float] | tuple[str, float, OfMetric]]:
    found: list[tuple[str, float] | tuple[str, float, OfMetric]] = [*buckets]
    for position, each in exemplars.items():
        found[position] = (*buckets[position], OfMetric({"trace_id": each.trace_id}, each.value, each.timestamp))
    return found


@dataclass(frozen=True, slots=True)
class Source(Generic[T]):
    """A family and how to read it from one T: the totals of a series, its scores, the exporter itself."""

    family: Family
    read: Callable[[T], Iterable[Reading]]


def moved(source: Source[T], seconds: float) -> Callable[[T], Iterable[Reading]]:
    """How to read a source with its times, of samples or of exemplars, later by so many seconds."""
    if not seconds or not (source.family.is_time or source.family.kind == "histogram"):
        return source.read

    def later(value: Value) -> Value:
        if isinstance(value, TracedCounts):
            traces = {
                position: each._replace(timestamp=each.timestamp + seconds)
                for position, each in value.exemplars.items()
            }
            return TracedCounts(value.counts, traces)
        return value if value is None or isinstance(value, BucketCounts) else value + seconds

    return lambda state: [(labels, later(value)) for labels, value in source.read(state)]


def families(sources: Iterable[Source[Any]]) -> tuple[Family, ...]:
    """The families of some sources."""
    return tuple(source.family for source in sources)


def single(value: Callable[[T], Value]) -> Callable[[T], Iterable[Reading]]:
    """Read one value without labels of its own."""
    return lambda state: (((), value(state)),)
