"""A window held against a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.drift import kl
from app.drift.calibration import Calibration
from app.drift.diagnosis import Evidence, Suspect, diagnose
from app.drift.effects import Effects
from app.drift.sums import FrameSums, VectorSums
from app.drift.window import Window
from app.model import Score


@dataclass(frozen=True, slots=True)
class Found:
    """One window against one baseline."""

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
    return Found(window, scores, calibration.effects(window), divergence, window.repeats.largest, label_growth)


def _comparable(window: Window, calibration: Calibration) -> Window:
    """The window without its vectors where the baseline's have another length: a file of another model was loaded."""
    space = None if calibration.vectors is None else calibration.vectors.mean_shift.space
    if space is None or window.vectors.dimension in {0, space.mean.size}:
        return window
    return replace(window, vectors=VectorSums.none(), frame=FrameSums.none(), invalid=0)


def suspects(found: Sequence[Found]) -> tuple[Suspect, ...]:
    """What probably happened, told by the window that is furthest over its limits."""
    if not found:
        return ()
    worst = max(found, key=lambda each: each.highest)
    scores = {score.statistic: score.score for score in worst.scores if score.score is not None}
    return diagnose(Evidence(scores, worst.effects, worst.largest_repeat, worst.label_growth))
