"""What requests are applied to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from app.intake.answer import Answer
from app.intake.repeats import Claim, Repeats
from app.lifecycle import Lifecycle
from app.model import FOLDED, EventError, SeriesKey
from app.outcomes import OutcomeMemory
from app.store import SeriesStore


class SentRequest(Protocol):
    """What a request body held."""

    @property
    def now(self) -> float:
        """When it came, in unix seconds."""
        ...

    @property
    def errors(self) -> Sequence[EventError]:
        """What was refused as it was decoded."""
        ...

    def apply(self, ledger: Ledger) -> Answer:
        """Make it count; what its sender is told."""
        ...

    def hashed(self, key: bytes) -> SentRequest:
        """The same with ids as keyed hashes, as records have them; what is hashed already stays as it is."""
        ...


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Store, outcomes and lifecycle, and the answers that were given: all that a request changes.

    The same requests in the same order give the same counts: nothing here asks a clock.
    """

    store: SeriesStore
    outcomes: OutcomeMemory
    lifecycle: Lifecycle
    input_key: bytes
    """What ids are hashed with."""
    repeats: Repeats = field(default_factory=Repeats)

    def take(self, request: SentRequest, claim: Claim | None) -> Answer:
        """Apply a request, unless its key was answered before. Safe from any thread. Raises OtherBody."""
        if claim is None:
            return request.apply(self)
        # Asked again here: who waited for the answer may have left, and the sender tried once more meanwhile.
        answer = self.repeats.find(claim, request.now)
        if answer is None:
            answer = request.apply(self)
            self.repeats.keep(claim, answer, request.now)
        return answer

    def expire(self, now: float) -> None:
        """Let idle series go, and what was counted of outcomes for those that are no more."""
        for key in self.store.expire(now):
            log.info("series idle, dropped", **key._asdict())
        self.outcomes.retain(lambda key: key == FOLDED or self.store.find(key) is not None)

    def judge_by(self, key: SeriesKey, poor_match_limit: float | None) -> None:
        """Judge the matches of a series by this limit from now on."""
        series = self.store.find(key)
        if series is not None:
            series.set_poor_match_limit(poor_match_limit)
