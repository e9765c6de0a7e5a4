"""Events as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.model.columns import Floats, Ragged, joined, joined_or_zero, joined_where_any, taken
from app.model.series_key import SeriesKey


class SimilarityMetric(StrEnum):
    """What a score measures; settles its order, its range and how it becomes a similarity."""

    COSINE = "cosine"
    DOT = "dot"
    L2 = "l2"
    L2_SQUARED = "l2_squared"
    OTHER = "other"


METRICS = tuple(SimilarityMetric)
"""`EventBatch.metric` holds positions in this tuple."""


class Outcome(NamedTuple):
    """What came of a query, as its sender saw it; None where nothing was said."""

    success: bool | None = None
    clicked: bool | None = None
    no_answer: bool | None = None
    escalated: bool | None = None


class Hashed(int):
    """An id as its keyed hash of 64 bits, which is not hashed again: what a journal has of the ids that were sent."""

    __slots__ = ()


DocumentId = str | int
"""As senders write it: 7 and "7" are one document."""


@dataclass(slots=True, eq=False)  # not frozen, which costs a call a column: 1 us a request of one event
class EventBatch:
    """Accepted events of one request as columns; every array has one entry an event. Nobody changes one.

    Vectors that were zero or not finite are already taken out (their row is empty and `fault` says why);
    scores are similarities, best first, whatever metric they came in.
    """

    keys: tuple[SeriesKey, ...]
    """The distinct series of the batch."""
    spaces: tuple[str, ...]
    """The vector space of each of `keys`: as the last event said that names one, else the default."""
    key_index: NDArray[np.intp]
    """Position in `keys`."""
    index: NDArray[np.intp]
    """Position of the event in the request, for errors found later."""
    timestamp: Floats
    """Unix seconds; the time of arrival where the event had none."""
    weight: Floats
    """1 / sample_rate: how many events of the traffic this one stands for."""
    vectors: Ragged
    """float32; an empty row where there is no valid vector."""
    norm: Floats
    """L2 norm, as sent or else of the vector; NaN where there is neither."""
    fault: NDArray[np.int8]
    """0, or 1 + position in VECTOR_FAULTS."""
    scores: Ragged
    """float64 similarities, best first; an empty row where there are none."""
    metric: NDArray[np.int8]
    """Position in METRICS; -1 where the event has no scores."""
    query: NDArray[np.bool_]
    """The event tells of a retrieval: it carries scores, result_count or error."""
    empty: NDArray[np.bool_]
    """The retrieval succeeded and found nothing."""
    failed: NDArray[np.bool_]
    """The retrieval failed."""
    latency_seconds: Floats
    """NaN where not sent."""
    event_ids: Sequence[str | None] | None
    """None where no event of the batch has one."""
    errors: Sequence[str | None] | None
    """The error type of each failed event; None where no event of the batch failed."""
    inputs: NDArray[np.uint64] | None
    """Keyed hash of what was embedded: of the input hash, or of a probe's name; 0 where an event has neither.

    None where no event of the batch has one. A probe's name and an input hash of the same text have two hashes.
    """
    probe: NDArray[np.bool_] | None
    """The event is a probe: `inputs` holds the keyed hash of its name. None where no event of the batch is one."""
    labels: Sequence[Mapping[str, str] | None] | None
    """The slice labels of each event, None where it has none; None where no event of the batch has one."""
    ids: Sequence[Sequence[DocumentId] | None] | None
    """The documents that each event found, best first, as sent; None where it told none of them, or not of each.

    None where no event of the batch told any. Nobody keeps them but for the few queries that a person is to look at.
    """
    relevant: Sequence[Mapping[DocumentId, float] | None] | None
    """The documents that are relevant to each event's query and how much; None where it told none, or no event did."""
    query_ids: Sequence[str | None] | None
    """None where no event of the batch has one."""
    trace_ids: Sequence[str | None] | None
    """None where no event of the batch has one."""
    outcomes: Sequence[Outcome | None] | None
    """What each event said that came of its query; None where no event of the batch said anything."""
    withdrawn: NDArray[np.int64] | None
    """How many of the documents that each event found are withdrawn ones; None where nobody looked."""
    unknown_labels: int
    """How many events carried a label that is no slice label."""
    event_digests: Sequence[bytes] | None = None
    """Of `event_ids`, where there is a journal: what is written and what is remembered are hashed once."""
    query_digests: Sequence[bytes] | None = None
    """Of `query_ids`, likewise."""
    replayed: bool = False
    """Read back from a journal: `vectors` has lengths without numbers, `ids` stand only where they are judged, and tell
    documents apart within the batch alone."""

    def __len__(self) -> int:
        return len(self.key_index)

    def take(self, rows: NDArray[np.intp]) -> EventBatch:
        """The events at these positions, in this order; `unknown_labels` stays with the whole."""
        return replace(
            self,
            key_index=self.key_index[rows],
            index=self.index[rows],
            timestamp=self.timestamp[rows],
            weight=self.weight[rows],
            vectors=self.vectors.take(rows),
            norm=self.norm[rows],
            fault=self.fault[rows],
            scores=self.scores.take(rows),
            metric=self.metric[rows],
            query=self.query[rows],
            empty=self.empty[rows],
            failed=self.failed[rows],
            latency_seconds=self.latency_seconds[rows],
            event_ids=taken(self.event_ids, rows),
            errors=taken(self.errors, rows),
            inputs=None if self.inputs is None else self.inputs[rows],
            probe=None if self.probe is None else self.probe[rows],
            labels=taken(self.labels, rows),
            ids=taken(self.ids, rows),
            relevant=taken(self.relevant, rows),
            query_ids=taken(self.query_ids, rows),
            event_digests=taken(self.event_digests, rows),
            query_digests=taken(self.query_digests, rows),
            trace_ids=taken(self.trace_ids, rows),
            outcomes=taken(self.outcomes, rows),
            withdrawn=None if self.withdrawn is None else self.withdrawn[rows],
        )

    @classmethod
    def concatenate(cls, batches: Sequence[EventBatch]) -> EventBatch:
        """The events of several batches of one series, in order; the last one's space. Linear in their sizes."""
        if len(batches) == 1:
            return batches[0]

        return cls(
            keys=batches[0].keys,
            spaces=batches[-1].spaces,
            key_index=joined([batch.key_index for batch in batches]),
            index=joined([batch.index for batch in batches]),
            timestamp=joined([batch.timestamp for batch in batches]),
            weight=joined([batch.weight for batch in batches]),
            vectors=Ragged.concatenate([batch.vectors for batch in batches]),
            norm=joined([batch.norm for batch in batches]),
            fault=joined([batch.fault for batch in batches]),
            scores=Ragged.concatenate([batch.scores for batch in batches]),
            metric=joined([batch.metric for batch in batches]),
            query=joined([batch.query for batch in batches]),
            empty=joined([batch.empty for batch in batches]),
            failed=joined([batch.failed for batch in batches]),
            latency_seconds=joined([batch.latency_seconds for batch in batches]),
            event_ids=None,
            errors=joined_where_any([batch.errors for batch in batches], batches),
            inputs=joined_or_zero([batch.inputs for batch in batches], batches),
            probe=joined_or_zero([batch.probe for batch in batches], batches),
            labels=joined_where_any([batch.labels for batch in batches], batches),
            ids=joined_where_any([batch.ids for batch in batches], batches),
            relevant=joined_where_any([batch.relevant for batch in batches], batches),
            query_ids=joined_where_any([batch.query_ids for batch in batches], batches),
            trace_ids=joined_where_any([batch.trace_ids for batch in batches], batches),
            outcomes=None,
            withdrawn=joined_or_zero([batch.withdrawn for batch in batches], batches),
            unknown_labels=0,
            replayed=batches[0].replayed,
        )

    def by_series(self) -> Iterator[tuple[SeriesKey, EventBatch]]:
        """Yield each series of the batch with its events, a batch of that series alone.

        What is of one series before is passed on uncopied.
        """
        if len(self.keys) == 1:
            yield self.keys[0], self
            return
        for position, key in enumerate(self.keys):
            rows = np.flatnonzero(self.key_index == position)
            if rows.size:
                events = self.take(rows)
                events.keys, events.spaces = (key,), (self.spaces[position],)
                events.key_index = np.zeros(rows.size, dtype=np.intp)
                yield key, events
