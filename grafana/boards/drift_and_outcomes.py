"""Drift and outcomes: which product metric degrades when drift rises, all on one time axis."""

from __future__ import annotations

from typing import Final

from grafana.boards.shared import drift_scores, effects_over_gate, outcomes, poor_matches
from grafana.dashboard import EVERY_MARK, Dashboard, Row
from grafana.panel import Panel, aligned, time_series
from grafana.query import VERSION, Query, of, rate, threshold

_PLACE: Final = "model, model_version, tokenizer_version"
_LABELLED: Final = f"({rate('embedding_labelled_queries_total', by=_PLACE)} > 0)"
_WIDE: Final = 24
_AXIS: Final = 64
"""Pixels: as wide as -100% is."""


def _mean(metric: str, **equal: str) -> str:
    """Per labelled query."""
    return f"{rate(metric, by=_PLACE, **equal)} / {_LABELLED}"


def _since_yesterday(recorded: str, sign: str = "") -> str:
    """How much worse the last hour is than the last day: of what should be low as it is, else with its sign turned."""
    return f"{sign}({of(f'{recorded}1h')} - {of(f'{recorded}1d')})"


def _below_each_other(*panels: Panel) -> tuple[Panel, ...]:
    """With the axis at the same place, so that the cursor is at the same time in all of them."""
    return tuple(aligned(panel, _AXIS) for panel in panels)


DRIFT_AND_OUTCOMES: Final = Dashboard(
    "drift-and-outcomes",
    "Embedding drift / Drift and outcomes",
    "Drift above, what users got below, on one time axis: follow the cursor down from where a score rises. Choose one "
    "model; its versions are beside each other.",
    (
        Row("Drift", _below_each_other(drift_scores(_WIDE, 7), effects_over_gate(_WIDE, 7))),
        Row(
            "What became worse",
            _below_each_other(
                time_series(
                    "The last hour against the last day",
                    "How many points worse each metric is in the last hour than over the last day: above 0 is worse, "
                    "whichever way the metric itself points. The line that leaves 0 when the score above rises is what "
                    "the drift costs; none of them leaving 0 is drift that nobody notices yet.",
                    Query(
                        _since_yesterday("version:embedding_poor_match_per_query:ratio_rate"),
                        f"poor matches, {VERSION}",
                    ),
                    Query(
                        _since_yesterday("version:embedding_empty_result_per_query:ratio_rate"),
                        f"empty results, {VERSION}",
                    ),
                    Query(
                        _since_yesterday("version:embedding_failed_per_query:ratio_rate"), f"failed queries, {VERSION}"
                    ),
                    Query(
                        _since_yesterday("version:embedding_recall_at_10_per_labelled_query:ratio_rate", "-"),
                        f"recall at 10, {VERSION}",
                    ),
                    Query(
                        "-("
                        + of("version:embedding_outcomes_true_per_outcome:ratio_rate1h", 'outcome=~"success|clicked"')
                        + " - "
                        + of("version:embedding_outcomes_true_per_outcome:ratio_rate1d", 'outcome=~"success|clicked"')
                        + ")",
                        f"{{{{outcome}}}}, {VERSION}",
                    ),
                    Query(
                        of("version:embedding_outcomes_true_per_outcome:ratio_rate1h", 'outcome!~"success|clicked"')
                        + " - "
                        + of("version:embedding_outcomes_true_per_outcome:ratio_rate1d", 'outcome!~"success|clicked"'),
                        f"{{{{outcome}}}}, {VERSION}",
                    ),
                    unit="percentunit",
                    width=_WIDE,
                    height=9,
                ),
            ),
        ),
        Row(
            "Retrieval",
            _below_each_other(
                poor_matches(_WIDE, 7),
                time_series(
                    "Similarity of the best result, median",
                    "Over an hour, by version. It may stay as it is while recall falls: then other documents are found "
                    "that look as alike.",
                    Query(of("version:embedding_top1_similarity:p50_rate1h", kind="query"), VERSION),
                    width=_WIDE,
                    height=6,
                ),
                time_series(
                    "Recall at 10 of labelled queries",
                    "Share of the right documents among the first ten results, over an hour. The thin dashed line is "
                    "the least that is accepted, the other lines the model's last week.",
                    Query(of("version:embedding_recall_at_10_per_labelled_query:ratio_rate1h"), VERSION),
                    Query(of("model:embedding_recall_at_10_per_labelled_query:ratio_rate7d"), "{{model}}, last week"),
                    Query(threshold("recall_minimum"), "limit", is_limit=True),
                    unit="percentunit",
                    bounds=(0, 1),
                    width=_WIDE,
                    height=7,
                ),
                time_series(
                    "Ranking of labelled queries",
                    "hit: a right document among the first ten. reciprocal rank: 1 where the first result is right, "
                    "1/2 where the second is. nDCG: 1 where the best are on top. A point an hour; the order suffers "
                    "before recall does.",
                    Query(_mean("embedding_hit_queries_total", k="10"), f"hit at 10, {VERSION}"),
                    Query(_mean("embedding_reciprocal_rank_total"), f"reciprocal rank, {VERSION}"),
                    Query(_mean("embedding_ndcg_total", k="10"), f"nDCG at 10, {VERSION}"),
                    unit="percentunit",
                    bounds=(0, 1),
                    interval="1h",
                    width=_WIDE,
                    height=7,
                ),
            ),
        ),
        Row(
            "Outcomes",
            _below_each_other(
                outcomes("1h", _WIDE),
                time_series(
                    "Outcomes of poor and of normal matches",
                    "The same by how well the query matched. Where both lines of an outcome are apart, poor matches "
                    "cost it; where they lie together, the limit of a poor match says little about it.",
                    Query(
                        f"{rate('embedding_outcomes_total', value='true', by='model, outcome, band')} / "
                        f"({rate('embedding_outcomes_total', by='model, outcome, band')} > 0)",
                        "{{outcome}}, {{band}}, {{model}}",
                    ),
                    unit="percentunit",
                    bounds=(0, 1),
                    interval="1h",
                    width=_WIDE,
                    height=8,
                ),
            ),
        ),
    ),
    EVERY_MARK,
    time="now-24h",
)
