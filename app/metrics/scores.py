"""Families about the last evaluation: windows, baselines and drift scores of a series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, get_args

from app.baseline import State
from app.drift import STATISTICS
from app.evaluate import BaselineView, SeriesView
from app.metrics.family import SERIES_LABELS, Family, Reading, Source, Value
from app.model import Score
from app.signals import SIGNALS

RAW_WINDOW: Final = "1h"
"""The window whose raw statistics are exported; of the others the scores say enough."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One series of the last evaluation, and how many events a window needs to be read."""

    view: SeriesView
    min_window_events: int


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(f"embedding_{name}", "gauge", (*SERIES_LABELS, *labels), text)


def _quantiles(signal: str, *q: float) -> Callable[[Evaluated], Iterator[Reading]]:
    """Quantiles of a signal in each window that has enough events."""

    def read(evaluated: Evaluated) -> Iterator[Reading]:
        for window in evaluated.view.windows.values():
            distribution = window.signals.get(signal)
            if distribution is not None and distribution.n >= evaluated.min_window_events:
                for share, value in zip(q, distribution.quantile(q).tolist(), strict=True):
                    yield (window.name, str(share)), value

    return read


def _window_events(evaluated: Evaluated) -> Iterator[Reading]:
    for window in evaluated.view.windows.values():
        for signal in SIGNALS:
            distribution = window.signals.get(signal.name)
            yield (window.name, signal.name), 0 if distribution is None else distribution.n


def _drift_score(evaluated: Evaluated) -> Iterator[Reading]:
    return (((s.window, s.baseline, s.signal, s.statistic), s.score) for s in evaluated.view.scores)


def _drift_statistic(evaluated: Evaluated) -> Iterator[Reading]:
    scores = evaluated.view.scores
    return (((s.window, s.baseline, s.signal, s.statistic), s.value) for s in scores if s.window == RAW_WINDOW)


def _similarity_kl(evaluated: Evaluated) -> Iterator[Reading]:
    def wanted(score: Score) -> bool:
        return (score.signal, score.statistic) == ("top1_similarity", "kl")

    return (((score.window, score.baseline), score.value) for score in evaluated.view.scores if wanted(score))


def _per_baseline(value: Callable[[BaselineView], Value]) -> Callable[[Evaluated], Iterable[Reading]]:
    """Read one value of each baseline."""
    return lambda evaluated: [((baseline.name,), value(baseline)) for baseline in evaluated.view.baselines]


def _baseline_state(evaluated: Evaluated) -> Iterator[Reading]:
    for baseline in evaluated.view.baselines:
        for state in get_args(State):
            yield (baseline.name, state), int(state == baseline.state)


def _baseline_info(evaluated: Evaluated) -> Iterator[Reading]:
    for baseline in evaluated.view.baselines:
        if baseline.pinned is not None:
            yield (baseline.name, baseline.pinned.origin, baseline.pinned.id, "", ""), 1


WINDOWS: Final[tuple[Source[Evaluated], ...]] = (
    Source(
        _gauge(
            "window_events",
            "Events in the window that had the signal: what its scores and quantiles rest on. Below min_window_events "
            "there are none.",
            "window",
            "signal",
        ),
        _window_events,
    ),
    Source(
        _gauge(
            "norm_quantile",
            "Quantile q of the L2 norms in the window, within 1.4 % of rank. Never sum or average quantiles: over "
            "replicas use histogram_quantile on embedding_norm_bucket.",
            "window",
            "q",
        ),
        _quantiles("norm", 0.05, 0.5, 0.95),
    ),
    Source(
        _gauge(
            "top1_similarity_quantile",
            "Quantile q of the similarity of the best result in the window, within 1.4 % of rank. Never sum or average "
            "quantiles: over replicas use histogram_quantile on embedding_top1_similarity_bucket.",
            "window",
            "q",
        ),
        _quantiles("top1_similarity", 0.05, 0.5),
    ),
)

_UNITS: Final = ", ".join(f"{statistic.name} {statistic.unit}" for statistic in STATISTICS)

DRIFT: Final[tuple[Source[Evaluated], ...]] = (
    Source(
        _gauge(
            "drift_score",
            "Drift of the window from the baseline: the statistic over the limit that the baseline's own time blocks "
            "make plausible. No unit, 1 is the limit. Tabular: statistics see different things, so take max, never sum "
            "or average. Absent while the window has fewer than min_window_events or no limit is known.",
            "window",
            "baseline",
            "signal",
            "statistic",
        ),
        _drift_score,
    ),
    Source(
        _gauge(
            "drift_statistic",
            f"The raw value of the statistic, window {RAW_WINDOW} only. Units: {_UNITS}. Tabular: never sum or average "
            "over statistics or signals.",
            "window",
            "baseline",
            "signal",
            "statistic",
        ),
        _drift_statistic,
    ),
    Source(
        _gauge(
            "similarity_kl_nats",
            "Kullback-Leibler divergence, in nats, of the top-1 similarities in the window from those of the baseline, "
            "less what sampling alone adds. 0 is no difference; never sum or average.",
            "window",
            "baseline",
        ),
        _similarity_kl,
    ),
)

BASELINES: Final[tuple[Source[Evaluated], ...]] = (
    Source(
        _gauge(
            "baseline_state",
            "1 for the state that the baseline is in, 0 for the others: learning (no scores), provisional (usable, "
            "still being learned) or final.",
            "baseline",
            "state",
        ),
        _baseline_state,
    ),
    Source(
        _gauge("baseline_events", "Events that the baseline was made from; while it is learned, so far.", "baseline"),
        _per_baseline(lambda baseline: baseline.progress.events if baseline.pinned is None else baseline.pinned.events),
    ),
    Source(
        _gauge("baseline_created_timestamp_seconds", "Unix time at which the baseline was made.", "baseline"),
        _per_baseline(lambda baseline: None if baseline.pinned is None else baseline.pinned.created),
    ),
    Source(
        _gauge(
            "baseline_info",
            "Always 1: where the baseline is from (learned, window or file), the id of its content, and the versions "
            "of the series that it was taken from where that is another one.",
            "baseline",
            "origin",
            "id",
            "peer_model_version",
            "peer_tokenizer_version",
        ),
        _baseline_info,
    ),
)

SCORES: Final = (*WINDOWS, *DRIFT, *BASELINES)
