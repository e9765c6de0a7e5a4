"""Families about drift: scores of the alarm family, raw values, the KL of similarities, and what probably happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Final

from app.drift import STATISTICS
from app.drift.diagnosis import CAUSES
from app.drift.effects import Effects
from app.drift.family import ALARMS, DIAGNOSTICS
from app.metrics.evaluated import FULL_WINDOW, IN_BUDGET, OWN_BASELINES, Evaluated, gauge, in_budget
from app.metrics.family import Reading, Source

FULL_SIGNALS: Final = frozenset(statistic.signal for statistic in ALARMS)
"""Signals that alarm: all their statistics are exported."""

BRIEF_STATISTICS: Final = ("wasserstein", "ks")
"""Of the other signals: how far they moved, and how large the gap is."""


def _drift_score(evaluated: Evaluated) -> Iterator[Reading]:
    # The first four say where. There are thousands, and half of them have no limit.
    return ((each[:4], each.score) for each in evaluated.view.scores if each.limit is not None)


def _drift_statistic(evaluated: Evaluated) -> Iterator[Reading]:
    for each in evaluated.view.scores:
        own = each.window == FULL_WINDOW and each.baseline in OWN_BASELINES
        if own and (each.signal in FULL_SIGNALS or each.statistic in BRIEF_STATISTICS):
            yield (each.window, each.baseline, each.signal, each.statistic), each.value


def _similarity_kl(evaluated: Evaluated) -> Iterator[Reading]:
    return ((place, nats) for place, nats in evaluated.view.similarity_kl.items() if in_budget(*place))


def _drift_suspect(evaluated: Evaluated) -> Iterator[Reading]:
    for baseline, suspects in evaluated.view.suspects.items():
        if baseline in OWN_BASELINES:
            suspected = {suspect.cause for suspect in suspects}
            for cause in CAUSES:
                yield (baseline, cause.name), int(cause.name in suspected)


def _listed(units: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {unit}" for name, unit in units)


_MEANINGS: Final = " ".join(f"{each.name} ({each.signal}): {each.description}" for each in ALARMS)

# Some are a family of their own.
_OF_VECTORS: Final = [each for each in DIAGNOSTICS if each.name not in {field.name for field in fields(Effects)}]

_UNITS: Final = (
    f"Units of those that alarm: {_listed((each.name, each.unit) for each in ALARMS)}; "
    f"of diagnostics on embedding: {_listed((each.name, each.unit) for each in _OF_VECTORS)}; "
    f"on other signals: {_listed((each.name, each.unit) for each in STATISTICS)}"
)

DRIFT: Final[tuple[Source[Evaluated], ...]] = (
    Source(
        gauge(
            "drift_score",
            "Drift of the window from the baseline: the statistic over its limit, that is what the baseline's own time "
            "blocks make plausible for as many events (of same_input it is fixed; drift_limits may set others). No "
            "unit, 1 is the limit, 0 or less is no difference. Tabular: statistics see different things, so take max, "
            "never sum or average. Absent while the window has fewer than min_window_events or no limit is known. "
            f"{_MEANINGS}",
            "window",
            "baseline",
            "signal",
            "statistic",
        ),
        _drift_score,
    ),
    Source(
        gauge(
            "drift_statistic",
            f"The raw value of the statistic, of window {FULL_WINDOW} against the pinned or uploaded baseline only: of "
            "those that have a drift score, and of diagnostics, which never alarm. Signals without a drift score have "
            f"{', '.join(BRIEF_STATISTICS)} alone. {_UNITS}. Tabular: never sum or average over statistics or signals.",
            "window",
            "baseline",
            "signal",
            "statistic",
        ),
        _drift_statistic,
    ),
    Source(
        gauge(
            "similarity_kl_nats",
            "Kullback-Leibler divergence, in nats, of the top-1 similarities in the window from those of the baseline, "
            f"less what sampling alone adds. 0 is no difference; never sum or average. {IN_BUDGET}",
            "window",
            "baseline",
        ),
        _similarity_kl,
    ),
    Source(
        gauge(
            "drift_suspect",
            "1 for each cause that the pattern of scores and effects against the pinned or uploaded baseline points "
            "to, 0 for the others; several may be 1, and none is where nothing has drifted. Told by the window that is "
            f"furthest over its limits. Causes: {', '.join(cause.name for cause in CAUSES)}.",
            "baseline",
            "cause",
        ),
        _drift_suspect,
    ),
)
