"""Families as text: Prometheus' text format 0.0.4 and OpenMetrics 1.0.0.

The client library's own encoders say the same in many times the time, which with fifty series is most of what a scrape
costs; they are the oracle of the tests.
"""

from __future__ import annotations

from functools import lru_cache

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from app.metrics import notation
from app.metrics.lines import Exposed


def text(registry: Collector) -> bytes:
    """Counters, gauges and histograms in the text format 0.0.4; lines that are at hand are copied."""
    parts: list[bytes] = []
    for metric in registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        parts += _head(name, notation.line(metric.documentation), metric.type), _lines(metric)
    return b"".join(parts)


def openmetrics(registry: Collector) -> bytes:
    """The same in OpenMetrics 1.0.0, where a family of counters goes without the _total of its samples."""
    parts: list[bytes] = []
    for metric in registry.collect():
        lines = metric.traced() if isinstance(metric, Exposed) else _lines(metric)
        parts += _head(metric.name, notation.quoted(metric.documentation), metric.type), lines
    parts.append(b"# EOF\n")
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _head(name: str, documentation: str, kind: str) -> bytes:
    return f"# HELP {name} {documentation}\n# TYPE {name} {kind}\n".encode()


def _lines(metric: Metric) -> bytes:
    """A line for each sample. They are names, labels and values; timestamps no family here has."""
    return metric.lines if isinstance(metric, Exposed) else "".join(map(_line, metric.samples)).encode()


def _line(sample: Sample) -> str:
    labels = f"{{{','.join(map(notation.pair, sample.labels.items()))}}}" if sample.labels else ""
    return f"{sample.name}{labels} {notation.number(sample.value)}\n"
