"""Drift of a scalar signal: statistics that compare two distributions, and limits learned from the baseline."""

from __future__ import annotations

from typing import Final

from app.drift import energy_distance, jensen_shannon, kl, ks, psi, wasserstein
from app.drift.limit import Limit, learn_limit, resolution_floor
from app.drift.statistic import Statistic

STATISTICS: Final[tuple[Statistic, ...]] = (
    wasserstein.STATISTIC,
    energy_distance.STATISTIC,
    kl.STATISTIC,
    jensen_shannon.STATISTIC,
    psi.STATISTIC,
    ks.STATISTIC,
)
"""Every statistic on scalar signals; a new one is a file beside these and a line here."""

STATISTICS_BY_NAME: Final[dict[str, Statistic]] = {statistic.name: statistic for statistic in STATISTICS}

__all__ = ["STATISTICS", "STATISTICS_BY_NAME", "Limit", "Statistic", "learn_limit", "resolution_floor"]
