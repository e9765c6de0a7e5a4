"""Diagnosis: from the pattern of scores and effects to what probably happened, with the evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from app.drift.effects import Effects
from app.drift.gates import GATES_BY_EFFECT
from app.drift.same_input import LIMIT as CHANGED_LIMIT
from app.drift.same_input import MINIMUM_MATCHES

INCONSISTENT_LIMIT: Final = 0.01
"""Share of repeated inputs that get another vector each time."""

FLOOD_SHARE: Final = 0.03
"""One input's share of a window above its share of the baseline."""

LABEL_SHARE: Final = 0.05
"""Growth of a label value's share of the traffic that explains new content."""

STRANGE_SHARE: Final = 0.5
"""More of the traffic than a new topic or locale takes at once: then it is the vectors that changed."""

STRANGE_DISPLACEMENT: Final = 20.0
"""Squared standard deviations that no mix of known traffic reaches; a healthy hour has 0.5."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a diagnosis is made from."""

    scores: Mapping[str, float]
    """Largest score of each statistic of the alarm family; absent where not known."""
    effects: Effects
    largest_repeat: float = 0.0
    """Share of the window's most frequent input above its share of the baseline."""
    label_growth: Mapping[str, float] = field(default_factory=dict)
    """How much the share of a label value has grown, by "name=value"."""

    def above(self, *statistics: str) -> bool:
        """Whether any of the statistics is above its limit."""
        return any(self.scores.get(statistic, 0.0) > 1 for statistic in statistics)

    @property
    def new_label(self) -> str | None:
        """The label value that has grown most, if it is enough to explain new content."""
        name = max(self.label_growth, key=lambda key: self.label_growth[key], default=None)
        return name if name is not None and self.label_growth[name] > LABEL_SHARE else None

    @property
    def known_inputs(self) -> bool:
        """Enough inputs came again to say whether their vectors changed."""
        return self.effects.same_input_matches >= MINIMUM_MATCHES

    @property
    def other_vectors(self) -> bool:
        """The same inputs give other vectors."""
        return self.known_inputs and (self.effects.same_input_changed_ratio or 0.0) > CHANGED_LIMIT

    @property
    def moved_far(self) -> bool:
        """More has moved than traffic does: without known inputs the vectors themselves are suspected."""
        return (self.effects.changed_share_lower_bound or 0.0) > STRANGE_SHARE or (
            self.effects.mean_displacement or 0.0
        ) > STRANGE_DISPLACEMENT

    @property
    def lengths_moved(self) -> bool:
        """The lengths of vectors left the baseline's."""
        changed = abs(self.effects.norm_change_ratio or 0.0)
        return self.above("norm") and changed > GATES_BY_EFFECT["norm_change_ratio"].ticket


class Cause(NamedTuple):
    """One entry of the table CAUSES."""

    name: str
    """As in the label `cause` of embedding_drift_suspect."""
    title: str
    holds: Callable[[Evidence], bool]
    tell: Callable[[Evidence], str]


class Suspect(NamedTuple):
    """A cause that the evidence points to."""

    cause: str
    title: str
    evidence: str


def diagnose(evidence: Evidence) -> tuple[Suspect, ...]:
    """The causes that the evidence points to, the surest first; none where no statistic is above its limit."""
    if not any(score > 1 for score in evidence.scores.values()) and not _inconsistent(evidence):
        return ()
    return tuple(Suspect(cause.name, cause.title, cause.tell(evidence)) for cause in CAUSES if cause.holds(evidence))


def _inconsistent(evidence: Evidence) -> bool:
    return (evidence.effects.same_input_inconsistent_ratio or 0.0) > INCONSISTENT_LIMIT


def _collapsed(evidence: Evidence) -> bool:
    effects = evidence.effects
    # Vectors that are only shorter have less variance too, by the square of their length.
    of_length = 2 * math.log1p(max(effects.norm_change_ratio or 0.0, -0.999))
    narrower = (effects.variance_log_ratio or 0.0) - of_length < -GATES_BY_EFFECT["variance_log_ratio"].ticket
    return narrower and evidence.above("spread") and not _new_vectors(evidence)


def _new_vectors(evidence: Evidence) -> bool:
    if evidence.known_inputs:
        return evidence.other_vectors
    return evidence.moved_far and not _lengths_alone(evidence) and evidence.new_label is None


def _lengths_alone(evidence: Evidence) -> bool:
    # Cosine to the nearest anchor does not know of lengths: another model moves it, a lost normalisation does not.
    return evidence.lengths_moved and not evidence.above("novelty")


def _new_content(evidence: Evidence) -> bool:
    if _new_vectors(evidence) or _lengths_alone(evidence):
        return False
    return evidence.above("novelty", "joint", "mean_shift") and (evidence.effects.changed_share or 0.0) > 0.01


def _flooded(evidence: Evidence) -> bool:
    # Of new vectors the baseline has none, so that any query asked often would look like a flood.
    if evidence.other_vectors:
        return False
    return evidence.largest_repeat > FLOOD_SHARE and evidence.above("mean_shift", "joint", "spread", "mahalanobis")


def _stale(evidence: Evidence) -> bool:
    return evidence.above("top1", "query_document") and not evidence.above(
        "mean_shift", "novelty", "mahalanobis", "spread", "norm", "same_input", "joint"
    )


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.1f} %"


def _tell_vectors(evidence: Evidence) -> str:
    effects = evidence.effects
    if evidence.known_inputs:
        changed = _percent(effects.same_input_changed_ratio)
        return f"{changed} of {effects.same_input_matches} known inputs give another vector"
    return (
        f"at least {_percent(effects.changed_share_lower_bound)} of the vectors are unlike the baseline's,"
        f" the mean has moved by {effects.mean_displacement or 0.0:.1f} squared standard deviations"
    )


def _tell_content(evidence: Evidence) -> str:
    effects = evidence.effects
    same = " and known inputs keep their vectors" if evidence.known_inputs else ""
    return (
        f"about {_percent(effects.changed_share)} of the vectors (at least"
        f" {_percent(effects.changed_share_lower_bound)}) are unlike anything in the baseline{same}"
    )


def _tell_index(evidence: Evidence) -> str:
    found = []
    if evidence.above("top1"):
        found.append(f"best similarities are at {evidence.scores['top1']:.1f} times their limit")
    if evidence.above("query_document"):
        found.append(f"documents have moved away, {evidence.scores['query_document']:.1f} times their limit")
    return f"{' and '.join(found)}; the queries are as they were"


CAUSES: Final[tuple[Cause, ...]] = (
    Cause(
        "invalid_vectors",
        "invalid vectors: zero, not finite or of another dimension",
        lambda evidence: evidence.above("invalid"),
        lambda evidence: f"{_percent(evidence.effects.invalid_share)} of the vectors are invalid",
    ),
    Cause(
        "normalisation_broken",
        "normalisation lost or scaled",
        lambda evidence: _lengths_alone(evidence) and not evidence.other_vectors,
        lambda evidence: f"the mean length changed by {_percent(evidence.effects.norm_change_ratio)}",
    ),
    Cause(
        "mixed_versions",
        "mixed versions or corruption: one input, several vectors",
        _inconsistent,
        lambda evidence: (
            f"{_percent(evidence.effects.same_input_inconsistent_ratio)} of the inputs that came again within the"
            " window gave another vector"
        ),
    ),
    Cause(
        "model_or_tokenizer_changed",
        "changed model, tokenizer or preprocessing",
        _new_vectors,
        _tell_vectors,
    ),
    Cause(
        "collapsed",
        "vectors collapse towards their mean",
        _collapsed,
        lambda evidence: f"the log of their variance changed by {evidence.effects.variance_log_ratio or 0.0:.2f}",
    ),
    Cause(
        "flood_of_one_query",
        "flood of one query",
        _flooded,
        lambda evidence: f"one input has {_percent(evidence.largest_repeat)} more of the window than of the baseline",
    ),
    Cause(
        "other_language_or_locale",
        "another language, locale or cohort",
        lambda evidence: _new_content(evidence) and evidence.new_label is not None,
        lambda evidence: f"{_tell_content(evidence)}; the share of {evidence.new_label} has grown",
    ),
    Cause(
        "new_topics",
        "new topics",
        lambda evidence: _new_content(evidence) and evidence.new_label is None and not _flooded(evidence),
        _tell_content,
    ),
    Cause(
        "index_stale_or_reembedded",
        "stale or partly re-embedded index",
        _stale,
        _tell_index,
    ),
)
"""Every known cause; a new one is a line here."""
