"""On-call: what is wrong, since when, how badly, and what was deployed just before."""

from __future__ import annotations

from typing import Final

from grafana.boards.on_call_symptoms import STATE, SYMPTOMS
from grafana.boards.shared import (
    LEAST_SCORE,
    PLACE_COLUMNS,
    POOR,
    READINESS,
    STATES,
    deployments,
    drift_scores,
    effects_over_gate,
    traffic_by_version,
)
from grafana.dashboard import EVERY_MARK, Dashboard, Row
from grafana.panel import Column, heatmap, table, time_series, timeline
from grafana.query import (
    BASELINE,
    NAMED,
    QUERIES,
    SERIES,
    VERSION,
    WINDOW,
    Query,
    gate,
    of,
    quantile,
    rate,
    threshold,
)

_CANARY: Final = "embedding_canary_result"

_SIMILARITY: Final = (
    time_series(
        "Similarity of the best result, median",
        "Half of the last hour's queries had a better best result. The dashed line is the lower band, made from the "
        "last day: a fall below it is a stale index, another model, or other questions.",
        Query(of("version:embedding_top1_similarity:p50_rate1h", QUERIES), VERSION),
        Query(of("version:embedding_top1_similarity:lower_band", QUERIES), f"{VERSION}, band", is_limit=True),
    ),
    time_series(
        "Similarity of the best result, tail",
        "5 % of the queries in the window had a worse best result. The dashed line is the limit of a poor match. A "
        "tail that falls alone is a part of the traffic: a locale, a topic, a part of the index.",
        Query(of("embedding_top1_similarity_quantile", WINDOW, q="0.05"), f"{NAMED} {{{{instance}}}}"),
        Query(f"min by ({SERIES}) ({of('embedding_poor_match_limit')})", f"{VERSION}, limit", is_limit=True),
    ),
    time_series(
        "Divergence of similarities from the baseline",
        "Kullback-Leibler divergence of the best results' similarities from the baseline's, what sampling adds taken "
        "off. About 0 is no change of shape; above the dashed line the distribution looks different.",
        Query(
            f"max by ({SERIES}, baseline) ({of('embedding_similarity_kl_nats', WINDOW, BASELINE)})",
            f"{NAMED}, {{{{baseline}}}}",
        ),
        Query(threshold("similarity_kl_nats"), "limit", is_limit=True),
    ),
    heatmap(
        "Similarity of the best result",
        "All chosen models and versions together; choose one above to see it alone. A second hump below the first is a "
        "part of the traffic that is answered badly, a shift of the whole a change of the model or the index.",
        Query(
            f"sum by (le) (increase({of('embedding_top1_similarity_bucket')}[$__rate_interval]))", "{{le}}", "heatmap"
        ),
    ),
    heatmap(
        "Similarity of all results",
        "As beside, with the results of all ranks: a partly re-embedded index shows here first, while the best result "
        "still looks well.",
        Query(
            f"sum by (le) (increase({of('embedding_result_similarity_bucket')}[$__rate_interval]))", "{{le}}", "heatmap"
        ),
    ),
)

_DRIFT: Final = (
    drift_scores(),
    effects_over_gate(),
    time_series(
        "Scores by statistic",
        "The same scores, each by itself, the largest over series: mean_shift and novelty are new vectors, norm their "
        "lengths, spread a collapse, top1 similarities, same_input a changed model.",
        Query(
            f"max by (signal, statistic) ({of('embedding_drift_score', WINDOW, BASELINE)})", "{{signal}} {{statistic}}"
        ),
        Query(threshold("score"), "limit", is_limit=True),
        log=True,
        bounds=(LEAST_SCORE, None),
    ),
    time_series(
        "Vectors unlike any of the baseline",
        "At least this share of the window's vectors is unlike anything in the baseline. The dashed line is a page.",
        Query(
            f"max by ({SERIES}) ({of('embedding_changed_share_lower_bound', WINDOW, BASELINE)})",
            NAMED,
        ),
        Query(gate("changed_share_lower_bound", "page"), "page", is_limit=True),
        unit="percentunit",
        bounds=(0, None),
    ),
    time_series(
        "Known inputs with another vector",
        "Share of the inputs that the baseline knows and that now give another vector. Traffic cannot move this: a "
        "step up is a changed model, tokenizer or preprocessing, at that very moment.",
        Query(f"max by ({SERIES}) ({of('embedding_same_input_changed_ratio', WINDOW)})", NAMED),
        Query(gate("same_input_changed_ratio", "page"), "page", is_limit=True),
        unit="percentunit",
        bounds=(0, 1),
    ),
    time_series(
        "Change of the norm",
        "Mean length of the vectors over the baseline's, less 1. A jump to another constant is a lost or a new "
        "normalisation; the dashed lines are a page.",
        Query(f"max by ({SERIES}) ({of('embedding_norm_change_ratio', WINDOW, BASELINE)})", NAMED),
        Query(gate("norm_change_ratio", "page"), "page", is_limit=True),
        Query(f"-{gate('norm_change_ratio', 'page')}", "page, below", is_limit=True),
        unit="percentunit",
    ),
    time_series(
        "Invalid vectors",
        "Vectors that were left out, per second, by reason: zero, not finite, or of another dimension. One reason from "
        "one moment on is a deployment or a new type of content.",
        Query(
            rate("embedding_invalid_vectors_total", by="model, model_version, reason"),
            "{{model}} {{model_version}} {{reason}}",
        ),
        unit="eps",
        bounds=(0, None),
    ),
    timeline(
        "State of baselines",
        "What windows are held against: nothing while it is learned, tickets only while provisional, pages once final.",
        Query(READINESS, NAMED),
        mappings=STATES,
        width=8,
        height=8,
    ),
)

_VERSIONS: Final = (
    traffic_by_version(),
    deployments(),
    timeline(
        "Canary",
        "Whether each version may take over from the one beside it, as GET /v1/compare has it, which also says which "
        "comparison failed and by how much.",
        Query(
            f"2 * max by (model, model_version, tokenizer_version) ({of(_CANARY, result='pass')}) + "
            f"max by (model, model_version, tokenizer_version) ({of(_CANARY, result='inconclusive')})",
            VERSION,
        ),
        mappings={0: ("fail", "red"), 1: ("inconclusive", "blue"), 2: ("pass", "green")},
        height=8,
    ),
    table(
        "Worst slices",
        "The ten slices with the largest share of poor matches in the last hour, beside the share of their model. More "
        "than twice their model's is a ticket.",
        Query(f"topk(10, {of('slice:embedding_poor_match_per_query:ratio_rate1h')})"),
        renamed={"Value": "poor matches"},
        columns=[Column("poor matches", "percentunit", limits=POOR, decimals=1), *PLACE_COLUMNS],
        order=("slice_label", "slice_value", "Value", "model", "kind"),
        sort="poor matches",
    ),
)

_INDEX: Final = (
    time_series(
        "Documents indexed in time",
        "Share of the documents that were findable within the freshness limit. 0 is a pipeline that stands; a slow "
        "fall is one that lags.",
        Query(of("index:embedding_documents_fresh_per_settled:ratio_rate6h"), "{{model}} {{index}}, 6h"),
        Query(of("index:embedding_documents_fresh_per_settled:ratio_rate30m"), "{{model}} {{index}}, 30m"),
        Query(threshold("fresh_ratio"), "limit", is_limit=True),
        unit="percentunit",
        bounds=(None, 1),
    ),
    time_series(
        "Lag of documents, p95",
        "95 % of the documents were findable within this time after they came in. The dashed line is the freshness "
        "limit.",
        Query(quantile(0.95, "embedding_document_lag_seconds", by="model, index"), "{{model}} {{index}}"),
        Query(f"max({of('embedding_freshness_limit_seconds')})", "limit", is_limit=True),
        unit="s",
        bounds=(0, None),
    ),
    time_series(
        "Reindexes in progress",
        "How far each reindex is, as it told. A line that stands still is a job that died; the yellow marks are the "
        "starts.",
        Query(f"max by (model, index) ({of('embedding_reindex_progress_ratio')})", "{{model}} {{index}}"),
        unit="percentunit",
        bounds=(0, 1),
    ),
)

ON_CALL: Final = Dashboard(
    "on-call",
    "Embedding drift / On-call",
    "Symptom first: the state of each series, then what users see, then similarities, then what drifted, then versions "
    "and the index. Blue marks are deployments, at their exact time.",
    (
        Row("State", STATE),
        Row("Symptoms", SYMPTOMS),
        Row("Similarity", _SIMILARITY),
        Row("Drift", _DRIFT),
        Row("Versions and slices", _VERSIONS),
        Row("Index", _INDEX),
    ),
    EVERY_MARK,
)
