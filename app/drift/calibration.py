"""Limits of the alarm family for windows of one duration, and the scores of windows against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from app.drift.blocks import Blocks
from app.drift.effects import NOTHING_CHANGED, Effects, Novelties
from app.drift.invalid import Invalid
from app.drift.joint import learn_novel_shift, together
from app.drift.mahalanobis import MeanDistance
from app.drift.mean_shift import MeanShift
from app.drift.norm import Norm
from app.drift.novelty import Novelty
from app.drift.same_input import LIMIT as SAME_INPUT_LIMIT
from app.drift.same_input import MINIMUM_MATCHES
from app.drift.spread import Spread
from app.drift.top1 import Top1
from app.drift.window import Window

MINIMUM_EVENTS = 50
"""A window with fewer vectors says next to nothing."""


class Reading(NamedTuple):
    """One statistic of the alarm family in one window."""

    statistic: str
    signal: str
    value: float
    """In the statistic's own unit; about 0 or less with no drift."""
    limit: float
    """What healthy windows of that many events hardly ever exceed; > 0."""

    @property
    def score(self) -> float:
        """Value over limit, at least 0: 1 is the limit."""
        return max(self.value / self.limit, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a baseline's blocks say about windows of one duration."""

    mean_shift: MeanShift
    novelty: Novelty
    mahalanobis: MeanDistance
    spread: Spread
    norm: Norm | None
    top1: Top1 | None
    joint: MeanShift
    """Of the novel rows alone."""
    invalid: Invalid
    novelties: Novelties
    alpha: float
    """Probability that a look at a healthy window exceeds any limit."""
    windows: int
    """Windows that it was learned from."""
    time_matched: bool
    """False: the baseline has not eight windows of the duration, the limits are those of shorter ones."""

    @classmethod
    def learn(cls, blocks: Blocks, alpha: float) -> Self:
        """From a baseline's blocks; `alpha` in (0, 0.1), see `alpha_of_budget`."""
        baseline = blocks.baseline
        mean_shift = MeanShift.learn(blocks)
        witness = mean_shift.witness
        return cls(
            mean_shift=mean_shift,
            novelty=Novelty.learn(blocks, witness),
            mahalanobis=MeanDistance.learn(blocks, witness),
            spread=Spread.learn(blocks),
            norm=Norm.learn(blocks, alpha),
            top1=Top1.learn(blocks, alpha),
            joint=learn_novel_shift(blocks, witness),
            invalid=Invalid(baseline.invalid, baseline.invalid + baseline.vectors.n),
            novelties=Novelties.learn(blocks, witness),
            alpha=alpha,
            windows=len(blocks.windows),
            time_matched=blocks.time_matched,
        )

    def read(self, window: Window) -> tuple[Reading, ...]:
        """Every statistic of the alarm family that the window has the events for. O(d rank)."""
        readings = []
        if window.vectors.n >= MINIMUM_EVENTS and window.frame.n >= MINIMUM_EVENTS:
            readings += self._read_vectors(window)
        if self.norm is not None and window.norms is not None and window.norms.n >= MINIMUM_EVENTS:
            readings.append(Reading("norm", "norm", self.norm.value(window.norms), self.norm.limit(window.norms)))
        if self.top1 is not None and window.top1 is not None and window.top1.n >= MINIMUM_EVENTS:
            limit = self.top1.limit(window.top1)
            readings.append(Reading("top1", "top1_similarity", self.top1.value(window.top1), limit))
        came = window.invalid + window.vectors.n
        if came >= MINIMUM_EVENTS:
            value, limit = self.invalid.value(window.invalid, came), self.invalid.limit(came, self.alpha)
            readings.append(Reading("invalid", "embedding", value, limit))
        same = window.same_input
        if same is not None and same.matches >= MINIMUM_MATCHES:
            readings.append(Reading("same_input", "embedding", same.changed_ratio, SAME_INPUT_LIMIT))
        return tuple(readings)

    def effects(self, window: Window) -> Effects:
        """How large the change is; of the vectors 0 where there are fewer than MINIMUM_EVENTS."""
        enough = min(window.vectors.n, window.frame.n) >= MINIMUM_EVENTS
        share = NOTHING_CHANGED
        if enough:
            share = self.novelties.changed_share(window)
        same = window.same_input
        return Effects(
            changed_share=share.estimate,
            changed_share_lower_bound=share.lower_bound,
            mean_displacement=self.mean_shift.displacement(window) if enough else 0.0,
            variance_log_ratio=self.spread.log_ratio(window) if enough else 0.0,
            norm_change_ratio=None
            if self.norm is None or window.norms is None
            else self.norm.change_ratio(window.norms),
            invalid_share=window.invalid_share,
            same_input_cosine=None if same is None or not same.matches else same.median_cosine,
            same_input_changed_ratio=None if same is None or not same.matches else same.changed_ratio,
            same_input_matches=0 if same is None else same.matches,
            same_input_inconsistent_ratio=None if same is None or not same.repeats else same.inconsistent_ratio,
        )

    def _read_vectors(self, window: Window) -> list[Reading]:
        alpha = self.alpha
        shift = Reading("mean_shift", "embedding", self.mean_shift.value(window), self.mean_shift.limit(window, alpha))
        novelty = Reading("novelty", "embedding", self.novelty.value(window), self.novelty.limit(window, alpha))
        distance, most = self.mahalanobis.value(window), self.mahalanobis.limit(window, alpha)
        novel_shift = self.joint.value(window) / self.joint.limit(window, alpha)
        return [
            shift,
            novelty,
            Reading("mahalanobis", "embedding", distance, most),
            Reading("spread", "embedding", self.spread.value(window), self.spread.limit(window, alpha)),
            Reading("joint", "embedding", together(novel_shift, shift.score, novelty.score), 1.0),
        ]
