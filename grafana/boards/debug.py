"""Debug: every signal and statistic by itself, for who looks for the cause."""

from __future__ import annotations

from typing import Final

from grafana.boards.debug_drift import EFFECTS, SAME_INPUT, SCORES, STATISTICS, largest
from grafana.boards.shared import PLACE_COLUMNS, STATES
from grafana.dashboard import EVERY_MARK, Dashboard, Row
from grafana.panel import Column, heatmap, table, time_series, timeline
from grafana.query import BASELINE, FROZEN, HOUR, NAMED, SERIES, WINDOW, Query, of, quantile, rate, threshold
from prometheus.thresholds import LIMITS

_VECTORS: Final = (
    time_series(
        "Norms by version",
        "5 %, 50 % and 95 % of the vectors in the window are shorter. Normalised vectors have three lines at 1; lines "
        "that part are vectors of two kinds under one version.",
        Query(of("embedding_norm_quantile", WINDOW), f"{{{{q}}}}, {NAMED} {{{{instance}}}}"),
        soft=(0.9, 1.1),
        many=True,
        width=12,
    ),
    heatmap(
        "Norms",
        "Lengths of all chosen versions' vectors. A second band is a second way of making vectors.",
        Query(f"sum by (le) (increase({of('embedding_norm_bucket')}[$__rate_interval]))", "{{le}}", "heatmap"),
    ),
    time_series(
        "Invalid vectors",
        "Share of the vectors offered that were left out, by reason.",
        Query(
            f"{rate('embedding_invalid_vectors_total', by='model, model_version, reason')} / on (model, model_version) "
            f"group_left () (sum by (model, model_version) (rate({of('embedding_vectors_total')}[$__rate_interval])) + "
            f"sum by (model, model_version) (rate({of('embedding_invalid_vectors_total')}[$__rate_interval])) > 0)",
            "{{model}} {{model_version}} {{reason}}",
        ),
        unit="percentunit",
        bounds=(0, None),
        width=12,
    ),
    time_series(
        "Events in the window",
        "What scores and quantiles rest on, by signal. Below the dashed line rules take no notice of a score.",
        Query(
            largest("embedding_window_events", WINDOW, by=f"{SERIES}, signal"),
            f"{{{{signal}}}}, {NAMED}",
        ),
        Query(threshold("window_events"), "limit", is_limit=True),
        many=True,
        width=12,
        unit="short",
        bounds=(0, None),
    ),
    table(
        "Vectors of each series",
        "Dimension and similarity metric as the events have them. Two dimensions of one model are two models.",
        Query(largest("embedding_model_info", by=f"{SERIES}, dimension, similarity_metric")),
        hidden=("Value",),
        columns=PLACE_COLUMNS,
        width=24,
        height=5,
    ),
)

_RANKS: Final = (
    time_series(
        "Similarity by rank, median",
        "The best result beside the results of all ranks. All ranks falling while the best stays is an index of two "
        "kinds of vectors.",
        Query(
            quantile(0.5, "embedding_top1_similarity", by="model, model_version"), "{{model}} {{model_version}}, best"
        ),
        Query(
            quantile(0.5, "embedding_result_similarity", by="model, model_version"),
            "{{model}} {{model_version}}, all ranks",
        ),
    ),
    heatmap(
        "Similarity of all results",
        "All chosen versions together. Two humps are two kinds of documents, or of queries.",
        Query(
            f"sum by (le) (increase({of('embedding_result_similarity_bucket')}[$__rate_interval]))", "{{le}}", "heatmap"
        ),
        width=8,
    ),
    time_series(
        "Queries against documents",
        "Score of the change of the way from queries to documents: above 1 one side is embedded or preprocessed "
        "otherwise than the other. The side whose own score moved, above, is the one that changed.",
        Query(
            largest("embedding_drift_score", WINDOW, BASELINE, statistic="query_document", by=f"{SERIES}, baseline"),
            f"{NAMED}, {{{{baseline}}}}",
        ),
        Query(threshold("score"), "limit", is_limit=True),
    ),
)

_RESULTS: Final = (
    time_series(
        "Distinct queries and results",
        "How many different inputs came and how many different documents were found in the last hour. Results falling "
        "while queries stay is an index that lost documents, or a few that answer everything.",
        Query(largest("embedding_distinct_queries", HOUR), "{{model}} {{model_version}} queries"),
        Query(largest("embedding_distinct_results", HOUR), "{{model}} {{model_version}} results"),
        unit="short",
        bounds=(0, None),
        width=6,
    ),
    time_series(
        "Hubs",
        "Share of the results that the ten most frequent documents take. A rise is hubs: a few documents that are "
        "close to everything.",
        Query(largest("embedding_top_documents_share", HOUR), NAMED),
        unit="percentunit",
        bounds=(0, 1),
        width=6,
    ),
    time_series(
        "Overlap of results with the baseline",
        "Share of the documents found that the baseline found, too. A step down is a new index or a new ranking.",
        Query(largest("embedding_result_overlap_ratio", HOUR), NAMED),
        unit="percentunit",
        bounds=(0, 1),
        width=6,
    ),
    time_series(
        "Withdrawn documents that were found",
        "Results per second that name a document which was withdrawn: it should have been gone. 0 is right.",
        Query(rate("embedding_withdrawn_results_total", by=SERIES), NAMED),
        unit="eps",
        bounds=(0, None),
        width=6,
    ),
)

_SLICES: Final = (
    time_series(
        "Poor matches by slice",
        "Share of poor matches of each label value, over an hour. A slice above twice its model's is a ticket.",
        Query(of("slice:embedding_poor_match_per_query:ratio_rate1h"), "{{model}} {{slice_label}}={{slice_value}}"),
        Query(of("model:embedding_poor_match_per_query:ratio_rate1h", kind="query"), "{{model}}, all", is_limit=True),
        unit="percentunit",
        bounds=(0, None),
        width=6,
    ),
    time_series(
        "Traffic by slice",
        "Events per second of each label value. A new one that takes traffic explains new content.",
        Query(
            rate("embedding_slice_events_total", by="model, slice_label, slice_value"),
            "{{model}} {{slice_label}}={{slice_value}}",
        ),
        unit="eps",
        bounds=(0, None),
        width=6,
    ),
    time_series(
        "Similarity by slice, median",
        "Of the best result, over the last one to two hours.",
        Query(of("embedding_slice_top1_similarity_median"), "{{model}} {{slice_label}}={{slice_value}} {{instance}}"),
        width=6,
    ),
    time_series(
        "Out of distribution by slice, excess",
        "Share of the slice's vectors that are unusual for the baseline, less what is usual: which slice is new.",
        Query(
            largest("embedding_slice_ood_excess_ratio", by="model, kind, slice_label, slice_value"),
            "{{model}} {{slice_label}}={{slice_value}}",
        ),
        unit="percentunit",
        width=6,
    ),
)

_BASELINES: Final = (
    timeline(
        "State of every baseline",
        "learning has no scores, provisional opens tickets only, final pages. Trailing ones are provisional while they "
        "cover too few of their days.",
        Query(
            f"{largest('embedding_baseline_state', state='provisional', by=f'{SERIES}, baseline')} + "
            f"2 * {largest('embedding_baseline_state', state='final', by=f'{SERIES}, baseline')}",
            f"{NAMED}, {{{{baseline}}}}",
        ),
        mappings=STATES,
    ),
    time_series(
        "Events of baselines",
        "What each was made from; while it is learned, so far. A line that stands still below the exporter's "
        "baseline_min_events is a series with too little traffic.",
        Query(largest("embedding_baseline_events", by=f"{SERIES}, baseline"), f"{NAMED}, {{{{baseline}}}}"),
        unit="short",
        bounds=(0, None),
        width=12,
        height=7,
    ),
    table(
        "Baselines",
        "Where each is from, since when, and the series that it is where that is another one. Above 90 days it says "
        "little of today.",
        Query(f"time() - {largest('embedding_baseline_created_timestamp_seconds', FROZEN, by=f'{SERIES}, baseline')}"),
        Query(
            largest(
                "embedding_baseline_info", by=f"{SERIES}, baseline, origin, peer_model_version, peer_tokenizer_version"
            )
        ),
        hidden=("Value #B",),
        renamed={
            "Value #A": "age",
            "peer_model_version": "peer's version",
            "peer_tokenizer_version": "peer's tokenizer",
        },
        columns=[*PLACE_COLUMNS, Column("age", "s", limits=(("orange", LIMITS["baseline_age_seconds"]),))],
        width=24,
    ),
)

DEBUG: Final = Dashboard(
    "debug",
    "Embedding drift / Debug",
    "Every signal by itself, for who looks for the cause: scores, effects, statistics, vectors, known inputs, "
    "similarities, results, slices, baselines. Choose one model and version.",
    (
        Row("Scores", SCORES),
        Row("Effects", EFFECTS),
        Row("Statistics", STATISTICS),
        Row("Vectors", _VECTORS),
        Row("Same input", SAME_INPUT),
        Row("Similarity by rank", _RANKS),
        Row("Results", _RESULTS),
        Row("Slices", _SLICES),
        Row("Baselines", _BASELINES),
    ),
    EVERY_MARK,
)
