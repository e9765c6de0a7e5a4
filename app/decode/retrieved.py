"""What an event tells of its retrieval beside the scores: the documents found, those wanted, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.decode.errors import Refused
from app.decode.event import outcome
from app.decode.fields import Refusals, Sent, ids, judged
from app.decode.id_rules import documents, event_id, grades, trace_id
from app.decode.limits import Limits
from app.model import DocumentId, Outcome

Ids = Sequence[Sequence[DocumentId] | None]


class Retrieved(NamedTuple):
    """The columns of `EventBatch` of the same names."""

    ids: Ids | None
    relevant: Sequence[Mapping[DocumentId, float] | None] | None
    query_ids: Sequence[str | None] | None
    trace_ids: Sequence[str | None] | None
    outcomes: Sequence[Outcome | None] | None


def retrieved(sent: Sent, limits: Limits, refusals: Refusals) -> Retrieved:
    """Judge these fields of every event. What no event carries costs next to nothing."""
    relevant = judged(sent, "relevant", lambda value: grades(value, limits.top_k), None, refusals)
    query_ids = ids(sent, "query_id", lambda value: event_id(value, "query_id"), refusals)
    trace_ids = ids(sent, "trace_id", trace_id, refusals)
    outcomes = judged(sent, "outcome", outcome, None, refusals)
    return Retrieved(
        ids=_ids(sent, limits, refusals),
        relevant=relevant if relevant and any(relevant) else None,
        query_ids=query_ids if query_ids and any(query_ids) else None,
        trace_ids=trace_ids if trace_ids and any(trace_ids) else None,
        outcomes=outcomes if outcomes and any(outcomes) else None,
    )


def _ids(sent: Sent, limits: Limits, refusals: Refusals) -> Ids | None:
    """The documents that each event found: `ids`, else those of `top_k` if every result has one."""
    rows: Ids | None = sent.get("ids")
    if rows is not None:
        _check("ids", rows, limits, refusals)
    if "top_k" not in sent:
        return rows
    found = [top_k if top_k is None else _complete([each.id for each in top_k]) for top_k in sent["top_k"]]
    _check("top_k", found, limits, refusals)
    if rows is not None:
        found = [own if row is None else row for row, own in zip(rows, found, strict=True)]
    return None if found.count(None) == len(found) else found


def _complete(found: list[DocumentId | None]) -> Sequence[DocumentId] | None:
    """The ids; None where one is not there: the ranks of the others would be wrong."""
    present = [each for each in found if each is not None]
    return present if len(present) == len(found) else None


def _check(field: str, rows: Ids, limits: Limits, refusals: Refusals) -> None:
    """Refuse events with too many ids, or one that is too long."""
    present = rows if len(rows) == 1 else [row for row in rows if row is not None]
    try:
        # One call that looks at the type and the characters of all: if ASCII, the decoder has counted their bytes.
        plain = "".join(map("".join, present)).isascii()  # type: ignore[arg-type]
        if plain and max(map(len, present), default=0) <= limits.top_k:  # type: ignore[arg-type]
            return
    except TypeError:
        pass  # integers among them, or none at all
    for i, row in enumerate(rows):
        try:
            documents(field, row or (), limits.top_k)
        except Refused as refusal:
            refusals.setdefault(i, refusal)
