"""Gates: which effects are large enough for a ticket, and which for a page. Rules and diagnosis read them here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from app.drift.effects import Effects


class Severity(StrEnum):
    """What a change is worth."""

    NONE = "none"
    TICKET = "ticket"
    PAGE = "page"


LONE_SCORE: Final = 1.3
"""How many times its limit a statistic must be where nothing confirms the look: where a rule waits for less than its
window. Limits are made for two disjoint windows that exceed them (`budget.alpha_of_budget`); for one alone within the
same budget the normal quantile is 1.29 (24h) to 1.32 (1h) times as large."""


class Gate(NamedTuple):
    """An effect is worth a ticket above `ticket` and a page above `page`, as far as a statistic of its own vouches.

    Where events are few, chance alone brings an estimate over its gate, and a score of something else must not lend it
    weight. A score s = value / limit says that 1 / s of the value may be healthy: what is beyond counts.
    """

    effect: str
    """Of `Effects`, as in the metric embedding_<effect>."""
    ticket: float
    page: float
    statistics: tuple[str, ...]
    """Of the alarm family: those that see the same thing, and have its noise and wobble in their limit."""
    bound: bool = False
    """Noise is out of it already, as far as a ticket needs."""
    above: bool = False
    """Only above 0 it is a change: below, it is noise. Others are as large on either side."""

    def worth(self, scores: Mapping[str, float], value: float, *, lone: bool = False) -> Severity:
        """Of the effect's value, `scores` being the alarm family's by statistic; `lone` where nothing confirms it.

        Nothing but its size confirms a page.
        """
        size = max(value, 0.0) if self.above else abs(value)
        score = max(scores.get(each, 0.0) for each in self.statistics)
        if size * _beyond(score, LONE_SCORE) > self.page:
            return Severity.PAGE
        share = _beyond(score, LONE_SCORE if lone else 1.0)
        if share > 0 and size * (1.0 if self.bound else share) > self.ticket:
            return Severity.TICKET
        return Severity.NONE


def _beyond(score: float, limit: float) -> float:
    """Which share of a value is beyond so many times its limit; 0 to 1."""
    return 1 - limit / score if score > limit else 0.0


GATES: Final[tuple[Gate, ...]] = (
    Gate("changed_share_lower_bound", 0.01, 0.05, ("novelty", "joint", "mahalanobis"), bound=True),
    Gate("mean_displacement", 0.5, 1.0, ("mean_shift", "joint"), above=True),
    Gate("variance_log_ratio", 0.03, 0.10, ("spread",)),
    Gate("norm_change_ratio", 0.01, 0.05, ("norm",)),
    Gate("invalid_share", 0.001, 0.05, ("invalid",)),
    Gate("same_input_changed_ratio", 0.05, 0.05, ("same_input",)),
)

GATES_BY_EFFECT: Final = {gate.effect: gate for gate in GATES}


def severity(scores: Mapping[str, float], effects: Effects, *, lone: bool = False) -> Severity:
    """What a window is worth with these scores of the alarm family, by statistic; the shipped rules say the same."""
    found = {gate.worth(scores, getattr(effects, gate.effect) or 0.0, lone=lone) for gate in GATES}
    return next((each for each in (Severity.PAGE, Severity.TICKET) if each in found), Severity.NONE)
