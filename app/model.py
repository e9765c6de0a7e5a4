"""Values that every layer shares: series keys, event columns, scores and durations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from hashlib import blake2b
from itertools import chain, repeat
from typing import Final, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)
Value = TypeVar("Value")
Kind = Literal["query", "document", "__other__"]

OTHER: Final = "__other__"
"""The label value of the series that events fold into past a limit; no client may send it."""

UNKNOWN_ERROR = "other"
"""The error type that stands for all past the first `MAX_ERROR_TYPES`."""

MAX_ERROR_TYPES = 32


class SeriesKey(NamedTuple):
    """The identity of a series: whose vectors they are, through which tokenizer, from which side."""

    model: str
    model_version: str
    tokenizer_version: str
    kind: Kind

    @property
    def id(self) -> str:
        """A short name for URLs: the same for the same key, on every replica.

        >>> SeriesKey("e5", "2", "1", "query").id
        '51f942d38af68904'
        """
        return blake2b("\x00".join(self).encode(), digest_size=8).hexdigest()

    @property
    def default_space(self) -> str:
        """The vector space of its vectors where no sender names one: a tokenizer change stays in it.

        >>> SeriesKey("e5", "2", "1", "query").default_space, SeriesKey("e5", "", "1", "query").default_space
        ('e5@2', 'e5')
        """
        # Not a slash, which names of models have themselves.
        return f"{self.model}@{self.model_version}" if self.model_version else self.model


FOLDED = SeriesKey(OTHER, OTHER, OTHER, OTHER)


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


class VectorFault(StrEnum):
    """Why a vector was dropped while the rest of its event was kept."""

    ZERO = "zero"
    NON_FINITE = "non_finite"
    DIMENSION = "dimension"


VECTOR_FAULTS = tuple(VectorFault)
"""`EventBatch.fault` holds 1 + the position in this tuple, 0 where there is none."""


class Reason(StrEnum):
    """Why an event, or a whole request, was refused: the `reason` of embedding_event_failures_total."""

    MALFORMED = "malformed"
    MEDIA_TYPE = "media_type"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    DISCONNECTED = "disconnected"
    FIELD_TYPE = "field_type"
    MISSING_FIELD = "missing_field"
    LABEL = "label"
    TIMESTAMP = "timestamp"
    SAMPLE_RATE = "sample_rate"
    EMBEDDING = "embedding"
    NORM = "norm"
    SCORES = "scores"
    SIMILARITY_METRIC = "similarity_metric"
    IDEMPOTENCY_KEY = "idempotency_key"
    NOT_WRITTEN = "not_written"


class Shed(StrEnum):
    """Which bound a request to ingest met: the `reason` of embedding_exporter_shed_requests_total."""

    REQUESTS = "requests"
    BYTES = "bytes"


class Closed(StrEnum):
    """Why a connection was closed on its client: the `reason` of embedding_exporter_closed_connections_total."""

    CROWDED = "crowded"
    SLOW_REQUEST = "slow_request"
    SLOW_READER = "slow_reader"
    HEAD_TOO_LARGE = "head_too_large"
    MALFORMED = "malformed"
    HANDSHAKE = "handshake"


class Ignored(StrEnum):
    """Why an event, or a part of it, was left out on purpose: the `reason` of embedding_events_ignored_total."""

    DUPLICATE = "duplicate"
    LATE = "late"
    UNKNOWN_LABEL = "unknown_label"


@dataclass(frozen=True, slots=True)
class EventError:
    """One refused event: its position in the request, the field at fault and what would be right.

    `message` never holds any part of the input.
    """

    index: int
    field: str
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Rows of unequal length in one flat array: row i is `values[offsets[i]:offsets[i + 1]]`."""

    values: NDArray[np.float32] | Floats
    offsets: NDArray[np.intp]

    @property
    def lengths(self) -> NDArray[np.intp]:
        """The length of each row, shape (n,)."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def width(self) -> int | None:
        """The length of every row where all have one; None where they differ, or there are no rows."""
        offsets = self.offsets
        if offsets.size < 2:
            return None
        width = int(offsets[1])
        if offsets.size == 2 or offsets[-1] != width * (offsets.size - 1):
            return width if offsets.size == 2 else None
        return None if np.count_nonzero(offsets[1:] - offsets[:-1] != width) else width

    def take(self, rows: NDArray[np.intp]) -> Ragged:
        """The rows named by their positions, copied. Linear in what is taken."""
        lengths = self.lengths[rows]
        offsets = offsets_of(lengths)
        if not self.values.size:
            return Ragged(self.values, offsets)  # also where nothing but the lengths is known
        source = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.values[source], offsets)

    @classmethod
    def concatenate(cls, parts: Sequence[Ragged]) -> Ragged:
        """The rows of all parts, in order."""
        first = parts[0]
        if all(part.offsets is first.offsets for part in parts):
            # Decoders share the offsets of rows of one length: a hundred requests of one event have the same.
            lengths = np.tile(first.lengths, len(parts))
        else:
            lengths = np.concatenate([part.lengths for part in parts])
        return cls(np.concatenate([part.values for part in parts]), offsets_of(lengths))


def offsets_of(lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where rows of these lengths, shape (n,), begin and end; shape (n + 1,).

    >>> offsets_of(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    offsets = np.zeros(lengths.size + 1, np.intp)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


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
    event_ids: Sequence[str | Hashed | None] | None
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
    query_ids: Sequence[str | Hashed | None] | None
    """None where no event of the batch has one."""
    trace_ids: Sequence[str | None] | None
    """None where no event of the batch has one."""
    outcomes: Sequence[Outcome | None] | None
    """What each event said that came of its query; None where no event of the batch said anything."""
    withdrawn: NDArray[np.int64] | None
    """How many of the documents that each event found are withdrawn ones; None where nobody looked."""
    unknown_labels: int
    """How many events carried a label that is no slice label."""
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
            event_ids=_taken(self.event_ids, rows),
            errors=_taken(self.errors, rows),
            inputs=None if self.inputs is None else self.inputs[rows],
            probe=None if self.probe is None else self.probe[rows],
            labels=_taken(self.labels, rows),
            ids=_taken(self.ids, rows),
            relevant=_taken(self.relevant, rows),
            query_ids=_taken(self.query_ids, rows),
            trace_ids=_taken(self.trace_ids, rows),
            outcomes=_taken(self.outcomes, rows),
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
            key_index=_joined([batch.key_index for batch in batches]),
            index=_joined([batch.index for batch in batches]),
            timestamp=_joined([batch.timestamp for batch in batches]),
            weight=_joined([batch.weight for batch in batches]),
            vectors=Ragged.concatenate([batch.vectors for batch in batches]),
            norm=_joined([batch.norm for batch in batches]),
            fault=_joined([batch.fault for batch in batches]),
            scores=Ragged.concatenate([batch.scores for batch in batches]),
            metric=_joined([batch.metric for batch in batches]),
            query=_joined([batch.query for batch in batches]),
            empty=_joined([batch.empty for batch in batches]),
            failed=_joined([batch.failed for batch in batches]),
            latency_seconds=_joined([batch.latency_seconds for batch in batches]),
            event_ids=None,
            errors=_joined_where_any([batch.errors for batch in batches], batches),
            inputs=_joined_or_zero([batch.inputs for batch in batches], batches),
            probe=_joined_or_zero([batch.probe for batch in batches], batches),
            labels=_joined_where_any([batch.labels for batch in batches], batches),
            ids=_joined_where_any([batch.ids for batch in batches], batches),
            relevant=_joined_where_any([batch.relevant for batch in batches], batches),
            query_ids=_joined_where_any([batch.query_ids for batch in batches], batches),
            trace_ids=_joined_where_any([batch.trace_ids for batch in batches], batches),
            outcomes=None,
            withdrawn=_joined_or_zero([batch.withdrawn for batch in batches], batches),
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


def _taken(column: Sequence[Value | None] | None, rows: NDArray[np.intp]) -> Sequence[Value | None] | None:
    return None if column is None else [column[i] for i in rows]


def _joined(columns: list[NDArray[Scalar]]) -> NDArray[Scalar]:
    """One column from several. Decoders share the constant ones of single events: repeated, not read one by one."""
    first = columns[0]
    if len(first) == 1 and all(column is first for column in columns):
        return np.repeat(first, len(columns))
    return np.concatenate(columns)


def _joined_or_zero(columns: Sequence[NDArray[Scalar] | None], batches: Sequence[EventBatch]) -> NDArray[Scalar] | None:
    """One column from several, zeros where a batch has none; None where no batch has one."""
    present = next((column for column in columns if column is not None), None)
    if present is None:
        return None
    return np.concatenate(
        [
            np.zeros(len(batch), present.dtype) if column is None else column
            for column, batch in zip(columns, batches, strict=True)
        ]
    )


def _joined_where_any(
    columns: Sequence[Sequence[Value | None] | None], batches: Sequence[EventBatch]
) -> Sequence[Value | None] | None:
    """One list from several, None for each event of a batch that has none; None where no batch has one."""
    if all(column is None for column in columns):
        return None
    parts = (
        repeat(None, len(batch)) if column is None else column for column, batch in zip(columns, batches, strict=True)
    )
    return list(chain.from_iterable(parts))


def add_in_order(total: float, values: Floats) -> float:
    """A sum and further values, one after the other, shape (n,).

    So it is the same in whatever portions they come: a counter that comes back after a restart an ulp lower than it was
    is read as a reset, and all of it counted again.

    >>> values = np.array([0.1, 0.2, 0.3])
    >>> add_in_order(0.0, values) == add_in_order(add_in_order(0.0, values[:2]), values[2:])
    True
    """
    running = np.empty(values.size + 1)
    running[0], running[1:] = total, values
    return float(np.add.accumulate(running, out=running)[-1])


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a request body held: the acceptable events as columns, and the refused ones."""

    batch: EventBatch
    errors: tuple[EventError, ...]


class Taken(NamedTuple):
    """The accepted events of one series, and how it judges them."""

    key: SeriesKey
    """`FOLDED` where they were folded into that."""
    events: EventBatch
    poor_match_limit: float | None
    """The limit in force as they came."""


@dataclass(slots=True)
class Receipt:
    """What became of a batch in the store."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    folded: int = 0
    errors: list[EventError] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)


class Score(NamedTuple):
    """One statistic of one signal in one window against one baseline."""

    window: str
    baseline: str
    signal: str
    statistic: str
    value: float
    """In the statistic's own unit."""
    limit: float | None
    """The largest value that the baseline's own time blocks make plausible; None where it is not known."""

    @property
    def score(self) -> float | None:
        """Value over limit, at least 0: 1 is the limit. None where there is no limit, or no number."""
        if self.limit is None or not math.isfinite(self.value):
            return None
        return max(self.value / self.limit, 0.0)


class Rung(NamedTuple):
    """One rung of the ladder of panes."""

    pane_seconds: float
    panes: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Every duration of the exporter, in seconds. `scaled` divides them alike.

    Window i is the union of the rungs 0 to i, so the windows are the spans of the first rungs.
    """

    evaluation_seconds: float = 10.0
    rungs: tuple[Rung, ...] = (Rung(10, 30), Rung(300, 12), Rung(3600, 24), Rung(86400, 90))
    windows: Mapping[str, float] = field(default_factory=lambda: {"5m": 300.0, "1h": 3600.0, "24h": 86400.0})
    late_seconds: float = 3600.0
    future_seconds: float = 600.0
    duplicate_seconds: float = 600.0
    series_ttl_seconds: float = 86400.0
    baseline_duration_seconds: float = 86400.0

    def scaled(self, time_scale: float) -> Timing:
        """The same durations, `time_scale` times shorter.

        >>> Timing().scaled(10).windows["5m"]
        30.0
        """
        changes: dict[str, object] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "rungs":
                changes[each.name] = tuple(Rung(rung.pane_seconds / time_scale, rung.panes) for rung in value)
            elif each.name == "windows":
                changes[each.name] = {name: seconds / time_scale for name, seconds in value.items()}
            else:
                changes[each.name] = value / time_scale
        return replace(self, **changes)  # type: ignore[arg-type]
