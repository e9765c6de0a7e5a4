"""Families about what a series counted: live, as of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from app.metrics.family import SERIES_LABELS, Family, Kind, Reading, Source, TracedCounts, Value, single
from app.model import FOLDED, UNKNOWN_ERROR
from app.series import Totals
from app.signals import BUCKETED_SIGNALS


def _family(name: str, kind: Kind, text: str, *labels: str) -> Family:
    return Family(f"embedding_{name}", kind, (*SERIES_LABELS, *labels), text)


def _invalid_vectors(totals: Totals) -> Iterable[Reading]:
    return [((fault,), count) for fault, count in totals.invalid_vectors.items()]


def _failed_queries(totals: Totals) -> Iterable[Reading]:
    # There from the start at 0: queries less failed queries would otherwise be nothing while all is well.
    counts = {UNKNOWN_ERROR: 0, **totals.failed_queries}
    return [((error,), counts[error]) for error in sorted(counts)]


COUNTERS: Final[tuple[Source[Totals], ...]] = (
    Source(
        _family("events_total", "counter", "Events accepted, probes among them."), single(lambda totals: totals.events)
    ),
    Source(
        _family(
            "represented_events_total",
            "counter",
            "Events of the whole traffic that the accepted ones stand for: each counts 1 / sample_rate.",
        ),
        single(lambda totals: totals.represented_events),
    ),
    Source(
        _family("vectors_total", "counter", "Valid vectors among the accepted events."),
        single(lambda totals: totals.vectors),
    ),
    Source(
        _family(
            "invalid_vectors_total",
            "counter",
            "Vectors left out while the rest of their event was kept: all zeros, with NaN or infinity, or of another "
            "dimension than the series. The share of invalid vectors is this over itself plus embedding_vectors_total.",
            "reason",
        ),
        _invalid_vectors,
    ),
    Source(
        _family(
            "queries_total",
            "counter",
            "Accepted events that tell of a retrieval: they carry scores, a result count or an error.",
        ),
        single(lambda totals: totals.queries),
    ),
    Source(
        _family(
            "failed_queries_total",
            "counter",
            "Queries that failed, by type of error; past 32 types the rest is other. embedding_queries_total has them "
            "too.",
            "error",
        ),
        _failed_queries,
    ),
    Source(
        _family("empty_result_queries_total", "counter", "Queries that succeeded and found nothing."),
        single(lambda totals: totals.empty_queries),
    ),
    Source(
        _family(
            "poor_match_queries_total",
            "counter",
            "Queries that did not fail and whose best similarity was below embedding_poor_match_limit, or that found "
            "nothing. The poor match ratio is the rate of this over that of queries less failed queries. Absent until "
            "there is a limit.",
        ),
        single(lambda totals: totals.poor_match_queries),
    ),
    Source(
        _family(
            "poor_match_limit",
            "gauge",
            "Similarity of the best result below which a match is poor: the pinned baseline's 5 % quantile, or the "
            "setting poor_match_similarity.",
        ),
        single(lambda totals: totals.poor_match_limit),
    ),
    Source(
        _family(
            "withdrawn_results_total",
            "counter",
            "Documents among the results that POST /v1/lifecycle had named as withdrawn. Absent until a query tells "
            "the ids of its results.",
        ),
        single(lambda totals: totals.withdrawn_results),
    ),
)

_UNSUMMED: Final = 'without _sum and _count, since similarities may be negative: the bucket le="+Inf" counts all'
_HISTOGRAM_HELP: Final = {
    "norm": "L2 norms of vectors, as sent or computed. Cumulative: use rate() or increase().",
    "top1_similarity": "Similarity of the best result of each query. Cumulative: use rate() or increase(); "
    f"{_UNSUMMED} queries with scores.",
    "result_similarity": "Similarities of the results of all ranks. Cumulative: use rate() or increase(); "
    f"{_UNSUMMED} results.",
    "query_latency_seconds": "Latency of queries in seconds, as reported by the sender. Cumulative: use rate() or "
    "increase().",
}


def _buckets(signal: str) -> Callable[[Totals], Value]:
    if signal == "top1_similarity":
        return _traced_similarity
    return lambda totals: totals.buckets.get(signal)


def _traced_similarity(totals: Totals) -> Value:
    counts = totals.buckets.get("top1_similarity")
    return counts if counts is None else TracedCounts(counts, totals.traced.exemplars)


HISTOGRAMS: Final[tuple[Source[Totals], ...]] = tuple(
    Source(_family(signal.name, "histogram", _HISTOGRAM_HELP[signal.name]), single(_buckets(signal.name)))
    for signal in BUCKETED_SIGNALS
)


def _model_info(totals: Totals) -> Iterable[Reading]:
    # The series that others fold into has many models: totals only.
    if totals.key == FOLDED:
        return []
    dimension = "" if totals.dimension is None else str(totals.dimension)
    return [((dimension, totals.similarity_metric or ""), 1)]


FACTS: Final[tuple[Source[Totals], ...]] = (
    Source(
        _family(
            "model_info",
            "gauge",
            "Always 1: the dimension of the vectors and the similarity metric of the scores, empty while not known.",
            "dimension",
            "similarity_metric",
        ),
        _model_info,
    ),
    Source(
        _family(
            "version_first_seen_timestamp_seconds",
            "gauge",
            "Unix time at which the series began: the first event of these versions, or the first after it was idle "
            "for series_ttl_seconds.",
        ),
        single(lambda totals: None if totals.key == FOLDED else totals.first_seen),
    ),
    Source(
        _family("last_event_timestamp_seconds", "gauge", "Unix time of the latest event."),
        single(lambda totals: totals.last_event),
    ),
)

TRAFFIC: Final = (*COUNTERS, *HISTOGRAMS, *FACTS)
