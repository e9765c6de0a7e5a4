"""Where requests come in: applied at once, or written to a journal first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from app.intake.answer import Answer
from app.intake.ledger import Ledger, SentRequest
from app.intake.records import ExpireRecord, LimitRecord, encode_note, encode_request, replay
from app.intake.repeats import Claim
from app.journal import Journal
from app.series import Series

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a journal brought back."""

    records: int
    events: int
    """Of all kinds, before duplicates were left out."""
    failed: int
    """Records that could not be applied: a bug, which the log has."""
    last: float | None
    """When the last one came, in unix seconds; None where there was none."""
    seconds: float


class Intake:
    """The one way by which requests, and what happens of itself, change the ledger.

    With a journal nothing else may: what it does not hold is not there after a restart.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.journal: Journal | None = None

    def begin(self, read: Callable[[], SentRequest], claim: Claim | None) -> Answer | SentRequest:
        """Decode a request and apply it; with a journal its ids are hashed instead, and `end` does the rest."""
        request = read()
        return self.ledger.take(request, claim) if self.journal is None else request.hashed(self.ledger.input_key)

    async def end(self, begun: SentRequest, claim: Claim | None) -> Answer:
        """The answer to a request that was only decoded, once what it says is on disk.

        Raises:
            Unwritable: it is not, and nothing of the request counts.
        """
        assert self.journal is not None
        return await self.journal.commit(lambda: encode_request(begun, claim), lambda: self.ledger.take(begun, claim))

    def expire(self, now: float) -> None:
        """Let idle series go."""
        if self.journal is None:
            self.ledger.expire(now)
        else:
            self.journal.note(encode_note(ExpireRecord(now)), lambda: self.ledger.expire(now))

    def judge_by(self, series: Series, poor_match_limit: float | None) -> None:
        """Judge the matches of a series by this limit from now on."""
        key = series.key
        if poor_match_limit == series.poor_match_limit:
            return
        if self.journal is None:
            self.ledger.judge_by(key, poor_match_limit)
        else:
            note = encode_note(LimitRecord(key, poor_match_limit))
            self.journal.note(note, lambda: self.ledger.judge_by(key, poor_match_limit))

    def replay(self, payloads: Iterable[bytes]) -> Replayed:
        """Apply the records of a journal, before anything else comes in."""
        begun = time.perf_counter()
        records = events = failed = 0
        last: float | None = None
        for payload in payloads:
            records += 1
            try:
                now, size = replay(payload, self.ledger)
            except Exception:
                # Its checksum was right, so this is a bug; the records after it are no less true.
                log.exception("record not applied")
                failed += 1
                continue
            events += size
            last = last if now is None else now
        if last is not None:
            # What is staged has no vectors, and may not be joined with what comes.
            self.ledger.store.totals(last)
        return Replayed(records, events, failed, last, time.perf_counter() - begun)
