"""What came of queries: told with their events or later, joined by the query's id, counted by series and band."""

from app.outcomes.events import OutcomeRequest, decode_outcomes
from app.outcomes.memory import Joined, Outcome, OutcomeCounts, OutcomeMemory, OutcomeTotals, OutcomeValue, query_keys

__all__ = [
    "Joined",
    "Outcome",
    "OutcomeCounts",
    "OutcomeMemory",
    "OutcomeRequest",
    "OutcomeTotals",
    "OutcomeValue",
    "decode_outcomes",
    "query_keys",
]
