"""What comes in by POST: applied to store, outcomes and lifecycle in one way, once for each idempotency key."""

from app.intake.answer import Answer
from app.intake.ledger import Ledger, SentRequest
from app.intake.repeats import REPEAT_SECONDS, Claim, OtherBody, Repeats
from app.intake.sent import SentEvents, SentLifecycle, SentOutcomes

__all__ = [
    "REPEAT_SECONDS",
    "Answer",
    "Claim",
    "Ledger",
    "OtherBody",
    "Repeats",
    "SentEvents",
    "SentLifecycle",
    "SentOutcomes",
    "SentRequest",
]
