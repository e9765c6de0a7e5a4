"""What is told of a series, to people and programs alike."""

from __future__ import annotations

from dataclasses import asdict

from app.api.services import Services
from app.evaluate import SeriesView
from app.model import Score
from app.series import Totals

QUANTILES = (0.05, 0.5, 0.95)


def summaries(services: Services) -> list[dict[str, object]]:
    """One entry a series, the one with the highest score first; counts are live, scores of the last evaluation."""
    evaluation = services.evaluator.latest
    entries = [
        summary(totals, evaluation.series.get(totals.key)) for totals in services.store.totals(services.clock.now())
    ]
    return sorted(entries, key=_highest, reverse=True)


def summary(totals: Totals, view: SeriesView | None) -> dict[str, object]:
    """One series; null is what is not known, and windows, baselines and scores come with the first evaluation."""
    entry: dict[str, object] = {
        "id": totals.key.id,
        **totals.key._asdict(),
        "first_seen": totals.first_seen,
        "last_event": totals.last_event,
        "dimension": totals.dimension,
        "similarity_metric": totals.similarity_metric,
        "events": totals.events,
        "represented_events": totals.represented_events,
        "vectors": totals.vectors,
        "invalid_vectors": dict(totals.invalid_vectors),
        "queries": totals.queries,
        "failed_queries": totals.failed_queries.total(),
        "empty_result_queries": totals.empty_queries,
        "poor_match_queries": totals.poor_match_queries,
        "poor_match_limit": totals.poor_match_limit,
    }
    if view is not None:
        entry["windows"] = {
            window.name: {
                "events": window.events,
                "signals": {
                    name: {
                        "n": each.n,
                        "quantiles": dict(zip(map(str, QUANTILES), each.quantile(QUANTILES).tolist(), strict=True)),
                    }
                    for name, each in window.signals.items()
                },
            }
            for window in view.windows.values()
        }
        entry["baselines"] = {
            each.name: {
                "state": each.state,
                "id": None if each.pinned is None else each.pinned.id,
                "origin": None if each.pinned is None else each.pinned.origin,
                "progress": asdict(each.progress),
            }
            for each in view.baselines
        }
        entry["scores"] = [_told(score) for score in sorted(view.scores, key=_size, reverse=True)]
    return entry


def highest_score(view: SeriesView | None) -> Score | None:
    """The score furthest over, or nearest to, its limit; None where there is none."""
    scored = [] if view is None else [score for score in view.scores if score.score is not None]
    return max(scored, key=_size, default=None)


def _size(score: Score) -> float:
    return -1.0 if score.score is None else score.score


def _told(score: Score) -> dict[str, object]:
    return {**score._asdict(), "score": score.score}


def _highest(entry: dict[str, object]) -> float:
    scores = entry.get("scores")
    first = scores[0]["score"] if isinstance(scores, list) and scores else None
    return -1.0 if first is None else float(first)
