"""Executive: whether users are served well, and what changed when they were not."""

from __future__ import annotations

from typing import Final

from grafana.boards.shared import (
    POOR,
    SCORE,
    deployments,
    drift_scores,
    effects_over_gate,
    outcomes,
    traffic_by_version,
)
from grafana.dashboard import EVERY_MARK, Dashboard, Row
from grafana.panel import BELOW, stat, time_series
from grafana.query import FROZEN, HOUR, OURS, QUERIES, VERSION, Query, of, rate, share, threshold
from prometheus.thresholds import LIMITS

_RECALL: Final = share(
    "version:embedding_recall_at_10:rate5m", "version:embedding_labelled_queries:rate5m", "1d", by="model"
)
_FAILED: Final = share("version:embedding_failed_queries:rate5m", "version:embedding_queries:rate5m", "1h", by="model")
_SUCCESS: Final = share(
    "version:embedding_outcomes_true:rate5m", "version:embedding_outcomes:rate5m", "1d", by="model", outcome="success"
)
_BY_MODEL: Final = "{{model}}"

EXECUTIVE: Final = Dashboard(
    "executive",
    "Embedding drift / Executive",
    "How well search serves its users, whether the embeddings behind it have drifted, and what was deployed. From top "
    "to bottom: how it is, what users got, drift, versions.",
    (
        Row(
            "How it is",
            (
                stat(
                    "Poor matches, last hour",
                    "Share of queries with a poor best result or none. Green is within the budget, orange uses it up, "
                    "red pages.",
                    Query(of("model:embedding_poor_match_per_query:ratio_rate1h", QUERIES), _BY_MODEL),
                    unit="percentunit",
                    limits=POOR,
                ),
                stat(
                    "Failed queries, last hour",
                    "Share of queries that ended with an error. Orange is above the limit of the error rate.",
                    Query(_FAILED, _BY_MODEL),
                    unit="percentunit",
                    limits=(("orange", LIMITS["error_ratio"]),),
                ),
                stat(
                    "Recall at 10, last day",
                    "Of the documents that are right for labelled queries, the share among the first ten results. "
                    "Orange is below the least that is accepted. None where no query comes with its right answers.",
                    Query(_RECALL, _BY_MODEL),
                    unit="percentunit",
                    limits=(("orange", BELOW), ("green", LIMITS["recall_minimum"])),
                    none="no labelled queries",
                ),
                stat(
                    "Success, last day",
                    "Share of the answers that were a success for who asked, where that is known. Compare a "
                    "model with itself. None where no outcome named success is sent.",
                    Query(_SUCCESS, _BY_MODEL),
                    unit="percentunit",
                    none="no outcomes",
                ),
                stat(
                    "Drift score, last hour",
                    "The largest score of a model against its own frozen baseline: above 1, in orange, something "
                    "changed.",
                    Query(f"max by (model) ({of('series:embedding_drift_score:max', HOUR, FROZEN)})", _BY_MODEL),
                    limits=SCORE,
                    none="no baseline yet",
                ),
                stat(
                    "Pages",
                    "Alerts that somebody has been woken by and that still hold. On-call has them by name.",
                    Query(
                        f"count({of('ALERTS', OURS, alertstate='firing', severity='critical')}) or vector(0)",
                        "firing",
                    ),
                    unit="short",
                    limits=(("red", 1),),
                ),
            ),
        ),
        Row(
            "What users got",
            (
                time_series(
                    "Poor matches",
                    "Share of the queries of each model whose best result is poor, over an hour. The dashed line is "
                    "the budget; above it users notice.",
                    Query(of("model:embedding_poor_match_per_query:ratio_rate1h", QUERIES), _BY_MODEL),
                    Query(threshold("poor_match_budget"), "budget", is_limit=True),
                    unit="percentunit",
                    bounds=(0, 1),
                    width=12,
                ),
                time_series(
                    "Recall at 10",
                    "Of labelled queries, over six hours, by version. The dashed line is the least that is accepted; "
                    "five points below the last week is a ticket before that.",
                    Query(of("version:embedding_recall_at_10_per_labelled_query:ratio_rate6h"), VERSION),
                    Query(threshold("recall_minimum"), "limit", is_limit=True),
                    unit="percentunit",
                    bounds=(0, 1),
                    width=12,
                ),
                outcomes("6h", 24, many=True),
            ),
        ),
        Row("Drift", (drift_scores(), effects_over_gate())),
        Row(
            "Versions, deployments and the index",
            (
                traffic_by_version(),
                deployments(),
                time_series(
                    "Queries",
                    "Queries per second of each model. A fall without a reason elsewhere is a client that went away.",
                    Query(rate("embedding_queries_total", by="model"), _BY_MODEL),
                    unit="reqps",
                    bounds=(0, None),
                ),
                time_series(
                    "Canaries rolled back",
                    "Share of the canary deployments of the last 30 days that were rolled back. The dashed line is the "
                    "target.",
                    Query(
                        "sum by (model) "
                        f"({of('model:embedding_canary_deployments:increase30d', result='rolled_back')})"
                        f" / (sum by (model) ({of('model:embedding_canary_deployments:increase30d')}) > 0)",
                        _BY_MODEL,
                    ),
                    Query(threshold("rollback_ratio"), "limit", is_limit=True),
                    unit="percentunit",
                    bounds=(0, 1),
                ),
                time_series(
                    "Documents indexed in time",
                    "Share of the documents that were findable within the freshness limit, over a day. Below the "
                    "dashed line users search an index of yesterday.",
                    Query(of("index:embedding_documents_fresh_per_settled:ratio_rate1d"), "{{model}} {{index}}"),
                    Query(threshold("fresh_ratio"), "limit", is_limit=True),
                    unit="percentunit",
                    bounds=(None, 1),
                ),
            ),
        ),
    ),
    EVERY_MARK,
    time="now-7d",
)
