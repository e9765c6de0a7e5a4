"""POST /v1/outcomes: what came of queries, joined by query_id."""

from __future__ import annotations

from collections import Counter

from fastapi import Request, Response

from app.api.intake import Taken, intake
from app.api.services import Services
from app.outcomes import Joined, OutcomeMemory, decode_outcomes


async def post_outcomes(request: Request) -> Response:
    """Take what came of queries: success, clicked, no_answer, escalated, each true or false, by the query's query_id.

    202 says how many were accepted, rejected, duplicates (nothing new about their query) and unmatched (their query is
    not known: not sent, not sampled, or more than an hour or 100,000 queries ago), with the first ten errors. 422 when
    nothing was acceptable, 400 for a malformed body, 408 too slow, 413 too large, 415 for an unknown content type.
    """
    services: Services = request.app.state.services
    memory: OutcomeMemory = request.app.state.outcomes

    def take(content_type: str | None, content_encoding: str | None, body: bytes) -> Taken:
        now = services.clock.now()
        sent = decode_outcomes(content_type, content_encoding, body, services.limits, now)
        joined = Counter(memory.join(sent.query_keys.tolist(), sent.outcomes, now))
        counts = {
            "accepted": joined[Joined.COUNTED],
            "duplicates": joined[Joined.DUPLICATE],
            "unmatched": joined[Joined.UNMATCHED],
        }
        return Taken(counts, sent.errors)

    return await intake(request, take)
