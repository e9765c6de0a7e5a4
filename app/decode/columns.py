"""Events to columns: the part of decoding that all formats share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.decode.embeddings import embeddings
from app.decode.errors import TooLarge
from app.decode.event import Event, clean_name, error_type, not_negative, refuse, slices, timestamp_seconds, weight
from app.decode.fields import Refusals, Sent, ids, judged, side_by_side, taken
from app.decode.id_rules import event_id, input_hash
from app.decode.identity import series, spaces
from app.decode.inputs import Inputs, hashed
from app.decode.limits import Limits
from app.decode.number_rows import NumberRows, ragged
from app.decode.retrieved import retrieved
from app.decode.scores import listed, plain_cosines, score_rows, similarities
from app.decode.vectors import Vectors
from app.model import (
    METRICS,
    Decoded,
    EventBatch,
    EventError,
    Floats,
    Ragged,
    SimilarityMetric,
)

_METRIC_CODE = {metric: code for code, metric in enumerate(METRICS)}


class _Blank(NamedTuple):
    """Columns of n events that carry nothing, or the usual; shared, hence read-only."""

    position: NDArray[np.intp]
    first: NDArray[np.intp]
    nan: Floats
    one: Floats
    no_metric: NDArray[np.int8]
    cosine: NDArray[np.int8]
    false: NDArray[np.bool_]
    true: NDArray[np.bool_]
    scores: Ragged
    no_vectors: Vectors


@lru_cache(maxsize=32)
def _blank(n: int) -> _Blank:
    # A request of one event would else spend most of its time on making empty arrays.
    blank = _Blank(
        position=np.arange(n),
        first=np.zeros(n, dtype=np.intp),
        nan=np.full(n, math.nan),
        one=np.ones(n),
        no_metric=np.full(n, -1, dtype=np.int8),
        cosine=np.full(n, _METRIC_CODE[SimilarityMetric.COSINE], dtype=np.int8),
        false=np.zeros(n, dtype=np.bool_),
        true=np.ones(n, dtype=np.bool_),
        scores=ragged(np.empty(0), [0] * n),
        no_vectors=Vectors(
            ragged(np.empty(0, dtype=np.float32), [0] * n), np.full(n, math.nan), np.zeros(n, dtype=np.int8)
        ),
    )
    for column in (*blank[:-1], *blank.no_vectors):
        for array in (column.values, column.offsets) if isinstance(column, Ragged) else (column,):
            array.setflags(write=False)
    return blank


def check_count(events: int, limits: Limits) -> None:
    """Raise `TooLarge` for more events than a request may carry."""
    if events > limits.events:
        raise TooLarge(f"more than {limits.events} events; send them in several requests")


def columns(
    events: Sequence[Event], index: Sequence[int] | None, errors: Sequence[EventError], limits: Limits, now: float
) -> Decoded:
    """Judge every event by itself and gather the acceptable ones.

    `index` holds the position of each event in the request, None for 0, 1, 2, ...; `errors` are those found before.
    Linear in the size of the events; what no event carries costs next to nothing.
    """
    return judge(side_by_side(events), len(events), limits, now, index=index, errors=errors)


def judge(
    sent: Sent,
    count: int,
    limits: Limits,
    now: float,
    *,
    index: Sequence[int] | None = None,
    errors: Sequence[EventError] = (),
) -> Decoded:
    """As `columns`, of the fields of so many events side by side."""
    refusals: Refusals = {}
    batch = _batch(sent, count, limits, now, index=index, refusals=refusals)
    if refusals:
        # Again without the bad ones: rare, and simpler than taking them out of sixteen columns.
        positions = range(count) if index is None else index
        errors = [*errors, *(refusal.at(positions[i]) for i, refusal in refusals.items())]
        errors = sorted(errors, key=attrgetter("index"))
        kept = [i for i in range(count) if i not in refusals]
        at = [positions[i] for i in kept]
        batch = _batch(taken(sent, kept), len(kept), limits, now, index=at, refusals={})
    return Decoded(batch, tuple(errors))


def _batch(
    sent: Sent, count: int, limits: Limits, now: float, *, index: Sequence[int] | None, refusals: Refusals
) -> EventBatch:
    blank = _blank(count)
    keys, key_index = series(sent, limits, refusals, blank.first)
    times = judged(sent, "timestamp", lambda value: timestamp_seconds(value, limits, now), now, refusals)
    weights = judged(sent, "sample_rate", weight, 1.0, refusals)
    latency = judged(sent, "latency_seconds", lambda value: not_negative("latency_seconds", value), math.nan, refusals)
    event_ids = ids(sent, "event_id", event_id, refusals)
    inputs, probe = _inputs(sent, limits, refusals)
    labels, unknown_labels = _labels(sent, limits, refusals)
    failures = judged(sent, "error", lambda value: error_type(value, limits), None, refusals)
    vectors = embeddings(sent, limits, refusals, blank.no_vectors)
    scores, metric, results = _scores(sent, limits, refusals, blank)
    query, empty, failed = _told(results, sent.get("result_count"), failures, blank)
    told = retrieved(sent, limits, refusals)
    return EventBatch(
        keys=keys,
        spaces=spaces(sent, keys, key_index, limits, refusals),
        key_index=key_index,
        index=blank.position if index is None else np.array(index, dtype=np.intp),
        timestamp=_all_at(now, count) if times is None else np.array(times, dtype=np.float64),
        weight=blank.one if weights is None else np.array(weights, dtype=np.float64),
        vectors=vectors.rows,
        norm=vectors.norm,
        fault=vectors.fault,
        scores=scores,
        metric=metric,
        query=query,
        empty=empty,
        failed=failed,
        latency_seconds=blank.nan if latency is None else np.array(latency, dtype=np.float64),
        event_ids=event_ids if event_ids and any(event_ids) else None,
        errors=failures if failures and any(failures) else None,
        inputs=inputs,
        probe=probe,
        labels=labels,
        ids=told.ids,
        relevant=told.relevant,
        query_ids=told.query_ids,
        trace_ids=told.trace_ids,
        outcomes=told.outcomes,
        withdrawn=None,
        unknown_labels=unknown_labels,
    )


def _all_at(now: float, n: int) -> Floats:
    times = np.empty(n)
    times.fill(now)  # half the time of np.full
    return times


def _inputs(sent: Sent, limits: Limits, refusals: Refusals) -> Inputs:
    """What was embedded, as keyed hashes, and which events are probes."""
    hashes = ids(sent, "input_hash", input_hash, refusals)
    probes = judged(sent, "probe", lambda text: clean_name("probe", text, limits.label_bytes), None, refusals)
    return hashed(hashes, probes, limits.input_key)


def _labels(sent: Sent, limits: Limits, refusals: Refusals) -> tuple[Sequence[Mapping[str, str] | None] | None, int]:
    """The slice labels of each event, None where no event has one; and how many events carry other labels."""
    if not limits.slice_labels:
        return None, sum(map(bool, sent.get("labels", ())))
    unknown = sum(not labels.keys() <= limits.slice_labels for labels in sent.get("labels", ()) if labels)
    kept = judged(sent, "labels", lambda labels: slices(labels, limits), None, refusals)
    return kept if kept and any(kept) else None, unknown


def _scores(
    sent: Sent, limits: Limits, refusals: Refusals, blank: _Blank
) -> tuple[Ragged, NDArray[np.int8], Sequence[int | None] | None]:
    """Similarities, their metric, and how many scores each event came with (None where it said nothing of them)."""
    rows = score_rows(sent, refusals)
    if rows is None:
        return blank.scores, blank.no_metric, None
    results: list[int | None]
    if isinstance(rows, NumberRows):
        scores = rows.rows
        results = scores.lengths.tolist()
        for i in () if rows.present is None else np.flatnonzero(~rows.present).tolist():
            results[i] = None
    else:
        results = [None if row is None else len(row) for row in rows]
        scores = listed(rows, results)
    if "similarity_metric" not in sent:
        plain = plain_cosines(scores, limits.top_k)
        if plain is not None:
            return plain, blank.cosine, results
    metrics = [SimilarityMetric.COSINE] * len(results)
    if "similarity_metric" in sent:
        metrics = [metric or SimilarityMetric.COSINE for metric in sent["similarity_metric"]]
    found, refused = similarities(scores, metrics)
    if scores.lengths.max(initial=0) > limits.top_k:
        too_long = np.flatnonzero(scores.lengths > limits.top_k).tolist()
        refused |= dict.fromkeys(too_long, refuse("scores", f"must be at most {limits.top_k}: those of the top-k"))
    for i, refusal in refused.items():
        refusals.setdefault(i, refusal)
    if "similarity_metric" not in sent and all(results):
        return found, blank.cosine, results
    codes = [_METRIC_CODE[metric] if length else -1 for metric, length in zip(metrics, results, strict=True)]
    return found, np.array(codes, dtype=np.int8), results


def _told(
    results: Sequence[int | None] | None,
    counts: Sequence[int | None] | None,
    failures: Sequence[str | None] | None,
    blank: _Blank,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which events tell of a retrieval, which of one that found nothing, and which of one that failed."""
    if results is None and counts is None and failures is None:
        return blank.false, blank.false, blank.false
    if results is not None and all(results) and failures is None:
        return blank.true, blank.false, blank.false  # results wherever one looks: nearly all batches
    nothing = (None,) * len(blank.position)
    query, empty, failed = [], [], []
    for scores, count, failure in zip(results or nothing, counts or nothing, failures or nothing, strict=True):
        told = scores is not None or count is not None
        query.append(told or failure is not None)
        # Either of the two tells of results; a failed retrieval tells nothing of what there is.
        empty.append(told and not scores and not count and failure is None)
        failed.append(failure is not None)
    return np.array(query), np.array(empty), np.array(failed)
