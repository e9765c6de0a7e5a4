"""How much a number wobbles on its own: noise that shrinks with the events, and wobble that does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
import scipy

from app.drift.blocks import FOLDS, LATER, Blocks
from app.drift.dependence import EVIDENCE, INDEPENDENT, Sizes, Witness, design_effect, noise_of
from app.drift.window import Window
from app.model import Floats

FAMILY: Final = 6
"""Statistics that share a look's alpha: mean_shift, novelty, mahalanobis, joint, spread, and norm with top1.

`same_input` and `invalid` hold by other means."""

PRIOR_FREEDOM: Final = 20.0
"""Degrees of freedom that an expected wobble is worth."""

OWN_FRAME: Final = 1.5
"""How many times the noise of as many other rows a baseline's mean has in the frame that was made of it: which rows
became anchors is chance as well. Measured 1.0 to 2.3."""


def normal_quantile(alpha: float) -> float:
    """What a standard normal variable exceeds with probability alpha.

    >>> round(normal_quantile(0.025), 2)
    1.96
    """
    return -float(scipy.special.ndtri(alpha))


def student_quantile(freedom: float, alpha: float) -> float:
    """What Student's t exceeds with probability alpha, freedom being that of the estimated variance."""
    return -float(scipy.special.stdtrit(freedom, alpha))


@dataclass(frozen=True, slots=True)
class Noise:
    """The null distribution of a window's mean of some number: mean, noise and wobble."""

    mean: float
    variance: float
    """Of one event."""
    effect: float
    """Design effect: the mean of n events has effect times variance / n."""
    wobble: float
    """Variance from window to window that no number of events removes."""
    freedom: float
    """Degrees of freedom behind `wobble`."""
    baseline: float
    """Variance of `mean`, in units of one event's."""

    @classmethod
    def learn(
        cls,
        blocks: Blocks,
        value: Callable[[Window], float],
        rows: Callable[[Window], int],
        variance: float,
        *,
        witness: Witness = INDEPENDENT,
        own: float = 1.0,
        linear: bool = True,
    ) -> Self:
        """From a baseline's blocks.

        `variance` is that of one event, `rows` how many of a window were measured, `witness` what is expected where
        those of the baseline were too few to tell, `own` how many times the usual noise the baseline's mean has.
        `linear` says that the number of a long window is the mean of those of its parts.
        """
        panes = np.array([value(pane) for pane in blocks.panes])
        sizes = Sizes.of(blocks.panes, rows)
        first, second = blocks.neighbours()
        changes = (panes[second] - panes[first]) ** 2 / max(variance, 1e-300)
        effect = design_effect(changes, sizes.take(first), sizes.take(second), witness.effect)

        values = np.array([value(window) for window in blocks.windows])
        sizes = Sizes.of(blocks.windows, rows)
        noises = variance * sizes.noise(effect)
        later = blocks.window_folds == LATER
        # Windows that stand in for longer ones may have another mean: a day's traffic is wider than an hour's.
        own_mean = float(np.average(values[~later], weights=sizes.rows[~later]))
        mean = own_mean if blocks.time_matched and blocks.averaged == 1 else value(blocks.baseline)
        deviations = np.where(later, values - values[later].mean() if later.any() else 0.0, values - own_mean)
        shrunk = np.where(later, 1.0, blocks.averaged if linear else 1.0)
        wobble, freedom = wobble_of(np.sqrt(shrunk) * deviations, shrunk * noises, witness.wobble * variance)
        whole = Sizes.of([blocks.baseline], rows)
        baseline = own * float(whole.noise(effect)[0])
        if blocks.after is not None and whole.rows[0] < whole.vectors[0]:
            since = float(Sizes.of([blocks.after], rows).noise(effect)[0])
            since += wobble / max(variance, 1e-300) / independent_spans(blocks.after, blocks.baseline)
            offset = value(blocks.after) - mean
            # No further than chance explains: what came after may correct the baseline, it must not teach a drift.
            if abs(offset) <= 2 * math.sqrt(variance * (baseline + since)):
                mean += offset * baseline / (baseline + since)
                baseline = baseline * since / (baseline + since)
        return cls(mean, variance, effect, wobble, freedom, baseline)

    def rebased(self, mean: float, variance: float, baseline: Window) -> Noise:
        """Around the mean of another baseline, taken over the rows that were measured in the frame.

        `variance` is that of one of them: what came since may vary more.
        """
        noise = noise_of(float(baseline.frame.n), float(baseline.vectors.n), self.effect)
        return replace(self, mean=mean, variance=max(self.variance, variance), baseline=noise)

    def noise(self, rows: float, vectors: float) -> float:
        """Variance of the mean of a window beside that of the baseline."""
        return self.variance * (noise_of(rows, vectors, self.effect) + self.baseline)

    def limit(self, rows: float, vectors: float, alpha: float, skewness: float = 0.0) -> float:
        """How far above `mean` a healthy window is with a probability of about alpha / FAMILY.

        `rows` of its `vectors` are measured. `skewness` is that of one event (Cornish and Fisher 1938).
        """
        quantile = normal_quantile(alpha / FAMILY)
        quantile += (quantile**2 - 1) / 6 * skewness * math.sqrt(noise_of(rows, vectors, self.effect))
        noise = quantile**2 * self.noise(rows, vectors)
        return math.sqrt(noise + student_quantile(self.freedom, alpha) ** 2 * self.wobble)


def independent_spans(after: Window, baseline: Window) -> float:
    """How many spans of time wobble on their own: an eighth of the baseline is one, as where it is left out."""
    return max(FOLDS * after.vectors.n / baseline.vectors.n, 1.0)


class Wobble(NamedTuple):
    """A variance beyond noise, and how well it is known."""

    variance: float
    freedom: float


def wobble_of(deviations: Floats, noises: Floats, expected: float) -> Wobble:
    """From deviations of windows, in the order of time, with these variances by chance.

    Where some wobble is `expected`, windows count by how much they could show of it.
    """
    freedom = degrees_of_freedom(deviations)
    if expected <= 0:
        return Wobble(excess_variance(deviations, float(noises.mean())), freedom)
    weights = freedom / deviations.size / (2 * (noises + expected) ** 2)
    prior = PRIOR_FREEDOM / (2 * expected**2)
    information = float(weights.sum()) + prior
    found = max(float(weights @ (deviations**2 - noises)), 0.0)
    variance = (found + prior * expected) / information
    return Wobble(variance, float(np.clip(2 * variance**2 * information, 3, 100)))


def excess_variance(values: Floats, noise: float) -> float:
    """Variance of the values beyond that of noise; 0 where chance explains the excess."""
    freedom = values.size - 1
    found = float(values.var(ddof=1))
    return max(found - noise, 0.0) if found > noise * float(scipy.special.chdtri(freedom, EVIDENCE)) / freedom else 0.0


def degrees_of_freedom(values: Floats) -> float:
    """Of the variance of values in the order of time, 3 to 100: neighbours that resemble each other count for less."""
    centred = values - values.mean()
    total = float(centred @ centred)
    lag = float(centred[1:] @ centred[:-1]) / total if total > 0 else 0.0
    lag = lag if lag > normal_quantile(EVIDENCE / 2) / math.sqrt(values.size) else 0.0
    return float(np.clip(values.size * (1 - lag) / (1 + lag) - 1, 3, 100))
