"""What a metric family is, and how one is read from the state that it describes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from app.model import SeriesKey
from app.sketch import BucketCounts

Kind = Literal["counter", "gauge", "histogram"]

SERIES_LABELS: Final = SeriesKey._fields
"""The labels of every family about a series."""

Value = float | BucketCounts | None
"""A histogram's value is its buckets. None, NaN and infinity make no sample: absent is better than wrong."""

Reading = tuple[tuple[str, ...], Value]
"""Label values, in the order of the family's labels, and the value."""

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

    def metric(self, readings: Iterable[Reading] = ()) -> Metric:
        """A fresh family of the client library with a sample for each reading that has a value."""
        if self.kind == "histogram":
            return self._histogram(readings)
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        metric = make(self.name, self.help, labels=self.labels)
        for labels, value in readings:
            if isinstance(value, float | int) and math.isfinite(value):
                metric.add_metric(labels, value)
        return metric

    def _histogram(self, readings: Iterable[Reading]) -> Metric:
        metric = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for labels, counts in readings:
            if isinstance(counts, BucketCounts):
                bounds = [*map(floatToGoString, counts.bounds), "+Inf"]
                # The client leaves out _sum and _count where a bound is negative, as OpenMetrics 1.0 demands:
                # the sum of such a histogram may fall, and rate() would take that for a restart.
                metric.add_metric(labels, list(zip(bounds, counts.cumulative.tolist(), strict=True)), counts.sum)
        return metric


@dataclass(frozen=True, slots=True)
class Source(Generic[T]):
    """A family and how to read it from one T: the totals of a series, its scores, the exporter itself."""

    family: Family
    read: Callable[[T], Iterable[Reading]]


def families(sources: Iterable[Source[Any]]) -> tuple[Family, ...]:
    """The families of some sources."""
    return tuple(source.family for source in sources)


def single(value: Callable[[T], Value]) -> Callable[[T], Iterable[Reading]]:
    """Read one value without labels of its own."""
    return lambda state: (((), value(state)),)
