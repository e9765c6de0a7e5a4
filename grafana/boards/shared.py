"""Panels and expressions that more than one dashboard shows, so that they cannot say different things."""

from __future__ import annotations

from typing import Final

from grafana.panel import Column, Mappings, Panel, Steps, table, time_series
from grafana.query import BASELINE, FROZEN, NAMED, OURS, QUERIES, SERIES, VERSION, WINDOW, Query, of, threshold
from prometheus.thresholds import LIMITS, OBJECTIVES, RUNBOOK

POOR_BUDGET: Final = OBJECTIVES["poor_match"].budget
FASTEST_PAGE: Final = next(burn for burn in OBJECTIVES["poor_match"].burns if burn.severity == "critical")
POOR: Final[Steps] = (("orange", POOR_BUDGET), ("red", POOR_BUDGET * FASTEST_PAGE.factor))
"""Above the budget; above what pages within two minutes."""

LEAST_SCORE: Final = 0.1
"""Where a logarithmic axis of scores begins: what is lower is far from any limit."""
SCORE: Final[Steps] = (("orange", LIMITS["score"]),)
OVER_GATE: Final[Steps] = (("red", 1),)
"""An effect over its gate of a page, or a ratio of 1 otherwise."""

MAX_SCORE: Final = f"max by ({SERIES}) ({of('series:embedding_drift_score:max', WINDOW, BASELINE)})"
_SIZE: Final = of("series:embedding_effect:abs", WINDOW, BASELINE)
_PAGE_GATE: Final = 'sum by (effect) (global:embedding_effect_gate:value{gate="page"})'
OVER_PAGE: Final = f"max by ({SERIES}) ({_SIZE} / on (effect) group_left () {_PAGE_GATE})"
FINAL: Final = f"max by ({SERIES}) ({of('embedding_baseline_state', FROZEN, state='final')})"
PROVISIONAL: Final = f"max by ({SERIES}) ({of('embedding_baseline_state', FROZEN, state='provisional')})"
READINESS: Final = f"{PROVISIONAL} + 2 * {FINAL}"
"""0 learning, 1 provisional, 2 final."""
STATES: Final[Mappings] = {0: ("learning", "blue"), 1: ("provisional", "orange"), 2: ("final", "green")}

DEBUG: Final = (
    "/d/embedding-drift-debug?${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"
    "&${baseline:queryparam}&${window:queryparam}&var-model=${__data.fields.model}"
    "&var-model_version=${__data.fields.model_version}"
)
MODEL_COLUMN: Final = Column("model", link=("Debug", DEBUG))
PLACE_COLUMNS: Final = (
    MODEL_COLUMN,
    Column("version", width=80),
    Column("tokenizer", width=90),
    Column("kind", width=90),
)
SEVERITIES: Final[Mappings] = {"critical": ("critical", "red"), "warning": ("warning", "orange")}
STATES_OF_ALERTS: Final[Mappings] = {"firing": ("firing", "red"), "pending": ("pending", "yellow")}


def drift_scores(width: int = 12, height: int = 8) -> Panel:
    """The largest score of each series."""
    return time_series(
        "Drift score",
        "The largest drift score of each series against the chosen baseline: 1 is what the baseline's own time makes "
        "plausible. Above it, and for longer than a window, the vectors, their lengths or their similarities have "
        "changed; how much that is, the effects say. The axis is logarithmic.",
        Query(MAX_SCORE, NAMED),
        Query(threshold("score"), "limit", is_limit=True),
        log=True,
        bounds=(LEAST_SCORE, None),
        width=width,
        height=height,
    )


def effects_over_gate(width: int = 12, height: int = 8) -> Panel:
    """The largest effect of each series."""
    return time_series(
        "Largest effect over its gate of a page",
        "How large the change is: the largest of the effects (share of unlike vectors, displacement, variance, norm, "
        "invalid vectors, changed known inputs), each over what is worth a page. Above 1 somebody is paged, if as much "
        "is beyond 1.3 limits of a statistic that sees it; Debug shows each by itself. The axis is logarithmic.",
        Query(OVER_PAGE, NAMED),
        log=True,
        bounds=(LEAST_SCORE, None),
        width=width,
        height=height,
        limits=OVER_GATE,
    )


def poor_matches(width: int = 12, height: int = 8) -> Panel:
    """Poor matches of each version, against the budget."""
    recorded = "version:embedding_poor_match_per_query:ratio_rate"
    return time_series(
        "Poor matches",
        "Share of the queries whose best result is worse than all but 5 % were in the baseline, or that found "
        "nothing. About 5 % is normal, the dashed line is the budget; a step at a deployment's mark is the deployment.",
        Query(of(f"{recorded}5m", QUERIES), f"{VERSION}, 5m"),
        Query(of(f"{recorded}1h", QUERIES), f"{VERSION}, 1h"),
        Query(threshold("poor_match_budget"), "budget", is_limit=True),
        unit="percentunit",
        bounds=(0, 1),
        width=width,
        height=height,
    )


def outcomes(over: str, width: int = 12, height: int = 8, *, many: bool = False) -> Panel:
    """What came of answers, over the time of a recorded rate: 1h or 6h."""
    hours = {"1h": "an hour", "6h": "six hours"}[over]
    return time_series(
        "Outcomes",
        f"Share of the answers of which each outcome came, over {hours}, by version: success and clicked should be "
        "high, no_answer and escalated low. A line that bends where the drift score rises is what the drift costs.",
        Query(of(f"version:embedding_outcomes_true_per_outcome:ratio_rate{over}"), f"{{{{outcome}}}}, {VERSION}"),
        unit="percentunit",
        bounds=(0, 1),
        many=many,
        width=width,
        height=height,
    )


def traffic_by_version(width: int = 12) -> Panel:
    """Which versions answer."""
    return time_series(
        "Traffic by version",
        "Share of each model's events by version, over 15 minutes. Two lines that stay apart from 0 and 1 are two "
        "versions side by side: a roll-out if one is announced, a mistake if not.",
        Query(of("version:embedding_events_per_model:ratio_rate15m"), NAMED),
        Query(threshold("version_share"), "limit of a share that counts", is_limit=True),
        unit="percentunit",
        bounds=(0, 1),
        width=width,
    )


def deployments(width: int = 12) -> Panel:
    """What was rolled out, as it was told."""
    return table(
        "Deployments",
        "The last deployment of each model, track and status, as POST /v1/lifecycle told, the newest first. The same "
        "times are the blue marks on every panel.",
        Query(
            "max by (model, model_version, tokenizer_version, track, status) "
            f"({of('embedding_deployment_timestamp_seconds')}) * 1000"
        ),
        renamed={"Value": "time"},
        columns=[Column("time", "dateTimeAsIso", width=160), *PLACE_COLUMNS],
        order=("Value", "model", "model_version", "tokenizer_version", "track", "status"),
        sort="time",
        width=width,
    )


def alerts(width: int = 12) -> Panel:
    """What fires, with a link to what to do."""
    selected = of("ALERTS", OURS, 'severity!="none"')
    return table(
        "Alerts",
        "Alerts that fire, and those that wait for their time to pass. critical pages, warning is a ticket; the name "
        "leads to the runbook. Empty is good.",
        Query(f"max by (alertname, alertstate, severity, model, model_version, kind, window) ({selected})"),
        hidden=("Value",),
        renamed={"alertname": "alert", "alertstate": "state"},
        columns=[
            Column("alert", link=("Runbook", RUNBOOK.format(alert="${__value.raw}")), width=255),
            Column("severity", mappings=SEVERITIES, width=75),
            Column("state", mappings=STATES_OF_ALERTS, width=75),
            *PLACE_COLUMNS,
            Column("window", width=70),
        ],
        order=("alertname", "severity", "alertstate", "model", "model_version", "kind", "window"),
        alphabetical=("state", "severity", "alert"),
        width=width,
    )
