"""Queries as they are accepted: remembered for the outcomes to come, and what they already tell of theirs."""

from __future__ import annotations

import numpy as np

from app.model import Taken
from app.outcomes.memory import OutcomeMemory, StagedQueries, query_keys
from app.signals import poor_match


def take_queries(memory: OutcomeMemory, taken: Taken, secret: bytes, now: float) -> None:
    """Remember the queries of one series by their ids, and count the outcomes that came with them.

    The band of a query is that of its match as it came: poor if it found nothing or its best similarity was below the
    limit then in force; before there was a limit, every match that found something is normal. An outcome of a query
    with an id counts as if it came later: once. 1 us an event.
    """
    key, events, limit = taken
    ids = events.query_ids if events.query_digests is None else events.query_digests
    if ids is None and events.outcomes is None:
        return
    poor = poor_match(events, limit)
    if ids is not None:
        memory.stage(StagedQueries(ids, secret, key, poor, now))
    if events.outcomes is None:
        return
    keys = np.zeros(len(events), np.uint64) if ids is None else query_keys(ids, secret)
    for query, outcome, is_poor in zip(keys.tolist(), events.outcomes, poor.tolist(), strict=True):
        if outcome is None:
            continue
        if query:
            memory.join([query], [outcome], now)
        else:
            memory.count(key, [outcome], [is_poor])
