"""Labelled queries: those that came with the documents that are relevant to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from app.model import DocumentId, EventBatch, Ragged
from app.relevance import Judged, judge


def judge_labelled(batch: EventBatch) -> Judged | None:
    """The measures of a batch's labelled queries; None where there is none.

    A query counts if it named a relevant document, did not fail and told what it found: the documents, or that there
    were none. Linear, some 2 us a query of ten results in batches of a hundred.
    """
    if batch.relevant is None:
        return None
    results: list[Sequence[DocumentId]] = []
    relevant = []
    for position in [i for i, each in enumerate(batch.relevant) if each]:
        ids = None if batch.ids is None else batch.ids[position]
        if ids is None and batch.empty[position]:
            ids = ()
        wanted = batch.relevant[position]
        if ids is not None and wanted and not batch.failed[position]:
            results.append(ids)
            relevant.append(wanted)
    if not results:
        return None
    grades = np.array([grade for each in relevant for grade in each.values()], np.float64)
    if not (grades > 0).any():
        return None
    return judge(_hashed(results), _hashed(list(relevant)), grades)


def _hashed(rows: Sequence[Iterable[DocumentId]]) -> Ragged:
    """The documents as numbers that tell them apart; 7 and "7" are one.

    By the interpreter's own hash with a key of this process (SipHash), a sixth of the time of one that other processes
    know: nothing of it is kept.
    """
    numbers = [[hash(str(each)) for each in row] for row in rows]
    offsets = np.cumsum([0, *map(len, numbers)], dtype=np.intp)
    values = np.array([number for row in numbers for number in row], np.int64)
    return Ragged(values.view(np.uint64), offsets)  # type: ignore[arg-type]
