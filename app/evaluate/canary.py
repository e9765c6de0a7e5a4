"""One version of a model held against another: whether a roll-out may go on, from the windows of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import structlog

from app.canary import DEFAULT_LIMITS, CanaryLimits, Comparison, Version, compare_versions
from app.distribution import Distribution
from app.evaluate.views import SeriesView
from app.model import SeriesKey
from app.sketch import QuantileSketch

CANARY_WINDOW: Final = "1h"
"""What a roll-out is judged by unless another window is asked for."""

_RANK_ERROR: Final = QuantileSketch().rank_error

log = structlog.get_logger(__name__)


def canaries(
    views: Mapping[SeriesKey, SeriesView], peers: Mapping[SeriesKey, SeriesKey]
) -> dict[SeriesKey, Comparison]:
    """The comparison of each version that has a peer with that peer, for queries."""
    found = {}
    for key, peer in peers.items():
        if key.kind == "query" and key in views and peer in views:
            try:
                found[key] = compare_views(views[peer], views[key])
            except Exception:
                # As with scores: a bug met in one version must not cost the others theirs.
                log.exception("version not compared", **key._asdict())
    return found


def compare_views(
    baseline: SeriesView, candidate: SeriesView, window: str = CANARY_WINDOW, limits: CanaryLimits = DEFAULT_LIMITS
) -> Comparison:
    """The candidate against the baseline, both in one window and judged by the baseline's limit for a poor match.

    The counts are those of the window, not since the start. Similarities are compared where both versions measure them
    alike, vectors where both are of one space and the candidate was held against the baseline as its peer. Recall is
    judged where either version has labelled queries.

    Raises:
        KeyError: there is no such window.
    """
    alike = baseline.similarity_metric == candidate.similarity_metric
    poor_below = baseline.poor_match_limit if alike else None
    old, new = (_version(each, window, poor_below, alike=alike) for each in (baseline, candidate))
    return compare_versions(old, new, _peer_score(candidate, baseline, window), limits)


def _version(view: SeriesView, window: str, poor_below: float | None, *, alike: bool) -> Version:
    seen = view.windows[window]
    counts, top1 = seen.queries, seen.signals.get("top1_similarity")
    error = _rank_error(top1)
    poor = None
    if poor_below is not None:
        # Failed queries may have come with scores, too: there are no more poor ones than there are that did not fail.
        poor = min(counts.empty + _below(top1, poor_below), counts.queries - counts.failed)
    return Version(
        queries=counts.queries,
        failed_queries=counts.failed,
        poor_matches=poor,
        poor_match_error=error,
        top1=top1 if alike else None,
        rank_error=error,
        labelled_queries=counts.labelled,
        recall=counts.recall,
    )


def _below(top1: Distribution | None, limit: float) -> int:
    """How many similarities are less than the limit."""
    return 0 if top1 is None else round(float(top1.cdf(np.nextafter(limit, -np.inf))) * top1.n)


def _rank_error(top1: Distribution | None) -> float:
    # While it has a step for each event, a sketch is exact.
    return 0.0 if top1 is None or top1.values.size == top1.n else _RANK_ERROR


def _peer_score(candidate: SeriesView, baseline: SeriesView, window: str) -> float | None:
    held: Iterable[SeriesKey | None] = (each.peer for each in candidate.baselines)
    if baseline.key not in held or candidate.space != baseline.space:
        return None
    scores = (each.score for each in candidate.scores if (each.window, each.baseline) == (window, "peer"))
    return max((score for score in scores if score is not None), default=None)
