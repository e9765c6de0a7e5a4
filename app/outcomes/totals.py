"""How often each outcome was told, by series and band of the query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final, Literal, NamedTuple

from app.model import Outcome, SeriesKey

Band = Literal["normal", "poor"]

_BANDS: Final[tuple[Band, Band]] = ("normal", "poor")


class OutcomeValue(NamedTuple):
    """One of the values that an outcome holds, with the band of its query."""

    outcome: str
    """One of the fields of `Outcome`."""
    value: bool
    band: Band


OutcomeCounts = Mapping[OutcomeValue, int]
"""How often each value was said in a series."""


@dataclass(frozen=True, slots=True)
class OutcomeTotals:
    """What was counted so far; a copy."""

    series: Mapping[SeriesKey, OutcomeCounts] = field(default_factory=dict)
    unmatched: int = 0
    """Values of outcomes whose query is not known."""
    duplicates: int = 0
    """Values that had been said before of the same query."""


def complete(counts: OutcomeCounts) -> dict[OutcomeValue, int]:
    """With every value and band of each outcome that there is one of.

    >>> len(complete({OutcomeValue("clicked", True, "poor"): 1}))
    4
    """
    # From 0: a rate over a value that is not there yet would be nothing, and not 0.
    told = {each.outcome for each in counts}
    names = [name for name in Outcome._fields if name in told]
    every = [OutcomeValue(*each) for each in product(names, (True, False), _BANDS)]
    return {each: counts.get(each, 0) for each in every}
