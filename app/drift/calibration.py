"""Limits of the alarm family for windows of one duration, and the scores of windows against them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from app.distribution import Distribution
from app.drift.blocks import Blocks, Spans
from app.drift.centroid_cosine import centroid_cosine
from app.drift.effects import Effects, Novelties
from app.drift.invalid import Invalid
from app.drift.joint import learn_novel_shift, together
from app.drift.mahalanobis import MeanDistance
from app.drift.mean_shift import MeanShift
from app.drift.norm import Norm
from app.drift.novelty import Novelty
from app.drift.same_input import LIMIT as SAME_INPUT_LIMIT
from app.drift.same_input import MINIMUM_MATCHES
from app.drift.spread import Spread
from app.drift.sums import FrameSums
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
class VectorLimits:
    """What a baseline's blocks say about the vectors of windows of one duration."""

    mean_shift: MeanShift
    novelty: Novelty
    mahalanobis: MeanDistance
    spread: Spread
    joint: MeanShift | None
    """Of the novel rows alone; None where what the baseline's had in common was left out."""
    novelties: Novelties

    @classmethod
    def learn(cls, blocks: Blocks) -> Self:
        """From a baseline's blocks."""
        mean_shift = MeanShift.learn(blocks)
        witness = mean_shift.witness
        return cls(
            mean_shift=mean_shift,
            novelty=Novelty.learn(blocks, witness),
            mahalanobis=MeanDistance.learn(blocks, witness),
            spread=Spread.learn(blocks, witness),
            joint=learn_novel_shift(blocks, witness) if blocks.baseline.frame.novel.size else None,
            novelties=Novelties.learn(blocks, witness),
        )

    def rebased(self, baseline: Window) -> VectorLimits:
        """The same limits around the vectors of another baseline."""
        measured = baseline.frame.n >= MINIMUM_EVENTS
        return replace(
            self,
            mean_shift=self.mean_shift.rebased(baseline),
            spread=self.spread.rebased(baseline),
            novelty=self.novelty.rebased(baseline) if measured else self.novelty,
            mahalanobis=self.mahalanobis.rebased(baseline) if measured else self.mahalanobis,
            # A row's part in the mean of the novel ones is as large as it is novel.
            joint=self.joint.rebased(baseline, self.novelty.deeper(baseline))
            if measured and self.joint is not None
            else self.joint,
            novelties=self.novelties.rebased(baseline) if measured else self.novelties,
        )

    def read(self, window: Window, alpha: float) -> list[Reading]:
        """The statistics of the sums, and those of the rows that were measured in the frame, if there are enough."""
        shift = Reading("mean_shift", "embedding", self.mean_shift.value(window), self.mean_shift.limit(window, alpha))
        spread = Reading("spread", "embedding", self.spread.value(window), self.spread.limit(window, alpha))
        if window.frame.n < MINIMUM_EVENTS:
            return [shift, spread]
        novelty = Reading("novelty", "embedding", self.novelty.value(window), self.novelty.limit(window, alpha))
        distance = Reading(
            "mahalanobis", "embedding", self.mahalanobis.value(window), self.mahalanobis.limit(window, alpha)
        )
        if self.joint is None:
            return [shift, spread, novelty, distance]
        novel_shift = self.joint.value(window) / self.joint.limit(window, alpha)
        joint = Reading("joint", "embedding", together(novel_shift, shift.score, novelty.score), 1.0)
        return [shift, spread, novelty, distance, joint]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a baseline's blocks say about windows of one duration."""

    baseline: Window
    vectors: VectorLimits | None
    """None where the baseline has no frame."""
    norm: Norm | None
    top1: Top1 | None
    invalid: Invalid
    alpha: float
    """Probability that a look at a healthy window exceeds any limit."""
    windows: int
    """Windows that it was learned from."""
    time_matched: bool
    """False: the baseline has not eight windows of the duration, the limits are those of shorter ones."""
    same_input: bool = True
    """Whether the baseline is the one whose inputs are known."""

    @classmethod
    def learn(cls, spans: Spans, alpha: float) -> Self:
        """From a baseline's blocks, or from its spans alone where it has no vectors.

        `alpha` in (0, 0.1), see `alpha_of_budget`.
        """
        baseline = spans.baseline
        return cls(
            baseline=baseline,
            vectors=VectorLimits.learn(spans) if isinstance(spans, Blocks) else None,
            norm=Norm.learn(spans, alpha),
            top1=Top1.learn(spans, alpha),
            invalid=Invalid(baseline.invalid, baseline.invalid + baseline.vectors.n),
            alpha=alpha,
            windows=len(spans.windows),
            time_matched=spans.time_matched,
        )

    @property
    def has_limits(self) -> bool:
        """Whether any statistic but the share of invalid vectors has one."""
        return self.vectors is not None or self.norm is not None or self.top1 is not None

    def rebased(self, baseline: Window) -> Calibration:
        """The same limits held around another baseline, measured in the same frame: a trailing one, or a peer.

        What the other baseline has not seen enough of is not read.
        """
        vectors = self.vectors if baseline.vectors.n >= MINIMUM_EVENTS else None
        norm, top1 = _enough(baseline.norms), _enough(baseline.top1)
        return replace(
            self,
            baseline=baseline,
            same_input=False,
            vectors=None if vectors is None else vectors.rebased(baseline),
            norm=None if self.norm is None or norm is None else self.norm.rebased(norm),
            top1=None if self.top1 is None or top1 is None else self.top1.rebased(top1),
            invalid=Invalid(baseline.invalid, baseline.invalid + baseline.vectors.n),
        )

    def read(self, window: Window) -> tuple[Reading, ...]:
        """Every statistic of the alarm family that the window has the events for. O(d rank)."""
        readings = []
        if self.vectors is not None and window.vectors.n >= MINIMUM_EVENTS:
            readings += self.vectors.read(self._comparable(window), self.alpha)
        norms, top1 = _enough(window.norms), _enough(window.top1)
        if self.norm is not None and norms is not None:
            readings.append(Reading("norm", "norm", self.norm.value(norms), self.norm.limit(norms)))
        if self.top1 is not None and top1 is not None:
            readings.append(Reading("top1", "top1_similarity", self.top1.value(top1), self.top1.limit(top1)))
        came = window.invalid + window.vectors.n
        if came >= MINIMUM_EVENTS and self.invalid.events:
            value, limit = self.invalid.value(window.invalid, came), self.invalid.limit(came, self.alpha)
            readings.append(Reading("invalid", "embedding", value, limit))
        same = window.same_input if self.same_input else None
        if same is not None and same.matches >= MINIMUM_MATCHES:
            readings.append(Reading("same_input", "embedding", same.changed_ratio, SAME_INPUT_LIMIT))
        return tuple(readings)

    def effects(self, window: Window) -> Effects:
        """How large the change is; None is what there are too few events to say."""
        vectors = self.vectors if window.vectors.n >= MINIMUM_EVENTS else None
        window = self._comparable(window)
        frame = window.frame
        share = excess = None
        if vectors is not None and frame.n >= MINIMUM_EVENTS:
            share = vectors.novelties.changed_share(window)
            excess = vectors.novelties.out_of_distribution_excess(frame)
        norms = _enough(window.norms)
        same = window.same_input if self.same_input else None
        return Effects(
            changed_share=None if share is None else share.estimate,
            changed_share_lower_bound=None if share is None else share.lower_bound,
            mean_displacement=None if vectors is None else vectors.mean_shift.displacement(window),
            variance_log_ratio=None if vectors is None else vectors.spread.log_ratio(window),
            norm_change_ratio=None if self.norm is None or norms is None else self.norm.change_ratio(norms),
            ood_excess_ratio=excess,
            centroid_cosine=None if vectors is None else centroid_cosine(window.vectors, self.baseline.vectors),
            invalid_share=window.invalid_share,
            same_input_cosine=None if same is None or not same.matches else same.median_cosine,
            same_input_changed_ratio=None if same is None or not same.matches else same.changed_ratio,
            same_input_matches=0 if same is None else same.matches,
            same_input_inconsistent_ratio=None
            if same is None or same.repeats < MINIMUM_MATCHES
            else same.inconsistent_ratio,
        )

    def _comparable(self, window: Window) -> Window:
        """The window without rows in the frame where the baseline has none to hold them against."""
        return window if self.baseline.frame.n >= MINIMUM_EVENTS else replace(window, frame=FrameSums.none())


def _enough(distribution: Distribution | None) -> Distribution | None:
    return distribution if distribution is not None and distribution.n >= MINIMUM_EVENTS else None
