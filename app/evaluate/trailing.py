"""Trailing baselines: the whole days before the last one, held against the pinned baseline's limits."""

from __future__ import annotations

from typing import Final, NamedTuple

from app.baseline import State
from app.drift.window import Window
from app.evaluate.look import Look, of_pane
from app.evaluate.views import BaselineView

TRAILING_DAYS: Final = {"7d": 7, "30d": 30, "90d": 90}
"""Each trailing baseline by its name."""

SECONDS_PER_DAY: Final = 86400.0

COVERED: Final = 0.8
"""The share of its days that a trailing baseline needs to be final: a weekend without traffic is allowed for."""


class Trailing(NamedTuple):
    """A trailing baseline, and what it offers to the statistics: None while it covers less than a day."""

    view: BaselineView
    window: Window | None


def trailing(look: Look, name: str, day_seconds: float, now: float) -> Trailing:
    """What lies behind the last day, which is no part of it: a baseline that held the window would forgive it."""
    past = look.series.past(TRAILING_DAYS[name] * day_seconds, now)
    signals = {signal: sketch.distribution() for signal, sketch in past.pane.quantiles.items() if sketch.n}
    covered = 0.0 if past.since is None else max(0.0, now - past.since - day_seconds)
    state: State = "learning"
    if covered >= day_seconds:
        wanted = (TRAILING_DAYS[name] - 1) * day_seconds
        # Days count whole: the first and the last may be parts.
        enough = covered >= COVERED * wanted and past.days - 1 >= COVERED * wanted / day_seconds
        state = "final" if enough else "provisional"
    view = BaselineView(
        name=name,
        state=state,
        origin="trailing",
        id=None,
        events=past.pane.events,
        signals=signals,
        covered_seconds=covered,
    )
    return Trailing(view, None if state == "learning" else of_pane(past.pane, signals))
