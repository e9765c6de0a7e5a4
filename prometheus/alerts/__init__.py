"""The one table of alerts: rules, tests of rules and runbooks follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus.alerts.alert import Alert
from prometheus.alerts.drift import DRIFT
from prometheus.alerts.exporter import EXPORTER
from prometheus.alerts.retrieval import RETRIEVAL
from prometheus.alerts.versions import VERSIONS
from prometheus.rule import Group

__all__ = ["ALERTING", "ALERTS", "Alert"]

ALERTING: Final[Sequence[Group]] = (
    Group("embedding-drift-drift.alerts", DRIFT, "30s"),
    Group("embedding-drift-retrieval.alerts", RETRIEVAL, "1m"),
    Group("embedding-drift-versions.alerts", VERSIONS, "1m"),
    Group("embedding-drift-exporter.alerts", EXPORTER, "30s"),
)

ALERTS: Final[Sequence[Alert]] = (*DRIFT, *RETRIEVAL, *VERSIONS, *EXPORTER)
"""Severest first within each group."""
