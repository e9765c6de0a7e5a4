"""What comes in by POST: applied to store, outcomes and lifecycle in one way, whether it was sent or is read back."""

from app.intake.answer import Answer
from app.intake.intake import Intake, Replayed
from app.intake.ledger import Ledger, SentRequest
from app.intake.repeats import REPEAT_SECONDS, Claim, OtherBody, Repeats
from app.intake.sent import SentEvents, SentLifecycle, SentOutcomes, with_hashed_ids

__all__ = [
    "REPEAT_SECONDS",
    "Answer",
    "Claim",
    "Intake",
    "Ledger",
    "OtherBody",
    "Repeats",
    "Replayed",
    "SentEvents",
    "SentLifecycle",
    "SentOutcomes",
    "SentRequest",
    "with_hashed_ids",
]
