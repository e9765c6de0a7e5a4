"""How much a number wobbles on its own: noise that shrinks with the events, and wobble that does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.special import chdtri, ndtri, stdtrit

from app.drift.blocks import Blocks
from app.drift.window import Window
from app.model import Floats

FAMILY: Final = 6
"""Statistics that share a look's alpha: mean_shift, novelty, mahalanobis, joint, spread, and norm with top1.

`same_input` and `invalid` hold by other means."""

_EVIDENCE: Final = 0.03
"""Wobble and dependence are counted where chance shows as much in three of a hundred baselines."""


def normal_quantile(alpha: float) -> float:
    """What a standard normal variable exceeds with probability alpha.

    >>> round(normal_quantile(0.025), 2)
    1.96
    """
    return -float(ndtri(alpha))


def student_quantile(freedom: float, alpha: float) -> float:
    """What Student's t exceeds with probability alpha, freedom being that of the estimated variance."""
    return -float(stdtrit(freedom, alpha))


@dataclass(frozen=True, slots=True)
class Noise:
    """The null distribution of a window's mean of some number: mean, noise and wobble."""

    mean: float
    variance: float
    """Of one event, dependence counted: the mean of n events has variance / n."""
    wobble: float
    """Variance from window to window that no number of events removes."""
    freedom: float
    """Degrees of freedom behind `wobble`."""
    events: int
    """Events behind `mean`."""

    @classmethod
    def learn(
        cls,
        blocks: Blocks,
        value: Callable[[Window], float],
        events: Callable[[Window], int],
        variance: float,
    ) -> Self:
        """From a baseline's blocks; `variance` is that of one event if all were independent."""
        pane_values = np.array([value(pane) for pane in blocks.panes])
        pane_events = np.array([events(pane) for pane in blocks.panes], np.float64)
        window_values = np.array([value(window) for window in blocks.windows])
        window_events = np.array([events(window) for window in blocks.windows], np.float64)
        first, second = blocks.neighbours()
        change = (pane_values[second] - pane_values[first]) ** 2
        ratio = change / np.maximum(variance * (1 / pane_events[first] + 1 / pane_events[second]), 1e-300)
        of_one = variance * design_effect(ratio)
        noise = of_one * float((1 / window_events).mean())
        freedom = degrees_of_freedom(window_values)
        return cls(
            mean=float(np.average(window_values, weights=window_events)),
            variance=of_one,
            wobble=excess_variance(window_values, noise),
            freedom=freedom,
            events=events(blocks.baseline),
        )

    def limit(self, n: float, alpha: float, skew: float = 1.0) -> float:
        """How far above `mean` n events may be: a look at a healthy window exceeds it with about alpha / FAMILY.

        `skew` widens the noise of a number whose right tail is longer than a normal one's.
        """
        noise = (skew * normal_quantile(alpha / FAMILY)) ** 2 * self.variance * (1 / n + 1 / self.events)
        return math.sqrt(noise + student_quantile(self.freedom, alpha) ** 2 * self.wobble)


def design_effect(ratios: Floats) -> float:
    """How many times the variance of independent events, >= 1, from squared changes over what those would give.

    Sessions and repeats more than double it. 1 where chance explains the excess (Kish 1965, Survey Sampling).

    >>> design_effect(np.full(100, 2.5))
    2.5
    """
    if not ratios.size:
        return 1.0
    effect = float(ratios.mean())
    # Neighbouring differences share a pane: the variance of their mean square is 3 / k, not 2 / k.
    return effect if effect > 1 + normal_quantile(_EVIDENCE) * math.sqrt(3 / ratios.size) else 1.0


def excess_variance(values: Floats, noise: float) -> float:
    """Variance of the values beyond that of noise; 0 where chance explains the excess."""
    freedom = values.size - 1
    found = float(values.var(ddof=1))
    return max(found - noise, 0.0) if found > noise * float(chdtri(freedom, _EVIDENCE)) / freedom else 0.0


def degrees_of_freedom(values: Floats) -> float:
    """Of the variance of values in the order of time, 3 to 100: neighbours that resemble each other count for less."""
    centred = values - values.mean()
    total = float(centred @ centred)
    lag = float(centred[1:] @ centred[:-1]) / total if total > 0 else 0.0
    lag = lag if lag > normal_quantile(_EVIDENCE / 2) / math.sqrt(values.size) else 0.0
    return float(np.clip(values.size * (1 - lag) / (1 + lag) - 1, 3, 100))
