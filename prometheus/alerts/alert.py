"""What an alert is, and the clauses that many share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from prometheus.thresholds import DASHBOARD, FROZEN, RUNBOOK, limit

Severity = Literal["critical", "warning", "none"]
"""A page, a ticket, and what no person is told."""

AS_MODEL: Final = "on (job, namespace, model)"
"""Matches what is about one model. Users' targets have a namespace or not; two namespaces are not one model."""

SYMPTOM_QUIET: Final = "10m"
"""How long symptoms of 5-minute rates stay quiet after maintenance."""

SERIES: Final = ("job", "instance", "model", "model_version", "tokenizer_version", "kind")
WHO: Final = "{{ $labels.model }} {{ $labels.model_version }} (tokenizer {{ $labels.tokenizer_version }})"
"""A version in a description."""

VALUE: Final = '{{ $value | printf "%.3g" }}'
"""A number in a description; humanize would write 70m for 0.07."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule. Several of one name differ in their labels."""

    name: str
    severity: Severity
    wait: str
    """For how long the expression must hold."""
    expr: str
    summary: str
    """Static: the headline of a group."""
    description: str
    """Templated, with the numbers."""
    labels: Mapping[str, str] = field(default_factory=dict)
    quiet: str | None = SYMPTOM_QUIET
    """How long after maintenance of its model it stays quiet: as long as what it reads remembers. None: of no model."""
    dashboard: Literal["on-call", "exporter"] = "on-call"
    keeps: str = "0s"
    """For how long it goes on firing once the expression no longer holds."""

    @property
    def full_expr(self) -> str:
        """The expression, and not in maintenance."""
        if self.quiet is None:
            return self.expr
        return (
            f"(\n{self.expr}\n)\nunless {AS_MODEL} (max_over_time(model:embedding_maintenance:max[{self.quiet}]) == 1)"
        )

    @property
    def runbook_url(self) -> str:
        """Of docs/runbooks/<name>.md."""
        return RUNBOOK.format(alert=self.name)

    @property
    def dashboard_url(self) -> str:
        """The dashboard to look at, of the model that the alert is about."""
        url = DASHBOARD.format(dashboard=self.dashboard)
        return url if self.quiet is None else url + "?var-model={{ $labels.model | urlquery }}"

    def rendered(self) -> Mapping[str, Any]:
        """As an entry of `rules` in a rule file."""
        waits = {"for": self.wait, "keep_firing_for": self.keeps}
        return {
            "alert": self.name,
            "expr": self.full_expr,
            **{name: duration for name, duration in waits.items() if duration != "0s"},
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": self.runbook_url,
                "dashboard_url": self.dashboard_url,
            },
        }


def in_state(state: str) -> str:
    """A clause: the frozen or rolling baseline of the same series is in this state."""
    return f'and ignoring (effect, signal, statistic, window, state) (embedding_baseline_state{{state="{state}"}} == 1)'


def frozen(window: str) -> str:
    """Matchers of a window against a baseline that stays as it is."""
    return f'window="{window}", baseline=~"{FROZEN}"'


def over_limit(window: str, statistic: str) -> str:
    """A score of one statistic above 1, against a frozen baseline, on enough events."""
    return (
        "max without (signal, statistic) "
        f'(series:embedding_drift_score:supported{{{frozen(window)}, statistic="{statistic}"}}) > {limit("score")}'
    )


def asked(metric: str, *labels: str, holds: str = "") -> str:
    """A query within a description: the metric of the series that the alert is about.

    >>> asked("up", "job")
    'printf "up{job=%q}" $labels.job | query'
    """
    matchers = ",".join(f"{label}=%q" for label in labels)
    condition = f" {holds}" if holds else ""
    return f'printf "{metric}{{{matchers}}}{condition}" {" ".join(f"$labels.{label}" for label in labels)} | query'
