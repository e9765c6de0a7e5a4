"""Debug, its rows about drift: scores, effects, statistics, and what the same input gives."""

from __future__ import annotations

from typing import Final

from grafana.boards.shared import LEAST_SCORE
from grafana.panel import Panel, time_series
from grafana.query import BASELINE, FROZEN, HOUR, NAMED, SERIES, WINDOW, Query, gate, of, threshold


def largest(metric: str, *matchers: str, by: str = SERIES, **equal: str) -> str:
    """Over replicas: what the worst of them sees."""
    return f"max by ({by}) ({of(metric, *matchers, **equal)})"


def _statistic(title: str, description: str, *matchers: str, **equal: str) -> Panel:
    by = f"{SERIES}, signal, statistic"
    return time_series(
        title,
        f"{description} Of the last hour against the frozen baseline.",
        Query(
            largest("embedding_drift_statistic", HOUR, FROZEN, *matchers, by=by, **equal),
            f"{'' if 'signal' in equal else '{{signal}} '}{{{{statistic}}}}, {NAMED}",
        ),
        width=12,
        many=True,
    )


def _effect(
    title: str, metric: str, description: str, *, unit: str = "none", page: str | None = None, below: bool = False
) -> Panel:
    limits = [] if page is None else [Query(gate(page, "page"), "page", is_limit=True)]
    if page is not None and below:
        limits.append(Query(f"-{gate(page, 'page')}", "page, below", is_limit=True))
    asked = largest(metric, WINDOW, BASELINE, by=f"{SERIES}, baseline")
    return time_series(title, description, Query(asked, f"{NAMED}, {{{{baseline}}}}"), *limits, unit=unit)


SCORES: Final = (
    time_series(
        "Drift scores",
        "Each statistic of the alarm family over its limit, in the chosen window against the chosen baseline: 1 is the "
        "limit. Which of them rise together tells the cause: norm alone is lengths, novelty with mean_shift new "
        "content, same_input a changed model. The axis is logarithmic.",
        Query(
            largest("embedding_drift_score", WINDOW, BASELINE, by=f"{SERIES}, baseline, signal, statistic"),
            f"{{{{statistic}}}}, {NAMED}, {{{{baseline}}}}",
        ),
        Query(threshold("score"), "limit", is_limit=True),
        log=True,
        bounds=(LEAST_SCORE, None),
        many=True,
        width=24,
        height=10,
    ),
    time_series(
        "Scores by window",
        "The largest score in each window: 5m sees a change first, 24h small ones of little traffic. All three up is "
        "lasting; 24h alone is over, and remembered.",
        Query(
            largest("series:embedding_drift_score:max", BASELINE, by="model, model_version, window"),
            "{{model}} {{model_version}}, {{window}}",
        ),
        Query(threshold("score"), "limit", is_limit=True),
        log=True,
        bounds=(LEAST_SCORE, None),
        width=12,
    ),
    time_series(
        "Scores by baseline",
        "The largest score against each baseline. pinned high with 7d low is a change of long ago; both high is new; "
        "peer high is a difference between two versions that answer now.",
        Query(
            largest("series:embedding_drift_score:max", WINDOW, by="model, model_version, baseline"),
            "{{model}} {{model_version}}, {{baseline}}",
        ),
        Query(threshold("score"), "limit", is_limit=True),
        log=True,
        bounds=(LEAST_SCORE, None),
        width=12,
    ),
)

EFFECTS: Final = (
    _effect(
        "Changed share",
        "embedding_changed_share",
        "Best estimate of the share of vectors unlike anything in the baseline. On-call shows the lower bound, "
        "which the gates are about.",
        unit="percentunit",
    ),
    _effect(
        "Displacement of the mean",
        "embedding_mean_displacement",
        "How far the mean vector moved, in squared standard deviations, noise taken off: about 0 with no drift. "
        "The dashed line is a page.",
        page="mean_displacement",
    ),
    _effect(
        "Variance, log ratio",
        "embedding_variance_log_ratio",
        "Below 0 vectors move together (a collapse), above 0 apart. The dashed lines are a page.",
        page="variance_log_ratio",
        below=True,
    ),
    _effect(
        "Out of distribution, excess",
        "embedding_ood_excess_ratio",
        "Share of vectors further from every anchor than 95 % of the baseline's, less those 5 %: about 0 with no "
        "drift.",
        unit="percentunit",
    ),
    _effect(
        "Cosine of the centroids",
        "embedding_centroid_cosine",
        "1 is the same direction. What is healthy differs from model to model: compare a model with itself only.",
    ),
    _effect(
        "Divergence of similarities",
        "embedding_similarity_kl_nats",
        "Kullback-Leibler divergence of the best results' similarities, in nats; about 0 is no change of shape.",
    ),
)

STATISTICS: Final = (
    _statistic(
        "Alarm family, raw",
        "The statistics behind the scores, each in its own unit: watch a line against itself, never against another.",
        'statistic=~"mean_shift|novelty|mahalanobis|spread|joint|invalid|same_input"',
        signal="embedding",
    ),
    _statistic(
        "Vectors, diagnostics",
        "Distances of the whole distributions of vectors; they never alarm.",
        'statistic=~"mmd|energy_distance|sliced_wasserstein"',
        signal="embedding",
    ),
    _statistic(
        "Norms, several measures",
        "How far the lengths moved, by several measures; norm is the one that alarms.",
        signal="norm",
    ),
    _statistic(
        "Similarities of the best result, several measures",
        "By several measures; top1 is the one that alarms.",
        signal="top1_similarity",
    ),
    _statistic(
        "Other signals, Wasserstein",
        "How far each moved, in its own unit.",
        'signal!~"embedding|norm|top1_similarity"',
        statistic="wasserstein",
    ),
    _statistic(
        "Other signals, KL and KS",
        "How different their shapes are: nats, and the largest gap of the two cumulative shares.",
        'signal!~"embedding|norm|top1_similarity"',
        'statistic=~"kl|ks"',
    ),
)

SAME_INPUT: Final = (
    time_series(
        "Known inputs, matches",
        "Events in the window whose input the baseline knows: what the next two rest on. Below the dashed line they "
        "say little.",
        Query(largest("embedding_same_input_matches", WINDOW), NAMED),
        Query(threshold("same_input_matches"), "limit", is_limit=True),
        unit="short",
        width=6,
        bounds=(0, None),
    ),
    time_series(
        "Known inputs, cosine",
        "Median cosine of their vectors to those in the baseline. 1 is the same model; a small step down that stays is "
        "another precision or library, a large one another model.",
        Query(f"min by ({SERIES}) ({of('embedding_same_input_cosine', WINDOW)})", NAMED),
        Query(threshold("same_input_numeric_cosine"), "limit", is_limit=True),
        width=6,
    ),
    time_series(
        "Known inputs, changed",
        "Share of them with another vector. The dashed line is a page.",
        Query(largest("embedding_same_input_changed_ratio", WINDOW), NAMED),
        Query(gate("same_input_changed_ratio", "page"), "page", is_limit=True),
        unit="percentunit",
        bounds=(0, 1),
        width=6,
    ),
    time_series(
        "Repeated inputs, inconsistent",
        "Share of the events whose input came minutes before with another vector. One of n replicas that differs shows "
        "as about 2/n; corruption at random as a constant.",
        Query(largest("embedding_same_input_inconsistent_ratio", WINDOW), NAMED),
        Query(threshold("same_input_inconsistent_ratio"), "limit", is_limit=True),
        unit="percentunit",
        bounds=(0, None),
        width=6,
    ),
)
