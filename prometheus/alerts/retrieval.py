"""Retrieval: what users notice, and what a labelled query tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from prometheus.alerts.alert import VALUE, WHO, Alert
from prometheus.thresholds import LIMITS, OBJECTIVES, in_seconds, limit, number


class _Symptom(NamedTuple):
    """An objective, what its ratio is called, and how it is told."""

    objective: str
    alert: str
    ratio: str
    bad_total: str
    summary: str
    bad: str


_SYMPTOMS: Final = (
    _Symptom(
        "poor_match",
        "EmbeddingDriftPoorMatchBurn",
        "version:embedding_poor_match_per_query",
        "embedding_poor_match_queries_total",
        "Too many queries find nothing that matches well.",
        "found nothing above the poor match limit",
    ),
    _Symptom(
        "empty_result",
        "EmbeddingDriftEmptyResultBurn",
        "version:embedding_empty_result_per_query",
        "embedding_empty_result_queries_total",
        "Too many queries find nothing at all.",
        "found nothing at all",
    ),
)


_SILENCE: Final = (
    "time() - max without (instance, pod, model_version, tokenizer_version)\n"
    '    (max_over_time(embedding_last_event_timestamp_seconds{kind="query", model!="__other__"}[6h]))'
)
_USUAL: Final = (
    "\n    model:embedding_events:increase1h offset 1d\n    or max_over_time(model:embedding_events:increase1h[6h])\n  "
)
"""Events an hour: as yesterday at this hour, or lately where there is no yesterday."""


def _burns() -> Iterator[Alert]:
    for symptom in _SYMPTOMS:
        objective = OBJECTIVES[symptom.objective]
        for burn in objective.burns:
            bar = number(burn.factor * objective.budget)
            period, enough = "1h", ""
            if burn.severity != "critical":
                bad = f"sum without (instance, pod) (increase({symptom.bad_total}[1d]))"
                period, enough = "1d", f"\n  and {bad} >= {limit('bad_queries')}"
            yield Alert(
                symptom.alert,
                "critical" if burn.severity == "critical" else "warning",
                burn.wait,
                f"  {symptom.ratio}:ratio_rate{burn.long} > {bar}\n"
                f"  and {symptom.ratio}:ratio_rate{burn.short} > {bar}\n"
                f"  and version:embedding_queries:increase{period} >= {limit('queries')}{enough}",
                symptom.summary,
                f"{{{{ $value | humanizePercentage }}}} of the queries of {WHO} in the last {burn.long} {symptom.bad}, "
                f"and more than {number(100 * burn.factor * objective.budget)} % in the last {burn.short}: "
                f"{number(burn.factor)} times the budget of {number(100 * objective.budget)} %.",
                {"long": burn.long, "short": burn.short},
            )


def _recall() -> Iterator[Alert]:
    ratio = "embedding_recall_at_10_per_labelled_query"
    enough = (
        f"  and avg_over_time(version:embedding_labelled_queries:rate5m[6h]) * {in_seconds(21600)}\n"
        f"    >= {limit('recall_queries')}"
    )
    summary = "Labelled queries find fewer of their relevant documents."
    week = (
        f"  version:{ratio}:ratio_rate6h\n"
        "    < ignoring (model_version, tokenizer_version) group_left ()\n"
        f"      (model:{ratio}:ratio_rate7d - {limit('recall_drop')})\n{enough}"
    )
    drop = f"more than {number(100 * LIMITS['recall_drop'])} points below the model's last seven days"
    minimum = f"  version:{ratio}:ratio_rate6h < {limit('recall_minimum')}\n{enough}"
    low = f"below the minimum of {number(100 * LIMITS['recall_minimum'])} %"
    for against, expr, text in (("week", week, drop), ("minimum", minimum, low)):
        yield Alert(
            "EmbeddingDriftRecallLow",
            "warning",
            "30m",
            expr,
            summary,
            f"Recall at 10 of {WHO} in the last 6h is {{{{ $value | humanizePercentage }}}}, {text}.",
            {"against": against},
        )


RETRIEVAL: Final[Sequence[Alert]] = (
    *_burns(),
    Alert(
        "EmbeddingDriftErrorRate",
        "warning",
        "10m",
        f"  version:embedding_failed_per_query:ratio_rate1h > {limit('error_ratio')}\n"
        f"  and version:embedding_failed_per_query:ratio_rate5m > {limit('error_ratio')}\n"
        f"  and version:embedding_queries:increase1h >= {limit('queries')}\n"
        "  and version:embedding_failed_per_query:ratio_rate1h * version:embedding_queries:increase1h\n"
        f"    >= {limit('failed_queries')}",
        "Queries of a version fail.",
        f"{{{{ $value | humanizePercentage }}}} of the queries of {WHO} failed in the last hour; "
        f"the target is {number(100 * LIMITS['error_ratio'])} %.",
    ),
    *_recall(),
    Alert(
        "EmbeddingDriftSimilarityBelowBand",
        "warning",
        "30m",
        "  version:embedding_top1_similarity:p50_rate1h < version:embedding_top1_similarity:lower_band\n"
        f"  and version:embedding_queries:increase1h >= {limit('band_queries')}",
        "The median similarity of best results fell out of its daily band.",
        f"The median top-1 similarity of {WHO} in the last hour is {VALUE}, below what the last "
        "day allows for. The band follows: see what the pinned baseline says before it forgives.",
        quiet="65m",
    ),
    Alert(
        "EmbeddingDriftLatency",
        "warning",
        "15m",
        "  model:embedding_query_latency_seconds:p95_rate1h > model:embedding_query_latency_seconds:upper_band\n"
        "  and sum without (model_version, tokenizer_version) (version:embedding_queries:increase1h) "
        f">= {limit('band_queries')}",
        "Queries are much slower than in the last week.",
        "The 95th percentile of query latency of {{ $labels.model }} in the last hour is "
        "{{ $value | humanizeDuration }}, more than "
        f"{limit('latency_factor')} times the median of the last seven days.",
        quiet="65m",
    ),
    Alert(
        "EmbeddingDriftSliceDegraded",
        "warning",
        "30m",
        f"  slice:embedding_poor_match_per_query:ratio_rate1h > {limit('slice_poor_match_ratio')}\n"
        "  and slice:embedding_poor_match_per_query:ratio_rate1h\n"
        "    > ignoring (slice_label, slice_value) group_left ()\n"
        f"      ({limit('slice_factor')} * model:embedding_poor_match_per_query:ratio_rate1h)\n"
        "  and sum without (instance, pod) (increase(embedding_slice_queries_total[1h])) "
        f">= {limit('slice_queries')}",
        "One slice of the traffic matches far worse than the rest.",
        "{{ $value | humanizePercentage }} of the queries of {{ $labels.model }} with {{ $labels.slice_label }}="
        "{{ $labels.slice_value }} matched poorly in the last hour, more than "
        f"{limit('slice_factor')} times the share of the model as a whole.",
        quiet="65m",
    ),
    Alert(
        "EmbeddingDriftIndexStale",
        "warning",
        "15m",
        f"  index:embedding_documents_fresh_per_settled:ratio_rate6h < {limit('fresh_ratio')}\n"
        f"  and index:embedding_documents_fresh_per_settled:ratio_rate30m < {limit('fresh_ratio')}\n"
        f"  and avg_over_time(index:embedding_documents_settled:rate5m[6h]) * {in_seconds(21600)}\n"
        f"    >= {limit('fresh_documents')}",
        "New documents are not indexed in time.",
        "Only {{ $value | humanizePercentage }} of the documents for {{ $labels.index }} of {{ $labels.model }} in the "
        f"last 6h were indexed in time; the target is {number(100 * LIMITS['fresh_ratio'])} %.",
    ),
    Alert(
        "EmbeddingDriftReindexOverdue",
        "warning",
        "5m",
        "  time() - max without (instance, pod) (embedding_reindex_started_timestamp_seconds) "
        f"> {limit('reindex_seconds')}\n"
        "  and max without (instance, pod) (embedding_reindex_in_progress) > 0",
        "A reindex runs longer than its window.",
        "The reindex of {{ $labels.index }} of {{ $labels.model }} has been running for "
        "{{ $value | humanizeDuration }}.",
    ),
    Alert(
        "EmbeddingDriftSilent",
        "critical",
        "5m",
        f"  {_SILENCE} > {limit('silent_seconds')}\n"
        # Not by the clock alone: a hundred events an hour are some thirty sessions, by night or at the first weekend
        # ten, and now and then none of them comes for a quarter of an hour. Nor where it was silent a week ago, too.
        f"  and ({_SILENCE})\n    * ({_USUAL}) >= {limit('silent_events')} * 3600 # seconds\n"
        f"  and ({_USUAL}) >= {limit('silent_events')}\n"
        f"  unless (model:embedding_events:increase1h offset 1w < {limit('silent_events')})\n"
        f"  and on (job, namespace) (up == 1)",
        "A monitored model sends nothing.",
        "No event of {{ $labels.model }} for {{ $value | humanizeDuration }}, at an hour at which it has traffic. "
        "Its service is down, or it has lost the exporter.",
    ),
)
