"""How long a bench runs: the plan every part is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds of turns: in each round every case has one turn, so that a noisy minute hurts all of them alike."""

    rounds: int
    turn_seconds: float
    """How long one case is driven in one round."""
    series: int
    """How many full series are made to measure the memory of one."""
    per_pane: int
    """How many events those have in each pane. A quantile sketch of 2,048 holds three quarters of what it ever will."""
    varied: int
    """How many full series are made with each setting that changes their memory; 0 leaves that out."""
    evaluated: int
    """How many full series are evaluated."""
    kept: int
    """How many full series a state directory holds."""
    distinct: int
    """How many ids of each kind never come again: more than 200,000."""
    days: tuple[int, ...]
    """The ages, in days, at which a simulated exporter is looked at."""
    step_seconds: float
    """Simulated seconds between two batches of it."""


FULL: Final = Plan(
    rounds=7,
    turn_seconds=0.8,
    series=8,
    per_pane=2_048,
    varied=3,
    evaluated=16,
    kept=64,
    distinct=1_000_000,
    days=(1, 2, 7, 14, 30, 60, 91, 120),
    step_seconds=3600.0,
)
QUICK: Final = Plan(
    rounds=3,
    turn_seconds=0.15,
    series=2,
    per_pane=256,
    varied=0,
    evaluated=4,
    kept=4,
    distinct=250_000,
    days=(1, 7, 30),
    step_seconds=10_800.0,
)
