"""What promtool is asked of every alert: it fires, not too early, and not where it must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from prometheus.alerts import ALERTING
from prometheus.recording import RECORDING
from prometheus.scenarios import drift, exporter, retrieval, versions
from prometheus.scenarios.scenario import Scenario

__all__ = ["SCENARIOS", "Scenario", "suites"]

_BY_MINUTE: Final[Mapping[str, Sequence[Scenario]]] = {
    "drift": drift.DRIFT,
    "retrieval": retrieval.RETRIEVAL,
    "versions": versions.VERSIONS,
    "exporter": exporter.EXPORTER,
}
_LONG: Final = (*retrieval.LONG, *versions.LONG)
"""What needs a day of history: evaluated every five minutes, so that it takes seconds."""

SCENARIOS: Final[Sequence[Scenario]] = (
    *(scenario for scenarios in _BY_MINUTE.values() for scenario in scenarios),
    *_LONG,
)


def _suite(interval: str, scenarios: Sequence[Scenario]) -> Mapping[str, Any]:
    return {
        "rule_files": ["../rules/embedding_drift_recording.yml", "../rules/embedding_drift_alerts.yml"],
        "evaluation_interval": interval,
        # promtool evaluates groups in any order unless told.
        "group_eval_order": [group.name for group in (*RECORDING, *ALERTING)],
        "tests": [scenario.rendered() for scenario in scenarios],
    }


def suites() -> Mapping[str, Mapping[str, Any]]:
    """Test files of promtool, by name."""
    suites = {f"{name}_alerts": _suite("1m", scenarios) for name, scenarios in _BY_MINUTE.items()}
    return suites | {"alerts_of_a_day": _suite("5m", _LONG)}
