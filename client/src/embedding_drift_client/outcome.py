"""What came of a query, known after its event was recorded."""

from __future__ import annotations

from typing import TypedDict

from embedding_drift_client.event import EventError, encode


class Outcome(TypedDict, total=False):
    """At least one of these; None is the same as nothing."""

    success: bool | None
    clicked: bool | None
    no_answer: bool | None
    escalated: bool | None


OUTCOME_FIELDS = frozenset(Outcome.__annotations__)


def encode_outcome(query_id: str, outcome: Outcome) -> bytes:
    """The JSON of an outcome. Raises EventError for an unknown field, one without JSON, or where nothing is said.

    >>> encode_outcome("q-1", {"clicked": True, "success": None})
    b'{"query_id":"q-1","clicked":true}'
    """
    if not outcome.keys() <= OUTCOME_FIELDS or all(value is None for value in outcome.values()):
        raise EventError(f"an outcome says at least one of {', '.join(sorted(OUTCOME_FIELDS))}, and nothing else")
    return encode({"query_id": query_id, **outcome})
