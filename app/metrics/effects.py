"""Families about how large a change is: against a baseline, and of the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from app.cosine import CHANGED_COSINE
from app.drift.diagnosis import INCONSISTENT_LIMIT
from app.drift.effects import Effects
from app.drift.gates import GATES_BY_EFFECT, LONE_SCORE
from app.drift.same_input import MINIMUM_MATCHES, SameInput
from app.metrics.evaluated import (
    FULL_WINDOW,
    IN_BUDGET,
    Evaluated,
    gauge,
    in_budget,
    not_of_minutes,
    of_its_own,
    of_the_hour,
)
from app.metrics.family import Reading, Source, Value

Exported = Callable[[str, str], bool]

_WHERE: Final[dict[Exported, str]] = {
    in_budget: IN_BUDGET,
    not_of_minutes: f"Not of 5m, where it is noise. {IN_BUDGET}",
    of_the_hour: f"Window {FULL_WINDOW} only.",
    of_its_own: f"Window {FULL_WINDOW}, and the pinned or uploaded baseline, only.",
}


def _size(name: str, text: str, read: Callable[[Effects], Value], exported: Exported = in_budget) -> Source[Evaluated]:
    """An effect of windows against baselines, where it is exported."""

    def readings(evaluated: Evaluated) -> Iterator[Reading]:
        return ((place, read(effects)) for place, effects in evaluated.view.effects.items() if exported(*place))

    return Source(gauge(name, f"{text} {_WHERE[exported]}", "window", "baseline"), readings)


def _same_input(name: str, text: str, read: Callable[[SameInput], Value]) -> Source[Evaluated]:
    """What became of inputs that were seen before, in the shorter windows."""

    def readings(evaluated: Evaluated) -> Iterator[Reading]:
        windows = [window for window in evaluated.view.windows.values() if window.name in SAME_INPUT_WINDOWS]
        return (((window.name,), read(window.same_input)) for window in windows)

    return Source(gauge(f"same_input_{name}", text, "window"), readings)


SAME_INPUT_WINDOWS: Final = ("5m", "1h")
"""It needs few events: a day would only say later what an hour said."""


def _gate(effect: str, size: str = "above") -> str:
    """Of an effect that chance has a part in where events are few."""
    gate = GATES_BY_EFFECT[effect]
    beyond = f"what is beyond {LONE_SCORE:g} limits (times 1 - {LONE_SCORE:g} / score) is {size} {gate.page:g}"
    ticket = f"a ticket {size} {gate.ticket:g} with a score of {' or '.join(gate.statistics)} above 1"
    return f"Worth {ticket}, a page where {beyond}."


def _own_gate(effect: str, size: str = "above") -> str:
    """Of an effect with an alert of its own."""
    gate = GATES_BY_EFFECT[effect]
    ticket = "" if gate.ticket == gate.page else f"ticket {size} {gate.ticket:g}, a "
    return f"With a score of {' or '.join(gate.statistics)} above 1 worth a {ticket}page {size} {gate.page:g}."


_EITHER_WAY: Final = "further from 0 than"

EFFECTS: Final[tuple[Source[Evaluated], ...]] = (
    _size(
        "changed_share",
        "Best estimate of the share of vectors in the window that are unlike anything in the baseline, 0 to 1, from "
        "their cosines to its anchors. Absent where too few vectors were measured in the frame.",
        lambda effects: effects.changed_share,
        of_the_hour,
    ),
    _size(
        "changed_share_lower_bound",
        "At least this share of the vectors in the window is unlike anything in the baseline, 0 to 1: above the truth "
        f"in at most one window in twenty. {_gate('changed_share_lower_bound')}",
        lambda effects: effects.changed_share_lower_bound,
    ),
    _size(
        "mean_displacement",
        "How far the mean vector of the window is from the baseline's, in squared standard deviations of the baseline "
        "after whitening, less what sampling alone adds: about 0, below it too, with no drift. "
        f"{_gate('mean_displacement')}",
        lambda effects: effects.mean_displacement,
        not_of_minutes,
    ),
    _size(
        "variance_log_ratio",
        "Natural logarithm of the total variance of the vectors in the window over the baseline's: 0 is no change, "
        f"below 0 vectors move together, above 0 apart. {_gate('variance_log_ratio', _EITHER_WAY)}",
        lambda effects: effects.variance_log_ratio,
    ),
    _size(
        "norm_change_ratio",
        "Mean L2 norm in the window over the baseline's, less 1: 0.1 is a tenth longer, below 0 is shorter. "
        f"{_own_gate('norm_change_ratio', _EITHER_WAY)}",
        lambda effects: effects.norm_change_ratio,
    ),
    _size(
        "ood_excess_ratio",
        "Share of the vectors in the window with a cosine to the nearest anchor below the 5 % quantile of the pinned "
        "or uploaded baseline, less the share that the baseline has of such: about 0 with no drift, at most 1.",
        lambda effects: effects.ood_excess_ratio,
        of_the_hour,
    ),
    _size(
        "centroid_cosine",
        "Cosine of the mean vectors of window and baseline, -1 to 1: 1 is the same direction. How close to 1 is "
        "healthy differs from model to model, so that no threshold carries over: alarm on embedding_drift_score.",
        lambda effects: effects.centroid_cosine,
        of_its_own,
    ),
    _same_input(
        "matches",
        "Events of the window whose input (input_hash or probe) the pinned or uploaded baseline knows: what "
        "embedding_same_input_cosine and embedding_same_input_changed_ratio rest on. Absent where no input of the "
        "window was ever seen before.",
        lambda same: same.matches if same.matches or same.repeats else None,
    ),
    _same_input(
        "cosine",
        "Median cosine of the vectors of inputs that the baseline knows to their vectors there: 1 while model, "
        "tokenizer and preprocessing are as they were, whatever is asked. Absent without matches.",
        lambda same: same.median_cosine if same.matches else None,
    ),
    _same_input(
        "changed_ratio",
        f"Share of embedding_same_input_matches with a cosine below {CHANGED_COSINE:g}: the same input, another "
        "vector, so that not the traffic but the model, tokenizer or preprocessing has changed. Says little below "
        f"{MINIMUM_MATCHES} matches. {_own_gate('same_input_changed_ratio')} Absent without matches.",
        lambda same: same.changed_ratio if same.matches else None,
    ),
    _same_input(
        "inconsistent_ratio",
        "Share of the events whose input came minutes before, too, with a cosine to the vector that it had then below "
        f"{CHANGED_COSINE:g}: above {INCONSISTENT_LIMIT:g} versions are mixed or vectors corrupted. Needs no baseline. "
        "Absent where no input came again.",
        lambda same: same.inconsistent_ratio if same.repeats else None,
    ),
)
