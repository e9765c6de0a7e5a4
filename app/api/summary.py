"""What is told of a series, to people and programs alike."""

from __future__ import annotations

from dataclasses import asdict

from app.api.services import Services
from app.drift.diagnosis import Suspect
from app.evaluate import BaselineView, SeriesView, WindowView
from app.model import Score
from app.series import Totals

QUANTILES = (0.05, 0.5, 0.95)


def summaries(services: Services) -> list[dict[str, object]]:
    """One entry a series, the one with the highest score first; counts are live, scores of the last evaluation."""
    evaluation, offset = services.evaluator.latest, services.clock.offset()
    entries = [
        (summary(totals, view, offset), height(highest_score(view)))
        for totals in services.store.totals(services.clock.now())
        for view in [evaluation.series.get(totals.key)]
    ]
    return [entry for entry, _ in sorted(entries, key=lambda pair: pair[1], reverse=True)]


def worst_slices(services: Services) -> list[dict[str, object]]:
    """Of each model and kind the slice that matches worst: by its share of poor matches, or else of unusual vectors.

    Of the last hours; slices with too few events for either are passed over.
    """
    worst: list[dict[str, object]] = []
    for (model, kind), views in services.store.slices(services.clock.now()).items():
        told = [view for view in views if view.poor_match_ratio is not None or view.ood_excess_ratio is not None]
        if told:
            view = max(told, key=lambda each: (_known(each.poor_match_ratio), _known(each.ood_excess_ratio)))
            worst.append(
                {
                    "model": model,
                    "kind": kind,
                    "slice_label": view.label,
                    "slice_value": view.value,
                    "poor_match_ratio": view.poor_match_ratio,
                    "top1_similarity_median": view.top1_median,
                    "ood_excess_ratio": view.ood_excess_ratio,
                }
            )
    return worst


def _known(value: float | None) -> float:
    return float("-inf") if value is None else value


def summary(totals: Totals, view: SeriesView | None, offset: float) -> dict[str, object]:
    """One series; null is what is not known, and what an evaluation finds comes with the first one.

    `offset` is the clock's.
    """
    entry: dict[str, object] = {
        "id": totals.key.id,
        **totals.key._asdict(),
        "first_seen": totals.first_seen + offset,
        "last_event": totals.last_event + offset,
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
        entry["diagnosis"] = {name: diagnosis(suspects) for name, suspects in view.suspects.items()}
        entry["suspects"] = {
            name: [suspect._asdict() for suspect in suspects] for name, suspects in view.suspects.items()
        }
        entry["windows"] = {window.name: _window(window) for window in view.windows.values()}
        entry["baselines"] = {each.name: _baseline(each, offset) for each in view.baselines}
        entry["scores"] = [
            {**score._asdict(), "score": score.score} for score in sorted(view.scores, key=height, reverse=True)
        ]
        effects: dict[str, dict[str, object]] = {}
        for (window_name, baseline), found in view.effects.items():
            effects.setdefault(window_name, {})[baseline] = asdict(found)
        entry["effects"] = effects
    return entry


def diagnosis(suspects: tuple[Suspect, ...]) -> str | None:
    """The surest suspect in words; None where nothing is suspected."""
    return f"{suspects[0].title}: {suspects[0].evidence}" if suspects else None


def highest_score(view: SeriesView | None) -> Score | None:
    """The score furthest over, or nearest to, its limit; None where there is none."""
    scored = [] if view is None else [score for score in view.scores if score.score is not None]
    return max(scored, key=height, default=None)


def height(score: Score | None) -> float:
    """By what scores and their series are put in order: those without a limit come last."""
    return _known(None if score is None else score.score)


def _window(window: WindowView) -> dict[str, object]:
    return {
        "events": window.events,
        "vectors": window.vectors,
        "signals": {
            name: {
                "n": each.n,
                "quantiles": dict(zip(map(str, QUANTILES), each.quantile(QUANTILES).tolist(), strict=True)),
            }
            for name, each in window.signals.items()
        },
    }


def _baseline(baseline: BaselineView, offset: float) -> dict[str, object]:
    return {
        "state": baseline.state,
        "origin": baseline.origin,
        "id": baseline.id,
        "events": baseline.events,
        "created": None if baseline.created is None else baseline.created + offset,
        "covered_seconds": baseline.covered_seconds,
        "peer": None if baseline.peer is None else baseline.peer._asdict(),
        "progress": None if baseline.progress is None else asdict(baseline.progress),
    }
