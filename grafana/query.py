"""Queries: what a panel asks, and the part of a selector that every dashboard's variables fill in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus.families import LABELS

PROMETHEUS: Final = {"type": "prometheus", "uid": "${datasource}"}

Form = Literal["time_series", "table", "heatmap"]

WINDOW: Final = 'window="$window"'
HOUR: Final = 'window="1h"'
"""For what is exported of one window alone, and where a dashboard does not let its reader choose."""
BASELINE: Final = 'baseline=~"$baseline"'
FROZEN: Final = 'baseline=~"pinned|uploaded"'
QUERIES: Final = 'kind="query"'
OURS: Final = 'alertname=~"EmbeddingDrift.*"'

_VARIABLES: Final = ("job", "instance", "model", "model_version")
_OF_PROMETHEUS: Final = {
    # Alerts are about models, replicas or jobs: what all of them have.
    "ALERTS": ("job",),
    "ALERTS_FOR_STATE": ("job",),
    "scrape_duration_seconds": ("job", "instance"),
    "scrape_samples_scraped": ("job", "instance"),
}
"""What Prometheus makes by itself."""
_LEVELS: Final = {
    "global": (),
    "series": _VARIABLES,
    "version": ("job", "model", "model_version"),
    "model": ("job", "model"),
    "index": ("job", "model"),
    "slice": ("job", "model"),
}
"""Which of the variables a recorded series can be selected by: its level says what it was aggregated over."""

SERIES: Final = "model, model_version, tokenizer_version, kind"
"""To group by: one line a series, over the replicas."""
NAMED: Final = "{{model}} {{model_version}} / {{tokenizer_version}} {{kind}}"
"""A series in a legend: model, version, tokenizer version, kind."""
VERSION: Final = "{{model}} {{model_version}} / {{tokenizer_version}}"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    expr: str
    legend: str = ""
    form: Form = "time_series"
    is_limit: bool = False
    """Drawn as a dashed line: what the others are held against."""

    def rendered(self, letter: str, *, instant: bool) -> Mapping[str, Any]:
        """As a target of a panel, of what holds now or of the past, too."""
        return {
            "refId": letter,
            "datasource": PROMETHEUS,
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend or "__auto",
            "format": self.form,
            "instant": instant,
            "range": not instant,
        }


def selectable(metric: str) -> tuple[str, ...]:
    """The variables that are labels of a metric, exported or recorded.

    >>> selectable("embedding_documents_fresh_total"), selectable("version:embedding_queries:rate5m")
    (('job', 'instance', 'model'), ('job', 'model', 'model_version'))
    """
    if metric in _OF_PROMETHEUS:
        return _OF_PROMETHEUS[metric]
    if ":" in metric:
        return _LEVELS[metric.partition(":")[0]]
    return tuple(name for name in _VARIABLES if name in {"job", "instance", *LABELS[metric]})


def of(metric: str, *matchers: str, **equal: str) -> str:
    """A metric with every variable that it can be selected by, and matchers besides.

    >>> of("ALERTS", 'severity!="none"', alertstate="firing")
    'ALERTS{job=~"$job", severity!="none", alertstate="firing"}'
    """
    variables = (f'{name}=~"${name}"' for name in selectable(metric))
    chosen = (*variables, *matchers, *(f'{label}="{value}"' for label, value in equal.items()))
    return f"{metric}{{{', '.join(chosen)}}}"


def rate(metric: str, *matchers: str, by: str, **equal: str) -> str:
    """A rate per second, summed over whatever is not named."""
    return f"sum by ({by}) (rate({of(metric, *matchers, **equal)}[$__rate_interval]))"


def share(part: str, whole: str, window: str, *, by: str, **equal: str) -> str:
    """One recorded rate over another, both over a longer window: sums first, and divided then.

    >>> share("version:a:rate5m", "version:b:rate5m", "1d", by="model")  # doctest: +ELLIPSIS
    'sum by (model) (avg_over_time(version:a:rate5m{...}[1d])) / (sum by (model) (avg_over_time(...[1d])) > 0)'
    """
    above, below = (f"sum by ({by}) (avg_over_time({of(metric, **equal)}[{window}]))" for metric in (part, whole))
    return f"{above} / ({below} > 0)"


def quantile(q: float, metric: str, *, by: str) -> str:
    """A quantile of summed buckets; where nothing was counted there is none, rather than NaN."""
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', by=f'le, {by}')}) > -Inf"


def threshold(name: str) -> str:
    """A number of prometheus/thresholds.yml, as it is recorded."""
    return f'max(global:embedding_threshold:value{{threshold="{name}"}})'


def gate(effect: str, severity: str) -> str:
    """A gate of app.drift, as it is recorded: the effect that is worth a ticket or a page."""
    return f'max(global:embedding_effect_gate:value{{effect="{effect}", gate="{severity}"}})'
