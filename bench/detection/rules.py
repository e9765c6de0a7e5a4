"""Alert rules as Prometheus evaluates them: a condition that must hold for a while."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

from app.drift.gates import GATES, Gate
from prometheus.thresholds import LIMITS

Severity = Literal["page", "ticket"]
Effects = Mapping[str, float]

HOUR = 3600.0
WINDOWS: Mapping[str, float] = {"5m": 300.0, "1h": HOUR, "24h": 24 * HOUR}
"""Seconds of each."""


class Reading(NamedTuple):
    """What a detector says of one window at one time."""

    scores: Mapping[str, float]
    """Value over limit by statistic."""
    effects: Effects = MappingProxyType({})
    final: bool = True
    """The limits are learned from enough of the baseline. Before, only tickets open, and only for large effects."""
    events: float = math.inf

    @property
    def score(self) -> float:
        """The largest of the family."""
        return max(self.scores.values())


PROVISIONAL: Effects = MappingProxyType({"changed_share_lower_bound": 0.10})
"""While the limits are not final, a ticket needs this instead of its own gate."""


class Rule(NamedTuple):
    """Score above 1 and an effect above its gate, in every evaluation for some time."""

    name: str
    severity: Severity
    window: str
    for_seconds: float
    shipped: bool = True
    """Counts among the pages and tickets; the others are measured to choose by."""
    gated: bool = True
    """False: any score above 1 will do."""
    least_events: float = LIMITS["window_events"]

    def holds(self, reading: Reading | None) -> bool:
        """The condition at one evaluation; a window without a score never fulfils it."""
        if reading is None or reading.events < self.least_events or not reading.score > 1:
            return False
        if not reading.final:
            large = (abs(reading.effects.get(name, 0.0)) > least for name, least in PROVISIONAL.items())
            return self.severity == "ticket" and any(large)
        return not self.gated or any(self._is_worth_it(gate, reading) for gate in GATES)

    def _is_worth_it(self, gate: Gate, reading: Reading) -> bool:
        value, lone = reading.effects.get(gate.effect, 0.0), self.for_seconds < WINDOWS[self.window]
        return gate.worth(reading.scores, value, lone=lone) in {"page", self.severity}


RULES: Sequence[Rule] = (
    Rule("page 1h for 10m", "page", "1h", 600, least_events=LIMITS["hour_events"]),
    Rule("page 1h for 65m", "page", "1h", 3900),
    Rule("ticket 5m for 30m", "ticket", "5m", 1800),
    Rule("ticket 1h for 65m", "ticket", "1h", 3900, least_events=LIMITS["hour_events"]),
    Rule("ticket 24h for 65m", "ticket", "24h", 3900),
    Rule("5m for 20m", "ticket", "5m", 1200, shipped=False),
    Rule("1h for 30m", "ticket", "1h", 1800, shipped=False),
    Rule("1h for 10m", "ticket", "1h", 600, shipped=False),
    Rule("1h for 65m, any effect", "ticket", "1h", 3900, shipped=False, gated=False),
)


@dataclass(slots=True)
class Alert:
    """One rule over time. `evaluate` once an evaluation, in order."""

    rule: Rule
    fired: list[float] = field(default_factory=list)
    """When it began to fire, each time."""
    firing: bool = False
    _since: float | None = None

    def evaluate(self, reading: Reading | None, now: float) -> bool:
        """True where the alert begins to fire at this evaluation.

        As in Prometheus: pending from the first evaluation at which the condition holds, firing from the first one at
        least `for_seconds` later if it held at every one in between, and resolved as soon as it does not hold.
        """
        if not self.rule.holds(reading):
            self._since, self.firing = None, False
            return False
        if self._since is None:
            self._since = now
        if self.firing or now - self._since < self.rule.for_seconds:
            return False
        self.firing = True
        self.fired.append(now)
        return True


def incidents(alerts: Sequence[Alert], severity: Severity) -> int:
    """How often someone is called: alarms of the shipped rules of a severity within three hours are one incident."""
    times = sorted(t for alert in alerts if alert.rule.shipped and alert.rule.severity == severity for t in alert.fired)
    return sum(1 for i, t in enumerate(times) if i == 0 or t - times[i - 1] > 3 * 3600)
