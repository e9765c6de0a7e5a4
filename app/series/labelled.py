"""Labelled queries: those that came with the documents that are relevant to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.model import DocumentId, EventBatch, Ragged
from app.relevance import Judged, judge


class Labelled(NamedTuple):
    """The labelled queries of a batch."""

    events: NDArray[np.intp]
    """Their positions in it, ascending."""
    judged: Judged


def judge_labelled(batch: EventBatch) -> Labelled | None:
    """The labelled queries of a batch with their measures; None where there is none.

    A query counts if it named a relevant document, did not fail and told what it found: the documents, or that there
    were none. Linear, some 2 us a query of ten results in batches of a hundred.
    """
    if batch.relevant is None:
        return None
    results: list[Sequence[DocumentId]] = []
    relevant, events = [], []
    for position, wanted in enumerate(batch.relevant):
        if not wanted or batch.failed[position] or max(wanted.values()) <= 0:
            continue
        ids = None if batch.ids is None else batch.ids[position]
        if ids is None and batch.empty[position]:
            ids = ()
        if ids is not None:
            events.append(position)
            results.append(ids)
            relevant.append(wanted)
    if not results:
        return None
    grades = np.array([grade for each in relevant for grade in each.values()], np.float64)
    return Labelled(np.array(events, np.intp), judge(_hashed(results), _hashed(relevant), grades))


def _hashed(rows: Sequence[Iterable[DocumentId]]) -> Ragged:
    """The documents as numbers that tell them apart; 7 and "7" are one.

    By the interpreter's own hash with a key of this process (SipHash), a sixth of the time of one that other processes
    know: nothing of it is kept.
    """
    numbers = [[hash(str(each)) for each in row] for row in rows]
    offsets = np.cumsum([0, *map(len, numbers)], dtype=np.intp)
    values = np.array([number for row in numbers for number in row], np.int64)
    return Ragged(values.view(np.uint64), offsets)  # type: ignore[arg-type]
