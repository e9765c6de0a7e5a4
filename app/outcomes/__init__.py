"""What came of queries: told with their events or later, joined by the query's id, counted by series and band."""

from app.model import Outcome
from app.outcomes.events import OutcomeRequest, decode_outcomes
from app.outcomes.memory import MEMORY_SECONDS, Joined, OutcomeMemory, query_digests, query_keys
from app.outcomes.queries import take_queries
from app.outcomes.recent import RecentOutcomes, Share
from app.outcomes.totals import OutcomeCounts, OutcomeTotals, OutcomeValue

__all__ = [
    "MEMORY_SECONDS",
    "Joined",
    "Outcome",
    "OutcomeCounts",
    "OutcomeMemory",
    "OutcomeRequest",
    "OutcomeTotals",
    "OutcomeValue",
    "RecentOutcomes",
    "Share",
    "decode_outcomes",
    "query_digests",
    "query_keys",
    "take_queries",
]
