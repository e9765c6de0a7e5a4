"""Recording rules: thresholds, supported scores and effects, traffic, and the bands that adapt.

Names are level:metric:operations. Levels: `global` (one number), `series` (L of one exporter), `version` (L over
replicas), `model` and `index` (over versions too), `slice`. Labels that users' own targets carry survive: replicas are
aggregated `without (instance, pod)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.drift.gates import GATES
from prometheus.rule import Group, Record
from prometheus.sli import LONG_SLI, SLI
from prometheus.template import SECONDS
from prometheus.thresholds import (
    LIMITS,
    OBJECTIVES,
    PAGE_GATES,
    TICKET_GATES,
    TICKET_WAITS,
    limit,
    number,
    per_second,
    seconds,
)

VERSIONS: Final = "model_version, tokenizer_version"
REPLICAS: Final = "instance, pod"
DRIFT_WINDOWS: Final = {"5m": "5m", "1h": "1h", "24h": "1d"}
"""Window of the exporter -> the same as a range."""
LONE_WINDOWS: Final = tuple(window for window, wait in TICKET_WAITS.items() if seconds(wait) < seconds(window))
"""Nothing confirms what they say before a ticket opens."""


def _thresholds() -> Sequence[Record]:
    gates = [
        Record("global:embedding_effect_gate:value", f"vector({number(value)})", {"effect": effect, "gate": gate})
        for gate, values in (("ticket", TICKET_GATES), ("page", PAGE_GATES))
        for effect, value in values.items()
    ]
    named = {name: limit(name) for name in LIMITS} | {
        f"{name}_budget": number(objective.budget) for name, objective in OBJECTIVES.items()
    }
    limits = [
        Record(
            "global:embedding_threshold:value",
            f"vector(\n  {value}\n)" if value.endswith(SECONDS) else f"vector({value})",
            {"threshold": name},
        )
        for name, value in named.items()
    ]
    return [*gates, *limits]


def _effect(name: str, expr: str) -> Record:
    return Record("series:embedding_effect:abs", expr, {"effect": name})


def _beyond_limit() -> Sequence[Record]:
    """Of each effect the part that counts for a page and for a ticket, as app/drift/gates.py has it."""
    name, effect, score = (
        "series:embedding_effect_beyond_limit:abs",
        "series:embedding_effect:abs",
        "series:embedding_effect_score:max",
    )
    bounds = "|".join(gate.effect for gate in GATES if gate.bound)
    lone = "|".join(LONE_WINDOWS)
    needed = (
        f'(\n      {score}{{window!~"{lone}"}} / {limit("score")}\n'
        f'      or {score}{{window=~"{lone}"}} / {limit("lone_score")}\n    )'
    )
    return [
        Record(name, f"{effect}\n  * clamp_min(1 - {limit('lone_score')} / {score}, 0)", {"gate": "page"}),
        Record(
            name,
            f'(\n  {effect}{{effect!~"{bounds}"}}\n    * clamp_min(1 - 1 / {needed}, 0)\n)\nor\n'
            f'(\n  {effect}{{effect=~"{bounds}"}}\n    * ({needed} > bool 1)\n)',
            {"gate": "ticket"},
        ),
        Record(
            "series:embedding_effect_over_gate:max",
            f"max without (effect) (\n  {name}\n    / on (effect, gate) group_left ()\n"
            "      sum by (effect, gate) (global:embedding_effect_gate:value)\n)",
        ),
    ]


def _invalid_share(window: str, duration: str) -> str:
    """From counters, for every score of the window; absent where too few vectors were offered."""
    least = per_second(LIMITS["window_events"] / seconds(duration))
    return (
        f'0 * max without (signal, statistic) (embedding_drift_score{{window="{window}", statistic="invalid"}})\n'
        "  + ignoring (window, baseline) group_left ()\n"
        f"    avg_over_time(series:embedding_invalid_vectors:rate5m[{duration}])\n"
        f"      / (avg_over_time(series:embedding_offered_vectors:rate5m[{duration}]) >= {least}\n        )"
    )


def _scores() -> Sequence[Record]:
    invalid = "sum without (reason) (rate(embedding_invalid_vectors_total[5m]))"
    return [
        Record("series:embedding_invalid_vectors:rate5m", f"{invalid}\nor\n0 * rate(embedding_vectors_total[5m])"),
        Record(
            "series:embedding_offered_vectors:rate5m",
            "series:embedding_invalid_vectors:rate5m + rate(embedding_vectors_total[5m])",
        ),
        # A window of nothing but invalid vectors has no events: their share is gated by counters, below.
        Record(
            "series:embedding_drift_score:supported",
            '(\n  embedding_drift_score{statistic!~"invalid|query_document"}\n'
            f"  and ignoring (baseline, statistic) (embedding_window_events >= {limit('window_events')})\n)\n"
            'or\nembedding_drift_score{statistic="invalid"}',
        ),
        Record(
            "series:embedding_drift_score:max",
            "max without (signal, statistic) (series:embedding_drift_score:supported)",
        ),
        _effect("changed_share_lower_bound", "embedding_changed_share_lower_bound"),
        # Noise is taken off it: below 0 nothing has moved.
        _effect("mean_displacement", "clamp_min(embedding_mean_displacement, 0)"),
        _effect("variance_log_ratio", "abs(embedding_variance_log_ratio)"),
        _effect("norm_change_ratio", "abs(embedding_norm_change_ratio)"),
        _effect(
            "same_input_changed_ratio",
            '0 * max without (signal, statistic) (embedding_drift_score{statistic="same_input"})\n'
            "  + ignoring (baseline) group_left ()\n"
            "    (embedding_same_input_changed_ratio and embedding_same_input_matches "
            f">= {limit('same_input_matches')})",
        ),
        _effect(
            "invalid_share",
            "\nor\n".join(_invalid_share(window, duration) for window, duration in DRIFT_WINDOWS.items()),
        ),
        *(
            Record(
                "series:embedding_effect_score:max",
                "max without (signal, statistic) "
                f'(series:embedding_drift_score:supported{{statistic=~"{"|".join(gate.statistics)}"}})',
                {"effect": gate.effect},
            )
            for gate in GATES
        ),
        *_beyond_limit(),
    ]


def _traffic() -> Sequence[Record]:
    rollouts = f"max without (status, {VERSIONS}, {REPLICAS}) (embedding_deployment_timestamp_seconds"
    started, ended = f'{rollouts}{{status="started"}})', f'{rollouts}{{status!="started"}})'
    return [
        Record("model:embedding_maintenance:max", f"max without ({REPLICAS}) (embedding_maintenance)"),
        Record(
            "version:embedding_events:rate15m",
            f'sum without ({REPLICAS}) (rate(embedding_events_total{{model!="__other__"}}[15m]))',
        ),
        Record(
            "version:embedding_events_per_model:ratio_rate15m",
            "version:embedding_events:rate15m\n"
            f"  / ignoring ({VERSIONS}) group_left ()\n"
            f"    (sum without ({VERSIONS}) (version:embedding_events:rate15m) > 0)",
        ),
        Record(
            "version:embedding_queries:increase1h", f"sum without ({REPLICAS}) (increase(embedding_queries_total[1h]))"
        ),
        Record(
            "model:embedding_events:increase1h",
            f"sum without ({REPLICAS}, {VERSIONS}) "
            '(increase(embedding_events_total{kind="query", model!="__other__"}[1h]))',
        ),
        # Started later than anything of its track ended, and not too long ago.
        Record(
            "model:embedding_rollout_in_progress:max",
            f"max without (track) (\n  {started}\n    > (\n      {ended}\n      or\n      0 * {started}\n    )\n"
            f") > time() - {limit('rollout_seconds')}",
        ),
        Record(
            "slice:embedding_poor_match_per_query:ratio_rate1h",
            f"sum without ({REPLICAS}) (rate(embedding_slice_poor_match_queries_total[1h]))\n"
            f"  / (sum without ({REPLICAS}) (rate(embedding_slice_queries_total[1h])) > 0)",
        ),
        Record(
            "model:embedding_poor_match_per_query:ratio_rate1h",
            f"sum without ({VERSIONS}) (avg_over_time(version:embedding_poor_match_queries:rate5m[1h]))\n"
            f"  / (sum without ({VERSIONS}) (avg_over_time(version:embedding_judged_queries:rate5m[1h])) > 0)",
        ),
    ]


def _bands() -> Sequence[Record]:
    median = "version:embedding_top1_similarity:p50_rate1h"
    latency = "model:embedding_query_latency_seconds:p95_rate1h"
    return [
        # Quantiles of summed buckets, so that replicas count by their traffic; the comparison leaves out NaN.
        Record(
            median,
            f"histogram_quantile(0.5, sum without ({REPLICAS}) (rate(embedding_top1_similarity_bucket[1h]))) >= -1",
        ),
        # The last hour is left out, or a drop would be its own normal.
        Record("version:embedding_top1_similarity:median1d", f"quantile_over_time(0.5, {median}[1d] offset 1h)"),
        Record(
            "version:embedding_top1_similarity:abs_deviation",
            f"abs({median} - version:embedding_top1_similarity:median1d)",
        ),
        Record(
            "version:embedding_top1_similarity:mad1d",
            "quantile_over_time(0.5, version:embedding_top1_similarity:abs_deviation[1d] offset 1h)",
        ),
        # 1.4826 turns a median absolute deviation into a standard deviation of normal values. Without a floor,
        # a constant series would have a band of no width. Only where there is a day to know.
        Record(
            "version:embedding_top1_similarity:lower_band",
            "version:embedding_top1_similarity:median1d\n"
            f"  - clamp_min({limit('band_deviations')} * 1.4826 * version:embedding_top1_similarity:mad1d, "
            f"{limit('band_floor_similarity')})\n"
            f"and ({median} offset 1d)",
        ),
        Record(
            latency,
            f"histogram_quantile(0.95, sum without ({REPLICAS}, {VERSIONS}) "
            "(rate(embedding_query_latency_seconds_bucket[1h]))) >= 0",
        ),
        Record("model:embedding_query_latency_seconds:median7d", f"quantile_over_time(0.5, {latency}[7d] offset 1h)"),
        Record(
            "model:embedding_query_latency_seconds:upper_band",
            f"(\n  {limit('latency_factor')} * model:embedding_query_latency_seconds:median7d\n"
            f"    > model:embedding_query_latency_seconds:median7d + {limit('latency_floor_seconds')}\n"
            f"  or\n  model:embedding_query_latency_seconds:median7d + {limit('latency_floor_seconds')}\n)\n"
            f"and ({latency} offset 1d)",
        ),
    ]


def _long() -> Sequence[Record]:
    deployments = "model:embedding_canary_deployments:increase1h"
    recall = "embedding_recall_at_10_per_labelled_query"
    # The last six hours are left out, or a drop would be its own normal.
    found, labelled = (
        f"sum without ({VERSIONS}) (avg_over_time(version:embedding_{side}:rate5m[7d] offset 6h))"
        for side in ("recall_at_10", "labelled_queries")
    )
    return [
        Record(
            "version:embedding_queries:increase1d", f"sum without ({REPLICAS}) (increase(embedding_queries_total[1d]))"
        ),
        Record(
            f"model:{recall}:ratio_rate7d",
            f"{found}\n  / (\n    {labelled} > 0\n  )",
        ),
        Record(
            deployments,
            f'sum without ({REPLICAS}, track) (increase(embedding_deployments_total{{track="canary"}}[1h]))',
        ),
        # A step as long as the range of the increase: each deployment is in one of them, whatever the interval.
        Record("model:embedding_canary_deployments:increase30d", f"sum_over_time({deployments}[30d:1h])"),
    ]


RECORDING: Final[Sequence[Group]] = (
    Group("embedding-drift-thresholds.rules", _thresholds()),
    Group("embedding-drift-scores.rules", _scores(), "30s"),
    Group("embedding-drift-sli.rules", SLI, "1m"),
    Group("embedding-drift-traffic.rules", _traffic(), "1m"),
    Group("embedding-drift-bands.rules", _bands(), "1m"),
    Group("embedding-drift-long.rules", [*_long(), *LONG_SLI], "2m"),
)
