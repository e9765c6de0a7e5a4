"""Every family that is exported, once: dashboards, rules and docs/metrics.md are checked against it."""

from __future__ import annotations

from typing import Final

from app.metrics.baselines import BASELINES
from app.metrics.drift import DRIFT
from app.metrics.effects import EFFECTS
from app.metrics.exporter import EXPORTER, INTAKE
from app.metrics.family import Family, families
from app.metrics.runtime import PROCESS
from app.metrics.traffic import COUNTERS, FACTS, HISTOGRAMS
from app.metrics.windows import WINDOWS

GROUPS: Final[dict[str, tuple[Family, ...]]] = {
    "Events and queries": (*families(COUNTERS), *families(INTAKE)),
    "Norms, similarities and latencies": families(HISTOGRAMS),
    "Windows": families(WINDOWS),
    "Drift": families(DRIFT),
    "Effects": families(EFFECTS),
    "Baselines": families(BASELINES),
    "Models": families(FACTS),
    "The exporter": families(EXPORTER),
    "Process and interpreter": PROCESS,
}

FAMILIES: Final[tuple[Family, ...]] = tuple(family for group in GROUPS.values() for family in group)
