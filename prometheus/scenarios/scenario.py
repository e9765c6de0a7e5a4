"""A scenario: series that make an alert fire, and variants of them that must not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from prometheus.alerts import ALERTS, Alert
from prometheus.families import LABELS
from prometheus.thresholds import JOB, seconds

FIRES: Final = "fires"
INSTANCE: Final = "a:10877"
IDENTITY: Final = {"job": JOB, "instance": INSTANCE, "model_version": "1", "tokenizer_version": "1", "kind": "query"}
"""Labels that all series of a test have where their family has them."""

SERIES: Final = ("job", "instance", "model", "model_version", "tokenizer_version", "kind")
VERSION: Final = ("job", "model", "model_version", "tokenizer_version", "kind")
MODEL: Final = ("job", "model", "kind")
INDEX: Final = ("job", "model")
EXPORTER: Final = ("job", "instance")

Values = Mapping[str, str | None]
"""Series, short of its identity -> values in promtool's notation, where N is the number of minutes. None: no series."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One rule of an alert: when it fires, of what, with which words; and what must keep it silent.

    All variants run side by side in one Prometheus, each a model (or, of alerts about the exporter, an instance) of
    its own, so that "fires" is to be the only one that does.
    """

    alert: str
    severity: Literal["critical", "warning", "none"]
    given: Values
    fires: str
    """When it is known to fire."""
    not_yet: str | None
    """When it must not: the condition holds, but not for long enough."""
    description: str
    about: tuple[str, ...] = SERIES
    """Labels of IDENTITY, and model, that the alert has."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Further labels of the alert."""
    silent: Mapping[str, Values] = field(default_factory=dict)
    """Variant -> what is otherwise in it."""
    over: str | None = None
    """When it no longer fires."""

    @property
    def rule(self) -> Alert:
        """The one of the alert's rules that is meant."""
        (rule,) = (
            each
            for each in ALERTS
            if each.name == self.alert
            and each.severity == self.severity
            and all(self.labels.get(name) == value for name, value in each.labels.items())
        )
        return rule

    @property
    def variants(self) -> Mapping[str, Values]:
        """Every variant that must stay silent; what is about a model also in its maintenance."""
        maintenance: dict[str, Values] = {"in_maintenance": {"embedding_maintenance": "1+0xN"}}
        return (maintenance if self.rule.quiet is not None else {}) | dict(self.silent)

    def rendered(self) -> Mapping[str, Any]:
        """As an entry of `tests` in promtool's file."""
        minutes = seconds(self.over or self.fires) // 60 + 5
        given: dict[str, str] = {}
        for variant in (FIRES, *self.variants):
            for series, values in (dict(self.given) | dict(self.variants.get(variant, {}))).items():
                if values is not None:
                    given[self._identified(series, variant)] = re.sub(r"N$", str(minutes), values)
        checks = [{"eval_time": self.fires, "alertname": self.alert, "exp_alerts": [self._expected()]}]
        if self.not_yet is not None:
            checks.insert(0, {"eval_time": self.not_yet, "alertname": self.alert, "exp_alerts": []})
        if self.over is not None:
            checks.append({"eval_time": self.over, "alertname": self.alert, "exp_alerts": []})
        told = " ".join([self.severity, *(f"{name}={value}" for name, value in self.rule.labels.items())])
        return {
            "name": f"{self.alert} ({told})",
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in given.items()],
            "alert_rule_test": checks,
        }

    def _own(self, variant: str) -> Mapping[str, str]:
        return IDENTITY | (
            {"model": variant} if self.rule.quiet is not None or "model" in self.about else {"instance": variant}
        )

    def _identified(self, series: str, variant: str) -> str:
        name, _, matchers = series.partition("{")
        has = re.findall(r"(\w+)=", matchers)
        identity = self._own(variant)
        wanted = ("job", "instance", *LABELS[name])
        missing = [f'{label}="{identity[label]}"' for label in wanted if label in identity and label not in has]
        return f"{name}{{{','.join([*missing, *([matchers.removesuffix('}')] if matchers else [])])}}}"

    def _expected(self) -> Mapping[str, Any]:
        own = self._own(FIRES)
        return {
            "exp_labels": {"severity": self.severity} | {label: own[label] for label in self.about} | dict(self.labels),
            "exp_annotations": {
                "summary": self.rule.summary,
                "description": self.description,
                "runbook_url": self.rule.runbook_url,
                "dashboard_url": re.sub(r"{{ *\$labels\.model.*?}}", FIRES, self.rule.dashboard_url),
            },
        }


def staircase(*counts: int, every: int = 60) -> Iterator[str]:
    """Values of a counter that stands at each count for some minutes.

    >>> " ".join(staircase(0, 2, every=3))
    '0+0x2 2+0x2'
    """
    return (f"{count}+0x{every - 1}" for count in counts)
