"""A window held against a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from app.drift import kl
from app.drift.calibration import Calibration
from app.drift.diagnosis import Evidence, Suspect, diagnose
from app.drift.effects import Effects
from app.drift.sums import FrameSums, VectorSums
from app.drift.window import Window
from app.model import Score

SPEAKERS: Final = ("1h", "5m", "24h")
"""Whose diagnosis is told. An hour is surer than five minutes, and a day remembers what is over."""


@dataclass(frozen=True, slots=True)
class Found:
    """One window against one baseline."""

    name: str
    """Of the window."""
    window: Window
    """As the statistics read it."""
    scores: tuple[Score, ...]
    effects: Effects
    similarity_kl: float | None
    largest_repeat: float
    label_growth: Mapping[str, float] = field(default_factory=dict)

    @property
    def highest(self) -> float:
        """The highest score; 0 without any."""
        return max((score.score or 0.0 for score in self.scores), default=0.0)


def hold(
    window: Window,
    name: str,
    baseline: str,
    calibration: Calibration,
    *,
    overrides: Mapping[str, float],
    label_growth: Mapping[str, float],
) -> Found:
    """Scores, effects and the KL of similarities; `overrides` are limits that the user has set."""
    window = _comparable(window, calibration)
    scores = tuple(
        Score(name, baseline, each.signal, each.statistic, each.value, overrides.get(each.statistic, each.limit))
        for each in calibration.read(window)
    )
    now, before = window.top1, calibration.baseline.top1
    divergence = None if now is None or before is None else kl.STATISTIC.compute(now, before)
    return Found(name, window, scores, calibration.effects(window), divergence, window.repeats.largest, label_growth)


def _comparable(window: Window, calibration: Calibration) -> Window:
    """The window without its vectors where the baseline's have another length: a file of another model was loaded."""
    space = None if calibration.vectors is None else calibration.vectors.mean_shift.space
    if space is None or window.vectors.dimension in {0, space.mean.size}:
        return window
    return replace(window, vectors=VectorSums.none(), frame=FrameSums.none(), invalid=0)


def suspects(found: Sequence[Found]) -> tuple[Suspect, ...]:
    """What probably happened, told by the first of SPEAKERS that is over a limit, or else by the first there is."""
    by_window = {each.name: each for each in found}
    present = [by_window[name] for name in SPEAKERS if name in by_window]
    if not present:
        return ()
    speaker = next((each for each in present if each.highest > 1), present[0])
    scores = {score.statistic: score.score for score in speaker.scores if score.score is not None}
    return diagnose(Evidence(scores, speaker.effects, speaker.largest_repeat, speaker.label_growth))
