"""A batch of one series, cut into the rows of each pane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.cosine import count_changed
from app.drift.same_input import KnownInputs, SameInputCounts
from app.model import EventBatch, Floats
from app.relevance import RELEVANCE_K
from app.series.labelled import Labelled
from app.series.pane import QueryCounts, Rows
from app.signals import SIGNALS, finite_of
from app.sketch import RecentInputs, content_keys

NO_KEYS = np.zeros(0, np.uint64)
_RECALL_AT: Final = RELEVANCE_K.index(10)


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """The valid vectors of a batch."""

    count: int
    """How many there are; of a replayed batch without a row each."""
    matrix: NDArray[np.float32]
    """Shape (n, dimension)."""
    events: NDArray[np.intp]
    """The event of each, ascending; shape (n,)."""
    inputs: NDArray[np.uint64] | None
    """The keyed hash of each one's input, 0 where it has none; None where none has."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What tells whether the same input gave the same vector."""

    known: KnownInputs | None
    recent: RecentInputs | None
    now: float

    def check(self, inputs: NDArray[np.uint64] | None, matrix: NDArray[np.float32]) -> tuple[SameInputCounts, Floats]:
        """Events whose input came before, in the baseline or just now; and the cosines to the baseline's vectors."""
        if inputs is None or not len(matrix):
            return SameInputCounts(), np.empty(0)
        cosines = np.empty(0)
        if self.known is not None and self.known.dimension == matrix.shape[1]:
            _, cosines = self.known.match(inputs, matrix)
        repeats, inconsistent = (0, 0) if self.recent is None else self.recent.check(inputs, matrix, self.now)
        return SameInputCounts(cosines.size, count_changed(cosines), repeats, inconsistent), cosines


def rows_of_panes(
    batch: EventBatch, vectors: Vectors, positions: Floats, memory: Memory, labelled: Labelled | None = None
) -> Iterator[tuple[int, Rows]]:
    """Yield the number of each pane in the first rung with its rows; `positions` has the pane of each event."""
    # Dot products may be so large that their sum is infinite: no value then, as where there is none.
    with np.errstate(over="ignore", invalid="ignore"):
        columns = {signal.name: signal.extract(batch) for signal in SIGNALS}
    first = positions[0]
    if np.count_nonzero(positions == first) == len(batch):
        # As nearly always: without a copy of anything.
        yield int(first), _rows(batch, vectors, columns, None, memory=memory, labelled=labelled)
        return
    for position in np.unique(positions):
        yield int(position), _rows(batch, vectors, columns, positions == position, memory=memory, labelled=labelled)


def _rows(
    batch: EventBatch,
    vectors: Vectors,
    columns: Mapping[str, Floats],
    members: NDArray[np.bool_] | None,
    *,
    memory: Memory,
    labelled: Labelled | None,
) -> Rows:
    """The members of one pane; None where all of the batch are."""
    mine = slice(None) if members is None else np.flatnonzero(members[vectors.events])
    matrix = vectors.matrix[mine]
    inputs = None if vectors.inputs is None else vectors.inputs[mine]
    same_input, cosines = memory.check(inputs, matrix)
    return Rows(
        events=len(batch) if members is None else int(np.count_nonzero(members)),
        invalid=_count(batch.fault, members),
        signals={name: finite_of(each if members is None else each[members]) for name, each in columns.items()},
        vectors=matrix,
        inputs=_told_apart(inputs, matrix),
        same_input=same_input,
        same_input_cosines=cosines,
        labels=_labels(batch, members),
        queries=_query_counts(batch, members, labelled),
    )


def _labels(batch: EventBatch, members: NDArray[np.bool_] | None) -> Sequence[Mapping[str, str]]:
    if batch.labels is None:
        return ()
    rows = batch.labels if members is None else compress(batch.labels, members.tolist())
    return [each for each in rows if each]


def _query_counts(batch: EventBatch, members: NDArray[np.bool_] | None, labelled: Labelled | None) -> QueryCounts:
    counts = QueryCounts(_count(batch.query, members), _count(batch.failed, members), _count(batch.empty, members))
    if labelled is None:
        return counts
    mine = slice(None) if members is None else members[labelled.events]
    recall = labelled.judged.recall[mine, _RECALL_AT]
    return counts._replace(labelled=recall.size, recall=float(recall.sum()))


def _count(flags: NDArray[np.bool_] | NDArray[np.int8], members: NDArray[np.bool_] | None) -> int:
    return int(np.count_nonzero(flags if members is None else flags[members]))


def _told_apart(inputs: NDArray[np.uint64] | None, matrix: NDArray[np.float32]) -> NDArray[np.uint64]:
    """What tells inputs: their hashes, or else what their vectors hold."""
    if not len(matrix):
        return NO_KEYS
    if inputs is None:
        return content_keys(matrix)
    return np.where(inputs == 0, content_keys(matrix), inputs) if (inputs == 0).any() else inputs
