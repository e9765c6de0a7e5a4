"""A batch of one series, cut into the rows of each pane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.cosine import count_changed
from app.drift.same_input import KnownInputs, SameInputCounts
from app.model import EventBatch, Floats, Ragged, Scalar
from app.relevance import RELEVANCE_K
from app.series.labelled import Labelled
from app.series.pane import NO_KEYS, QueryCounts, Rows
from app.signals import SIGNALS, finite_of
from app.sketch import RecentInputs, content_keys

_NO_NUMBERS: Final = np.empty(0, np.float32)
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


def vector_rows(
    vectors: Vectors, positions: Floats, memory: Memory, labelled: Labelled | None = None
) -> Iterator[tuple[int, Rows]]:
    """Yield the number of each pane in the first rung with what its vectors and its labelled queries tell.

    `positions` has the pane of each event.
    """
    for position, members in _panes(positions):
        # Nearly always all are of one pane: then without a copy of the vectors.
        mine = slice(None) if members is None else np.flatnonzero(members[vectors.events])
        matrix = vectors.matrix[mine]
        same_input, cosines = memory.check(None if vectors.inputs is None else vectors.inputs[mine], matrix)
        queries = QueryCounts() if labelled is None else _labelled_counts(labelled, members)
        yield position, Rows(vectors=matrix, same_input=same_input, same_input_cosines=cosines, queries=queries)


def number_rows(batch: EventBatch, positions: Floats) -> Iterator[tuple[int, Rows]]:
    """Yield the same panes with all else, of batches as `without_vectors` leaves them."""
    # Dot products may be so large that their sum is infinite: no value then, as where there is none.
    with np.errstate(over="ignore", invalid="ignore"):
        columns = {signal.name: signal.extract(batch) for signal in SIGNALS}
    for position, members in _panes(positions):
        yield (
            position,
            Rows(
                events=len(batch) if members is None else int(np.count_nonzero(members)),
                invalid=_count(batch.fault, members),
                signals={name: finite_of(_of(each, members)) for name, each in columns.items()},
                inputs=NO_KEYS if batch.inputs is None else _of(batch.inputs, members),
                labels=_labels(batch, members),
                queries=QueryCounts(*(_count(each, members) for each in (batch.query, batch.failed, batch.empty))),
            ),
        )


def joined_rows(seen: Iterator[tuple[int, Rows]], told: Iterator[tuple[int, Rows]]) -> Iterator[tuple[int, Rows]]:
    """Yield the same panes with what `vector_rows` and `number_rows` say of them, of the same events."""
    for (position, vectors), (_, numbers) in zip(seen, told, strict=True):
        yield (
            position,
            numbers._replace(
                vectors=vectors.vectors,
                same_input=vectors.same_input,
                same_input_cosines=vectors.same_input_cosines,
                queries=numbers.queries.plus(vectors.queries),
            ),
        )


def without_vectors(batch: EventBatch, vectors: Vectors) -> EventBatch:
    """The batch with what is to be counted of it: without vectors and ids, and `inputs` telling apart what they were.

    That is their hashes, or else what the vectors hold; 0 where an event has no valid vector.
    """
    keys = None
    if len(vectors.matrix):
        keys = _told_apart(vectors.inputs, vectors.matrix)
        if keys.size < len(batch):
            keys, told = np.zeros(len(batch), np.uint64), keys
            keys[vectors.events] = told
    return replace(
        batch,
        vectors=Ragged(_NO_NUMBERS, batch.vectors.offsets),
        event_ids=None,
        inputs=keys,
        ids=None,
        relevant=None,
        query_ids=None,
        event_digests=None,
        query_digests=None,
        trace_ids=None,
        outcomes=None,
        withdrawn=None,
    )


def _panes(positions: Floats) -> Iterator[tuple[int, NDArray[np.bool_] | None]]:
    """Yield each pane with its members; None where all are."""
    if np.count_nonzero(positions == positions[0]) == positions.size:
        yield int(positions[0]), None
        return
    for position in np.unique(positions):
        yield int(position), positions == position


def _labels(batch: EventBatch, members: NDArray[np.bool_] | None) -> Sequence[Mapping[str, str]]:
    if batch.labels is None:
        return ()
    rows = batch.labels if members is None else compress(batch.labels, members.tolist())
    return [each for each in rows if each]


def _labelled_counts(labelled: Labelled, members: NDArray[np.bool_] | None) -> QueryCounts:
    mine = slice(None) if members is None else members[labelled.events]
    recall = labelled.judged.recall[mine, _RECALL_AT]
    return QueryCounts(labelled=recall.size, recall=float(recall.sum()))


def _of(column: NDArray[Scalar], members: NDArray[np.bool_] | None) -> NDArray[Scalar]:
    return column if members is None else column[members]


def _count(flags: NDArray[np.bool_] | NDArray[np.int8], members: NDArray[np.bool_] | None) -> int:
    return int(np.count_nonzero(_of(flags, members)))


def _told_apart(inputs: NDArray[np.uint64] | None, matrix: NDArray[np.float32]) -> NDArray[np.uint64]:
    if inputs is None:
        return content_keys(matrix)
    return np.where(inputs == 0, content_keys(matrix), inputs) if (inputs == 0).any() else inputs
