"""Every family that is exported, once: dashboards, rules and docs/metrics.md are checked against it."""

from __future__ import annotations

from typing import Final

from app.metrics.baselines import BASELINES
from app.metrics.canary import CANARY
from app.metrics.drift import DRIFT
from app.metrics.effects import EFFECTS
from app.metrics.exporter import EXPORTER, INTAKE
from app.metrics.family import Family, families
from app.metrics.lifecycle import ANNOUNCED, LIFECYCLE
from app.metrics.outcomes import OUTCOMES, RELEVANCE, UNMATCHED
from app.metrics.results import RESULTS
from app.metrics.runtime import PROCESS
from app.metrics.slices import SLICES
from app.metrics.sources import SOURCES
from app.metrics.state import STATE
from app.metrics.traffic import COUNTERS, FACTS, HISTOGRAMS
from app.metrics.windows import WINDOWS

GROUPS: Final[dict[str, tuple[Family, ...]]] = {
    "Events and queries": (*families(COUNTERS), *families(INTAKE)),
    "Relevance and outcomes": families((*RELEVANCE, *OUTCOMES, *UNMATCHED)),
    "Norms, similarities and latencies": families(HISTOGRAMS),
    "Windows": (*families(WINDOWS), *families(RESULTS)),
    "Drift": families(DRIFT),
    "Effects": families(EFFECTS),
    "Baselines": families(BASELINES),
    "Models": (*families(FACTS), *families(ANNOUNCED), *families(SOURCES), *families(CANARY)),
    "Slices": families(SLICES),
    "Lifecycle": families(LIFECYCLE),
    "The exporter": families((*EXPORTER, *STATE)),
    "Process and interpreter": PROCESS,
}

FAMILIES: Final[tuple[Family, ...]] = tuple(family for group in GROUPS.values() for family in group)
