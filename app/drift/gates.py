"""Gates: which effects are large enough for a ticket, and which for a page. Rules and diagnosis read them here."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from app.drift.effects import Effects


class Severity(StrEnum):
    """What a change is worth."""

    NONE = "none"
    TICKET = "ticket"
    PAGE = "page"


class Gate(NamedTuple):
    """An effect is worth a ticket above `ticket` and a page above `page`."""

    effect: str
    """As in the metric embedding_<effect>."""
    ticket: float
    page: float
    size: Callable[[Effects], float]


GATES: Final[tuple[Gate, ...]] = (
    Gate("changed_share_lower_bound", 0.01, 0.05, lambda effects: effects.changed_share_lower_bound or 0.0),
    Gate("mean_displacement", 0.5, 1.0, lambda effects: effects.mean_displacement or 0.0),
    Gate("variance_log_ratio", 0.03, 0.10, lambda effects: abs(effects.variance_log_ratio or 0.0)),
    Gate("norm_change_ratio", 0.01, 0.05, lambda effects: abs(effects.norm_change_ratio or 0.0)),
    Gate("invalid_share", 0.001, 0.05, lambda effects: effects.invalid_share),
    Gate("same_input_changed_ratio", 0.05, 0.05, lambda effects: effects.same_input_changed_ratio or 0.0),
)

GATES_BY_EFFECT: Final = {gate.effect: gate for gate in GATES}


def severity(score: float, effects: Effects) -> Severity:
    """What a window is worth whose largest score of the alarm family is `score`: nothing unless it is above 1."""
    if score <= 1:
        return Severity.NONE
    if any(gate.size(effects) > gate.page for gate in GATES):
        return Severity.PAGE
    if any(gate.size(effects) > gate.ticket for gate in GATES):
        return Severity.TICKET
    return Severity.NONE
