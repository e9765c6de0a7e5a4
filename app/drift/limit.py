"""How large a statistic may grow before it is called drift: learned from the baseline's own time blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from app.distribution import Distribution
from app.drift.statistic import Statistic
from app.model import Floats

ALPHA: Final = 1e-5
"""How often one look at a healthy window may exceed its limit.

A 5-minute window is worth about three independent looks, 860 a day: one crossing in 115 days for one score.
"""

MINIMUM_BLOCKS: Final = 8
"""Fewer blocks leave the spread of the statistic unknown to more than a factor of two."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of one statistic of one signal against one baseline, as a function of the window's events."""

    value: float
    """What the blocks say about `events` events, in the statistic's unit; >= 0, and > 0 where `floor` is 0."""
    events: float
    """Median size of the blocks it was learned from."""
    baseline_events: int
    noise_exponent: float
    floor: float
    """The statistic of a change that is not worth a word (see `resolution_floor`); the limit is never below it."""
    blocks: int
    """How many blocks it was learned from."""

    def at(self, n: int) -> float:
        """The limit for a window of n >= 1 events; finite, > 0, never rising with n.

        Below `events` it grows as sampling noise does. Above, it stays: how much of the blocks' spread is noise
        and how much is wobble from block to block, which does not shrink, is not known here.

        >>> limit = Limit(value=0.2, events=500, baseline_events=10**9, noise_exponent=0.5, floor=0.01, blocks=24)
        >>> round(limit.at(125), 6), limit.at(500), limit.at(50_000)
        (0.4, 0.2, 0.2)
        """
        growth = (1 / n + 1 / self.baseline_events) / (1 / self.events + 1 / self.baseline_events)
        return max(self.floor, self.value * math.pow(max(1.0, growth), self.noise_exponent))


def learn_limit(
    values: Sequence[float] | Floats,
    block_events: Sequence[int] | Floats,
    baseline_events: int,
    statistic: Statistic,
    floor: float = 0.0,
    *,
    alpha: float = ALPHA,
) -> Limit | None:
    """The limit that a look at a healthy window exceeds with probability `alpha`.

    `values[j]` is statistic(block j, whole baseline), blocks being J spans of time of the baseline, all of one
    duration, with `block_events[j]` events each. A window of that duration is to be held against it. None where
    fewer than 8 blocks have `statistic.minimum_events`, or where nothing says what is large: the blocks never
    differ and `floor` is 0.

    - Each block is a part of the whole w = n_j / M that it is compared with. F_block - F_rest is exactly
      (F_block - F_whole) / (1 - w), so distances are divided by 1 - w and divergences by its square.
    - Blocks are brought to their median size n0 by the noise of sampling, (1/n + 1/M)^p.
    - The limit is the 1 - alpha quantile of the gamma distribution with the blocks' mean and variance: statistics
      are positive and skewed. The standard deviation is first multiplied by t(J-1) / z sqrt(1 + 1/J), as for a
      prediction limit of Student's t: 2.5 at 8 blocks, 1.3 at 24, 1.02 at 288.
    - It is at least the largest of the blocks: what the baseline itself did is not drift. And at least what independent
      events exceed with probability alpha, where that is known: less noise than that no traffic has. It matters to KL,
      which reads 0 in half of all blocks.

    Raises ValueError where a block has as many events as the whole baseline, or the lengths differ.
    """
    reading = np.asarray(values, dtype=np.float64)
    sizes = np.asarray(block_events, dtype=np.float64)
    if reading.shape != sizes.shape:
        raise ValueError(f"one value a block is needed, got {reading.size} values of {sizes.size} blocks")
    if np.any(sizes >= baseline_events):
        raise ValueError(f"each block must be a part of the baseline's {baseline_events} events")
    large = sizes >= statistic.minimum_events
    reading, sizes = reading[large], sizes[large]
    if reading.size < MINIMUM_BLOCKS:
        return None
    exponent = statistic.noise_exponent
    events = float(np.median(sizes))
    left_out = reading / (1 - sizes / baseline_events) ** (2 * exponent)
    noise = 1 / sizes + 1 / baseline_events
    common = left_out * ((1 / events + 1 / baseline_events) / noise) ** exponent
    value = max(_gamma_limit(common, alpha), float(common.max()))
    if statistic.noise_quantile is not None:
        value = max(value, statistic.noise_quantile(alpha) * (1 / events + 1 / baseline_events) ** exponent)
    if max(value, floor) <= 0:
        return None
    return Limit(value, events, baseline_events, exponent, floor, reading.size)


def resolution_floor(statistic: Statistic, baseline: Distribution, resolution: float) -> float:
    """What the statistic reads when every event of the baseline moves by `resolution`, up or down.

    A change that small comes from how numbers are stored, not from what was embedded: float16 rounds a number, or the
    norm of a vector, by at most 2^-11 = 0.05 % of itself. As the `floor` of a limit this keeps every statistic
    silent on it, those without a unit too: on norms that are all 1.0 Kolmogorov-Smirnov reads 1 for a shift of
    1e-7, so its floor there is 1, while on a signal that is spread out its floor is next to 0.

    `resolution` is in the signal's unit, > 0. No movement of events by at most `resolution` each can exceed this in
    wasserstein or ks (F(x - r) <= G(x) <= F(x + r)), nor by more than sqrt(2) in energy_distance.

    >>> from app.drift import ks, wasserstein
    >>> constant = Distribution.of([1.0] * 50)
    >>> round(resolution_floor(wasserstein.STATISTIC, constant, 1e-3), 9)
    0.001
    >>> resolution_floor(ks.STATISTIC, constant, 1e-3)
    1.0
    """
    return max(
        statistic.compute(Distribution(baseline.values + step, baseline.cumulative, baseline.n), baseline)
        for step in (-resolution, resolution)
    )


def _gamma_limit(values: Floats, alpha: float) -> float:
    """The 1 - alpha quantile of a gamma distribution fitted to the values' mean and, widened, their variance."""
    mean = float(values.mean())
    widening = scipy.special.stdtrit(values.size - 1, alpha) / scipy.special.ndtri(alpha) * np.sqrt(1 + 1 / values.size)
    variance = (float(values.std(ddof=1)) * float(widening)) ** 2
    if variance == 0:
        return mean
    return float(scipy.special.gammainccinv(mean**2 / variance, alpha)) * variance / mean
