"""On-call, its first rows: the state of each series, and what users see."""

from __future__ import annotations

from typing import Final

from grafana.boards.shared import (
    FINAL,
    MAX_SCORE,
    OVER_GATE,
    OVER_PAGE,
    PLACE_COLUMNS,
    POOR,
    READINESS,
    SCORE,
    STATES,
    alerts,
    poor_matches,
)
from grafana.panel import Column, Panel, stat, table, time_series
from grafana.query import (
    BASELINE,
    NAMED,
    OURS,
    QUERIES,
    SERIES,
    VERSION,
    WINDOW,
    Query,
    of,
    quantile,
    rate,
    threshold,
)
from prometheus.thresholds import LIMITS, OBJECTIVES

_POOR: Final = "version:embedding_poor_match_per_query:ratio_rate"
_KEPT_APART: Final = 'model!="__other__"'
_SILENT: Final = f"time() - max by ({SERIES}) ({of('embedding_last_event_timestamp_seconds', _KEPT_APART)})"


def _firing(severity: str) -> Query:
    selected = of("ALERTS", OURS, alertstate="firing", severity=severity)
    return Query(f"count({selected}) or vector(0)", "firing")


STATE: Final = (
    stat(
        "Pages",
        "Alerts of severity critical that fire now; the table below names them.",
        _firing("critical"),
        unit="short",
        limits=(("red", 1),),
    ),
    stat(
        "Tickets",
        "Alerts of severity warning that fire now. They can wait for the morning.",
        _firing("warning"),
        unit="short",
        limits=(("orange", 1),),
    ),
    stat(
        "Worst poor matches, 5m",
        "The version with the largest share of poor matches in the last five minutes. Orange uses up the budget; red "
        "pages if it lasts.",
        Query(f"max({of(f'{_POOR}5m', QUERIES)})", "worst"),
        unit="percentunit",
        limits=POOR,
    ),
    stat(
        "Largest drift score",
        "Of all series, in the chosen window against the chosen baseline. Above 1 something changed.",
        Query(f"max({of('series:embedding_drift_score:max', WINDOW, BASELINE)})", "largest"),
        limits=SCORE,
    ),
    stat(
        "Baselines not final",
        "Series whose own baseline is still learned: they are not paged for.",
        Query(f"count({FINAL} == 0) or vector(0)", "not final"),
        unit="short",
        limits=(("blue", 1),),
    ),
    stat(
        "Models in maintenance",
        "Maintenance is announced: alerts about these models are silent until it ends or expires.",
        Query(f"sum({of('model:embedding_maintenance:max')}) or vector(0)", "announced"),
        unit="short",
        limits=(("blue", 1),),
    ),
    table(
        "Series",
        "One row for each series, the worst first: start here. A score above 1 says that something changed, the effect "
        "how much (1 is a page), poor matches whether users notice. A model's name leads to Debug.",
        Query(MAX_SCORE),
        Query(OVER_PAGE),
        Query(f"max by ({SERIES}) ({of(f'{_POOR}1h')})"),
        Query(READINESS),
        Query(_SILENT),
        renamed={
            "Value #A": "drift score",
            "Value #B": "effect / page",
            "Value #C": "poor matches, 1h",
            "Value #D": "baseline",
            "Value #E": "last event",
        },
        columns=[
            *PLACE_COLUMNS,
            Column("drift score", limits=SCORE, decimals=2),
            Column("effect / page", limits=OVER_GATE, decimals=2),
            Column("poor matches, 1h", "percentunit", limits=POOR, decimals=1),
            Column("baseline", mappings=STATES),
            Column("last event", "s", limits=(("orange", LIMITS["silent_seconds"]),)),
        ],
        sort="drift score",
        width=24,
        height=6,
    ),
    alerts(width=13),
    table(
        "Suspects",
        "What the pattern of scores and effects points to, against the frozen baseline. Several may be named; empty "
        "while nothing has drifted. GET /v1/series has the evidence of each.",
        Query(f"max by ({SERIES}, baseline, cause) ({of('embedding_drift_suspect')}) == 1"),
        hidden=("Value",),
        columns=[Column("cause", width=210), *PLACE_COLUMNS, Column("baseline", width=80)],
        order=("cause", "model", "model_version", "tokenizer_version", "kind", "baseline"),
        width=11,
    ),
)


def _burn_rate(name: str, title: str, bad: str, recorded: str) -> Panel:
    objective = OBJECTIVES[name]
    budget = f"scalar({threshold(f'{name}_budget')})"
    pages = [burn for burn in objective.burns if burn.severity == "critical"]
    windows = dict.fromkeys(window for burn in pages for window in (burn.long, burn.short))
    factors = " and ".join(f"{burn.factor:g} over {burn.long} and {burn.short}" for burn in pages)
    return time_series(
        title,
        f"How many times as fast as planned the budget of {objective.budget:.0%} of {bad} is used up: 1 just uses it "
        f"up. Above {factors} at once pages (dashed); long lines say that it is real, short ones that it goes on.",
        *(Query(f"{of(f'{recorded}{window}', QUERIES)} / {budget}", f"{VERSION}, {window}") for window in windows),
        width=12,
        bounds=(0, None),
        limits=[("red", burn.factor) for burn in reversed(pages)],
    )


SYMPTOMS: Final = (
    poor_matches(),
    _burn_rate("poor_match", "Burn rate of poor matches", "poor matches", _POOR),
    time_series(
        "Empty results",
        "Share of the queries that succeeded and found nothing. From one moment on: a filter, an index or an access "
        "rule. The dashed line is the budget.",
        Query(of("version:embedding_empty_result_per_query:ratio_rate5m", QUERIES), f"{VERSION}, 5m"),
        Query(of("version:embedding_empty_result_per_query:ratio_rate1h", QUERIES), f"{VERSION}, 1h"),
        Query(threshold("empty_result_budget"), "budget", is_limit=True),
        unit="percentunit",
        bounds=(0, None),
        width=12,
    ),
    _burn_rate(
        "empty_result",
        "Burn rate of empty results",
        "empty results",
        "version:embedding_empty_result_per_query:ratio_rate",
    ),
    time_series(
        "Failed queries",
        "Share of queries that ended with an error, by version. One version alone is the version; all of them is what "
        "they share.",
        Query(of("version:embedding_failed_per_query:ratio_rate5m", QUERIES), VERSION),
        Query(threshold("error_ratio"), "limit", is_limit=True),
        unit="percentunit",
        bounds=(0, None),
    ),
    time_series(
        "Errors by type",
        "Failed queries per second, by the type that their sender gave. timeout of all versions is the engine.",
        Query(
            rate("embedding_failed_queries_total", by="model, model_version, error"),
            "{{model}} {{model_version}} {{error}}",
        ),
        unit="reqps",
        bounds=(0, None),
    ),
    time_series(
        "Latency, p95",
        "95 % of the queries of the last hour were faster. The dashed line is the upper band, made from the model's "
        "own last week; the thin line is the last minutes.",
        Query(of("model:embedding_query_latency_seconds:p95_rate1h", QUERIES), "{{model}}, 1h"),
        Query(quantile(0.95, "embedding_query_latency_seconds", by="model"), "{{model}}, now"),
        Query(of("model:embedding_query_latency_seconds:upper_band", QUERIES), "{{model}}, band", is_limit=True),
        unit="s",
        bounds=(0, None),
    ),
    time_series(
        "Events by version",
        "Accepted events per second. All models gone at once is the network or the exporter, one is its client.",
        Query(rate("embedding_events_total", by=SERIES), NAMED),
        unit="eps",
        bounds=(0, None),
        width=24,
        height=6,
    ),
)
