"""Alert rules as Prometheus evaluates them: a condition that must hold for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

from app.drift.gates import GATES

Severity = Literal["page", "ticket"]
Effects = Mapping[str, float]


class Reading(NamedTuple):
    """What a detector says of one window at one time."""

    score: float
    """Statistic over limit, the largest of the family."""
    effects: Effects = MappingProxyType({})
    final: bool = True
    """The limits are learned from enough of the baseline. Before, only tickets open, and only for large effects."""


TICKET: Effects = MappingProxyType({gate.effect: gate.ticket for gate in GATES})
"""An effect above any of these is worth a look within days."""

PAGE: Effects = MappingProxyType({gate.effect: gate.page for gate in GATES})
"""An effect above any of these is worth waking someone."""

PROVISIONAL: Effects = MappingProxyType({"changed_share_lower_bound": 0.10})
"""While the limits are not final, a ticket needs this instead of its own gate."""

NO_GATE: Effects = MappingProxyType({})


class Rule(NamedTuple):
    """Score above 1 and an effect above the gate, in every evaluation for some time."""

    name: str
    severity: Severity
    window: str
    gate: Effects
    for_seconds: float
    shipped: bool = True
    """Counts among the pages and tickets; the others are measured to choose by."""

    def holds(self, reading: Reading | None) -> bool:
        """The condition at one evaluation; a window without a score never fulfils it."""
        if reading is None or not reading.score > 1:
            return False
        if not reading.final and self.severity == "page":
            return False
        gate = self.gate if reading.final else PROVISIONAL
        return gate is NO_GATE or any(abs(reading.effects.get(name, 0.0)) > least for name, least in gate.items())


RULES: Sequence[Rule] = (
    Rule("page 1h for 10m", "page", "1h", PAGE, 600),
    Rule("ticket 5m for 30m", "ticket", "5m", TICKET, 1800),
    Rule("ticket 1h for 65m", "ticket", "1h", TICKET, 3900),
    Rule("ticket 24h for 65m", "ticket", "24h", TICKET, 3900),
    Rule("5m for 20m", "ticket", "5m", TICKET, 1200, shipped=False),
    Rule("1h for 30m", "ticket", "1h", TICKET, 1800, shipped=False),
    Rule("1h for 10m", "ticket", "1h", TICKET, 600, shipped=False),
    Rule("1h for 65m, any effect", "ticket", "1h", NO_GATE, 3900, shipped=False),
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
