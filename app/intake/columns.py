"""A batch of events as columns of bytes, without its vectors and ids: what a journal keeps of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.decode.id_digests import apart
from app.model import EventBatch, Outcome, Ragged, SeriesKey

Scalar = TypeVar("Scalar", bound=np.generic)

_TRISTATE: dict[bool | None, int] = {None: 0, False: 1, True: 2}
_SAID: tuple[bool | None, ...] = (None, False, True)

Label = Mapping[str, str] | None


class Columns(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Each column of an `EventBatch`, by the same name; arrays as their bytes, little-endian."""

    keys: list[SeriesKey]
    spaces: list[str]
    key_index: bytes
    index: bytes
    timestamp: bytes
    weight: bytes
    vector_offsets: bytes
    """Where each vector would begin: their lengths without their numbers."""
    norm: bytes
    fault: bytes
    scores: bytes
    score_offsets: bytes
    metric: bytes
    query: bytes
    empty: bytes
    failed: bytes
    latency_seconds: bytes
    unknown_labels: int
    event_ids: bytes | None = None
    """Their digests."""
    query_ids: bytes | None = None
    """Their digests."""
    inputs: bytes | None = None
    probe: bytes | None = None
    withdrawn: bytes | None = None
    errors: list[str | None] | None = None
    labels: list[dict[str, str] | None] | None = None
    outcomes: list[int | None] | None = None
    """Each in base 3: not said, no, yes."""
    ids: list[list[int] | None] | None = None
    """Of labelled queries alone. Numbers that stand for the documents of this batch, here and in `relevant`."""
    relevant: list[dict[str | int, float] | None] | None = None


def pack_batch(batch: EventBatch) -> Columns:
    """The columns of a batch whose ids are digests already.

    Trace ids are left out: an exemplar is replaced by the next request. 10 us.
    """
    ids, relevant = _labelled(batch)
    return Columns(
        keys=list(batch.keys),
        spaces=list(batch.spaces),
        key_index=batch.key_index.tobytes(),
        index=batch.index.tobytes(),
        timestamp=batch.timestamp.tobytes(),
        weight=batch.weight.tobytes(),
        vector_offsets=batch.vectors.offsets.tobytes(),
        norm=batch.norm.tobytes(),
        fault=batch.fault.tobytes(),
        scores=batch.scores.values.tobytes(),
        score_offsets=batch.scores.offsets.tobytes(),
        metric=batch.metric.tobytes(),
        query=batch.query.tobytes(),
        empty=batch.empty.tobytes(),
        failed=batch.failed.tobytes(),
        latency_seconds=batch.latency_seconds.tobytes(),
        unknown_labels=batch.unknown_labels,
        event_ids=None if batch.event_digests is None else b"".join(batch.event_digests),
        query_ids=None if batch.query_digests is None else b"".join(batch.query_digests),
        inputs=None if batch.inputs is None else batch.inputs.tobytes(),
        probe=None if batch.probe is None else batch.probe.tobytes(),
        withdrawn=None if batch.withdrawn is None else batch.withdrawn.tobytes(),
        errors=None if batch.errors is None else list(batch.errors),
        labels=None if batch.labels is None else [None if each is None else dict(each) for each in batch.labels],
        outcomes=None if batch.outcomes is None else [_number(each) for each in batch.outcomes],
        ids=ids,
        relevant=relevant,
    )


def unpack_batch(columns: Columns) -> EventBatch:
    """The batch of these columns, `replayed`. 15 us.

    Raises ValueError where they do not fit each other.
    """
    offsets = _array(columns.vector_offsets, np.intp)
    timestamp = _array(columns.timestamp, np.float64)
    batch = EventBatch(
        keys=tuple(columns.keys),
        spaces=tuple(columns.spaces),
        key_index=_array(columns.key_index, np.intp),
        index=_array(columns.index, np.intp),
        timestamp=timestamp,
        weight=_array(columns.weight, np.float64),
        vectors=Ragged(np.empty(0, np.float32), offsets),
        norm=_array(columns.norm, np.float64),
        fault=_array(columns.fault, np.int8),
        scores=Ragged(_array(columns.scores, np.float64), _array(columns.score_offsets, np.intp)),
        metric=_array(columns.metric, np.int8),
        query=_array(columns.query, np.bool_),
        empty=_array(columns.empty, np.bool_),
        failed=_array(columns.failed, np.bool_),
        latency_seconds=_array(columns.latency_seconds, np.float64),
        event_ids=None,
        errors=columns.errors,
        inputs=None if columns.inputs is None else _array(columns.inputs, np.uint64),
        probe=None if columns.probe is None else _array(columns.probe, np.bool_),
        labels=columns.labels,
        ids=columns.ids,
        relevant=columns.relevant,
        query_ids=None,
        trace_ids=None,
        outcomes=None if columns.outcomes is None else [_outcome(each) for each in columns.outcomes],
        withdrawn=None if columns.withdrawn is None else _array(columns.withdrawn, np.int64),
        unknown_labels=columns.unknown_labels,
        event_digests=None if columns.event_ids is None else apart(columns.event_ids),
        query_digests=None if columns.query_ids is None else apart(columns.query_ids),
        replayed=True,
    )
    if {len(each) for each in (timestamp, batch.weight, batch.norm, batch.metric, offsets[1:])} != {len(batch)}:
        raise ValueError("columns of unequal length")
    return batch


def _array(data: bytes, dtype: type[Scalar]) -> NDArray[Scalar]:
    return np.frombuffer(data, dtype)


def _number(outcome: Outcome | None) -> int | None:
    if outcome is None:
        return None
    number = 0
    for each in outcome:
        number = 3 * number + _TRISTATE[each]
    return number


def _outcome(number: int | None) -> Outcome | None:
    if number is None:
        return None
    digits = [number // 3**place % 3 for place in reversed(range(len(Outcome._fields)))]
    return Outcome(*(_SAID[each] for each in digits))


def _labelled(batch: EventBatch) -> tuple[list[list[int] | None] | None, list[dict[str | int, float] | None] | None]:
    """Results and relevant documents of the labelled queries, each document as a number of its own.

    Whether an event told ids stays known: withdrawn documents are counted from the first that did.
    """
    if batch.ids is None and batch.relevant is None:
        return None, None
    numbers: dict[str, int] = {}

    def number(documents: Iterable[Any]) -> list[int]:
        # An id 7 is the id "7".
        return [numbers.setdefault(str(each), len(numbers)) for each in documents]

    n = len(batch)
    labels = batch.relevant or [None] * n
    relevant = [None if not each else _highest(number(each), each.values()) for each in labels]
    if batch.ids is None:
        return None, relevant
    told = zip(batch.ids, labels, strict=True)
    ids = [number(each) if each is not None and labelled else None for each, labelled in told]
    return ids, relevant if batch.relevant is not None else None


def _highest(documents: Sequence[int], grades: Iterable[float]) -> dict[str | int, float]:
    """What a document that is told twice, as 7 and as "7", is graded."""
    found: dict[str | int, float] = {}
    for document, grade in zip(documents, grades, strict=True):
        found[document] = max(grade, found.get(document, grade))
    return found
