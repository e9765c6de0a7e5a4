"""When alerts of retrieval fire, and when they must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from prometheus.scenarios.scenario import INDEX, MODEL, VERSION, Scenario, Values
from prometheus.thresholds import seconds

NAN: Final = "NaN+0xN"
_QUERIES: Final = "embedding_queries_total"
_FAILED: Final = 'embedding_failed_queries_total{error="timeout"}'


def _burn(kind: str, bad: int, of: int, long: str, short: str, *, times: tuple[str, str], description: str) -> Scenario:
    metric = f"embedding_{kind}_queries_total"
    name = {"poor_match": "EmbeddingDriftPoorMatchBurn", "empty_result": "EmbeddingDriftEmptyResultBurn"}[kind]
    fires, not_yet = times
    severity: Literal["critical", "warning"] = "critical" if long in {"1h", "6h"} else "warning"
    silent: dict[str, Values] = {
        "too_few_queries": {metric: f"0+{bad / 1000:g}xN", _QUERIES: f"0+{of / 1000:g}xN"},
        "within_budget": {metric: "0+1xN"},
        "all_else_failed": {metric: "0+1xN", _FAILED: f"0+{of - 20}xN"},
        "nan": {metric: NAN},
        "absent": {metric: None},
        "restarted": {metric: "5000+1x5 0+1xN", _QUERIES: f"9000+{of}x5 0+{of}xN"},
    }
    if severity == "warning":
        # An increase is that of a little longer than what was seen.
        few = 45 * 60 / seconds(fires)
        silent["too_few_bad_ones"] = {metric: f"0+{few:g}xN", _QUERIES: f"0+{few * of / bad:g}xN"}
    return Scenario(
        name,
        severity,
        {metric: f"0+{bad}xN", _QUERIES: f"0+{of}xN"},
        fires,
        not_yet,
        description,
        about=VERSION,
        labels={"long": long, "short": short},
        silent=silent,
    )


_WHO: Final = "fires 1 (tokenizer 1)"
_POOR: Final = "found nothing above the poor match limit"
_BURNS: Final = (
    _burn(
        "poor_match",
        60,
        100,
        "1h",
        "5m",
        times=("6m", "2m"),
        description=f"60% of the queries of {_WHO} in the last 1h {_POOR}, and more than 50 % in the last 5m: 5 times "
        "the budget of 10 %.",
    ),
    _burn(
        "poor_match",
        40,
        100,
        "6h",
        "30m",
        times=("20m", "14m"),
        description=f"40% of the queries of {_WHO} in the last 6h {_POOR}, and more than 30 % in the last 30m: 3 times "
        "the budget of 10 %.",
    ),
    _burn(
        "poor_match",
        25,
        100,
        "1d",
        "2h",
        times=("65m", "59m"),
        description=f"25% of the queries of {_WHO} in the last 1d {_POOR}, and more than 20 % in the last 2h: 2 times "
        "the budget of 10 %.",
    ),
    _burn(
        "poor_match",
        15,
        100,
        "3d",
        "6h",
        times=("195m", "179m"),
        description=f"15% of the queries of {_WHO} in the last 3d {_POOR}, and more than 10 % in the last 6h: 1 times "
        "the budget of 10 %.",
    ),
    _burn(
        "empty_result",
        60,
        100,
        "1h",
        "5m",
        times=("6m", "2m"),
        description=f"60% of the queries of {_WHO} in the last 1h found nothing at all, and more than 50 % in the last "
        "5m: 10 times the budget of 5 %.",
    ),
    _burn(
        "empty_result",
        40,
        100,
        "6h",
        "30m",
        times=("20m", "14m"),
        description=f"40% of the queries of {_WHO} in the last 6h found nothing at all, and more than 30 % in the last "
        "30m: 6 times the budget of 5 %.",
    ),
    _burn(
        "empty_result",
        25,
        100,
        "1d",
        "2h",
        times=("65m", "59m"),
        description=f"25% of the queries of {_WHO} in the last 1d found nothing at all, and more than 10 % in the last "
        "2h: 2 times the budget of 5 %.",
    ),
    _burn(
        "empty_result",
        8,
        100,
        "3d",
        "6h",
        times=("195m", "179m"),
        description=f"8% of the queries of {_WHO} in the last 3d found nothing at all, and more than 5 % in the last "
        "6h: 1 times the budget of 5 %.",
    ),
)

_RECALL: Final = 'embedding_recall_total{k="10"}'
_LABELLED: Final = "embedding_labelled_queries_total"
_SLICE: Final = 'embedding_slice_queries_total{slice_label="locale",slice_value="de"}'
_SLICE_POOR: Final = 'embedding_slice_poor_match_queries_total{slice_label="locale",slice_value="de"}'
_FRESH: Final = 'embedding_documents_fresh_total{index="docs"}'
_LATE: Final = 'embedding_documents_late_total{index="docs"}'
_STARTED: Final = 'embedding_reindex_started_timestamp_seconds{index="docs"}'
_RUNNING: Final = 'embedding_reindex_in_progress{index="docs"}'
_LAST: Final = "embedding_last_event_timestamp_seconds"
_EVENTS: Final = "embedding_events_total"

RETRIEVAL: Final[Sequence[Scenario]] = (
    *_BURNS,
    Scenario(
        "EmbeddingDriftErrorRate",
        "warning",
        {_QUERIES: "0+100xN", _FAILED: "0+5xN"},
        "14m",
        "10m",
        f"5% of the queries of {_WHO} failed in the last hour; the target is 2 %.",
        about=VERSION,
        silent={
            "too_few_queries": {_QUERIES: "0+1xN", _FAILED: "0+0.5xN"},
            # Nine failures of 180 are 5 %, and may be chance.
            "too_few_failures": {_QUERIES: "0+12xN", _FAILED: "0+0.6xN"},
            "on_target": {_FAILED: "0+2xN"},
            "over_now": {_FAILED: "0+50x4 200+0xN"},
            "nan": {_FAILED: NAN},
            "absent": {_FAILED: None},
            "restarted": {_QUERIES: "9000+100x5 0+100xN", _FAILED: "900+1x5 0+1xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftRecallLow",
        "warning",
        {_LABELLED: "0+10xN", _RECALL: "0+2xN"},
        "34m",
        "30m",
        f"Recall at 10 of {_WHO} in the last 6h is 20%, below the minimum of 25 %.",
        about=VERSION,
        labels={"against": "minimum"},
        silent={
            "too_few_queries": {_LABELLED: "0+0.5xN", _RECALL: "0+0.1xN"},
            "as_it_should": {_RECALL: "0+8xN"},
            "nan": {_RECALL: NAN},
            "absent": {_RECALL: None},
            "restarted": {_LABELLED: "900+10x5 0+10xN", _RECALL: "800+8x5 0+8xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftSliceDegraded",
        "warning",
        {
            _SLICE: "0+10xN",
            _SLICE_POOR: "0+4xN",
            _QUERIES: "0+100xN",
            "embedding_poor_match_queries_total": "0+8xN",
        },
        "45m",
        "38m",
        "40% of the queries of fires with locale=de matched poorly in the last hour, more than 2 times the share of "
        "the model as a whole.",
        about=MODEL,
        labels={"slice_label": "locale", "slice_value": "de"},
        silent={
            "too_few_queries": {_SLICE: "0+1xN", _SLICE_POOR: "0+0.5xN"},
            "as_bad_as_all": {"embedding_poor_match_queries_total": "0+30xN"},
            "not_bad": {_SLICE_POOR: "0+1xN"},
            "nan": {_SLICE_POOR: NAN},
            "absent": {_SLICE_POOR: None},
            "restarted": {_SLICE: "900+10x15 0+10xN", _SLICE_POOR: "800+0x15 0+0xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftIndexStale",
        "warning",
        {_FRESH: "0+9xN", _LATE: "0+1xN"},
        "19m",
        "15m",
        "Only 90% of the documents for docs of fires in the last 6h were indexed in time; the target is 99 %.",
        about=INDEX,
        labels={"index": "docs"},
        silent={
            "too_few_documents": {_FRESH: "0+0.18xN", _LATE: "0+0.02xN"},
            "on_target": {_LATE: "0+0.05xN"},
            "nan": {_LATE: NAN},
            "absent": {_LATE: None},
            "restarted": {_FRESH: "900+9x5 0+9xN", _LATE: "900+0x5 0+0xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftReindexOverdue",
        "warning",
        {_STARTED: "-22000+0xN", _RUNNING: "1+0xN"},
        "6m",
        "4m",
        "The reindex of docs of fires has been running for 6h 12m 40s.",
        about=INDEX,
        labels={"index": "docs"},
        silent={
            "in_its_window": {_STARTED: "-20000+0xN"},
            "finished": {_RUNNING: "0+0xN"},
            "nan": {_STARTED: NAN},
            "absent": {_STARTED: None},
        },
    ),
    Scenario(
        "EmbeddingDriftSilent",
        "critical",
        {_EVENTS: "0+10x60 600+0xN", _LAST: "0+60x60 3600+0xN", "up": "1+0xN"},
        "82m",
        "79m",
        "No event of fires for 22m 0s, at an hour at which it has traffic. Its service is down, or it has lost the "
        "exporter.",
        about=MODEL,
        silent={
            "too_few_events": {_EVENTS: "0+1x60 60+0xN"},
            "as_long_as_few_events_pause": {_EVENTS: "0+2x60 120+0xN"},
            "sending": {_EVENTS: "0+10xN", _LAST: "0+60xN"},
            "nan": {_LAST: NAN},
            "absent": {_LAST: None},
            "restarted": {_EVENTS: "9000+10x60 0+10xN", _LAST: "0+60xN"},
            "another_version_answers": {
                'embedding_last_event_timestamp_seconds{model_version="2"}': "0+60xN",
            },
        },
    ),
)


def _buckets(metric: str, at: Mapping[str, str]) -> dict[str, str | None]:
    return {f'{metric}_bucket{{le="{bound}"}}': values for bound, values in at.items()}


def _again(metric: str, *bounds: str) -> dict[str, str | None]:
    """Buckets that begin again at 0 where the others change."""
    return _buckets(metric, dict.fromkeys(bounds, f"0+20x{_DAY} 0+20xN"))


_DAY: Final = 1500
"""Minutes of history, a little more than the day that bands want."""

_TOP1: Final = "embedding_top1_similarity"
_LATENCY: Final = "embedding_query_latency_seconds"
_FELL: Final = _buckets(
    _TOP1,
    {
        "0.5": "0+0xN",
        "0.6": f"0+0x{_DAY} 0+20xN",
        "0.7": f"0+0x{_DAY} 0+20xN",
        "0.8": "0+20xN",
        "+Inf": "0+20xN",
    },
)
_STEADY: Final = _buckets(_TOP1, {"0.6": "0+0xN", "0.7": "0+0xN"})
_SLOWED: Final = _buckets(
    _LATENCY,
    {"0.05": "0+0xN", "0.1": f"0+20x{_DAY} {20 * _DAY}+0xN", "0.5": f"0+20x{_DAY} {20 * _DAY}+0xN", "1.0": "0+20xN"}
    | {"+Inf": "0+20xN"},
)
_SWIFT: Final = _buckets(_LATENCY, {"0.1": "0+20xN", "0.5": "0+20xN"})

LONG: Final[Sequence[Scenario]] = (
    Scenario(
        "EmbeddingDriftSimilarityBelowBand",
        "warning",
        dict(_FELL) | {_QUERIES: "0+20xN"},
        f"{_DAY + 75}m",
        f"{_DAY + 45}m",
        f"The median top-1 similarity of {_WHO} in the last hour is 0.55, below what the last day allows for. The band "
        "follows: see what the pinned baseline says before it forgives.",
        about=VERSION,
        silent={
            "too_few_queries": {_QUERIES: "0+3xN"},
            "steady": _STEADY,
            "without_a_day": dict.fromkeys(_FELL, f"_x{_DAY - 60} 0+20xN"),
            "nan": dict.fromkeys(_FELL, NAN),
            "absent": dict.fromkeys(_FELL),
            "restarted": dict(_STEADY) | _again(_TOP1, "0.8", "+Inf"),
        },
    ),
    Scenario(
        "EmbeddingDriftLatency",
        "warning",
        dict(_SLOWED) | {_QUERIES: "0+20xN"},
        f"{_DAY + 75}m",
        f"{_DAY + 5}m",
        "The 95th percentile of query latency of fires in the last hour is 975ms, more than 2 times the median of the "
        "last seven days.",
        about=MODEL,
        silent={
            "too_few_queries": {_QUERIES: "0+3xN"},
            "steady": _SWIFT,
            "nan": dict.fromkeys(_SLOWED, NAN),
            "absent": dict.fromkeys(_SLOWED),
            "restarted": _again(_LATENCY, "0.1", "0.5", "1.0", "+Inf"),
        },
    ),
    Scenario(
        "EmbeddingDriftRecallLow",
        "warning",
        {_LABELLED: "0+10xN", _RECALL: "0+9x480 4320+7xN"},
        "720m",
        "540m",
        f"Recall at 10 of {_WHO} in the last 6h is 76.66%, more than 5 points below the model's last seven days.",
        about=VERSION,
        labels={"against": "week"},
        silent={
            "too_few_queries": {_LABELLED: "0+0.5xN", _RECALL: "0+0.45x480 216+0.35xN"},
            "as_ever": {_RECALL: "0+9xN"},
            "nan": {_RECALL: NAN},
            "absent": {_RECALL: None},
            "restarted": {_LABELLED: "0+10x480 0+10xN", _RECALL: "0+9x480 0+9xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftSilent",
        "critical",
        {_EVENTS: f"0+10x{_DAY} {10 * _DAY}+0xN", _LAST: f"0+60x{_DAY} {60 * _DAY}+0xN", "up": "1+0xN"},
        f"{_DAY + 30}m",
        f"{_DAY + 15}m",
        "No event of fires for 30m 0s, at an hour at which it has traffic. Its service is down, or it has lost the "
        "exporter.",
        about=MODEL,
        silent={
            "too_few_events_yesterday_at_this_hour": {_EVENTS: f"0+0x240 0+10x{_DAY - 241} {10 * _DAY - 2410}+0xN"},
            "sending": {_EVENTS: "0+10xN", _LAST: "0+60xN"},
            "nan": {_LAST: NAN},
            "absent": {_LAST: None},
            "restarted": {_EVENTS: f"0+10x{_DAY} 0+10xN", _LAST: "0+60xN"},
        },
    ),
)
