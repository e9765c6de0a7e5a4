"""Announced maintenance: it always ends, whether or not anybody remembers to end it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.lifecycle.events import Maintenance, Refused
from app.lifecycle.spans import DAY, Spans, seconds
from app.model import Reason
from app.tree import Tree

EVERY: Final = ""
"""In place of a model's name: all of them."""


class MaintenancePeriods:
    """Until when each model is under maintenance. What was told last holds, whatever the clocks of the senders say.

    Ending it for all models leaves what was announced for one, and the other way round. At most one entry a label.
    """

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._until: dict[str, float] = {}

    def apply(self, event: Maintenance, model: str, at: float) -> bool:
        """Take an event whose label is `model` and whose time is `at`; whether it was news. Raises `Refused`."""
        if event.status == "end":
            known = bool(self._until.get(model))
            if known:
                self._until[model] = 0.0
            return known
        self._until[model] = self._end(event, at)
        return True

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"until": self._until.copy()}

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen."""
        self._until = tree["until"]

    def _end(self, event: Maintenance, at: float) -> float:
        if event.until is not None:
            field, lasts = "until", seconds(event.until, "until") - at
        elif event.duration_seconds is not None:
            field, lasts = "duration_seconds", event.duration_seconds
        else:
            return at + self._spans.maintenance_seconds
        longest = self._spans.max_maintenance_seconds
        if not 0 < lasts <= longest:
            message = f"{field} must end the maintenance after its begin, and at most {longest / DAY:g} days after it"
            raise Refused(field, Reason.TIMESTAMP, message)
        return at + lasts

    def views(self, now: float, models: Iterable[str]) -> dict[str, bool]:
        """Whether each of the models, and each that was ever announced by its name, is under maintenance."""
        every = now < self._until.get(EVERY, now)
        named = dict.fromkeys(sorted({*models, *self._until} - {EVERY}), False)
        return {model: every or now < self._until.get(model, now) for model in named}
