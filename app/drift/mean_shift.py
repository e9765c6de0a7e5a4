"""Mean shift: how far the window's mean is from the baseline's, in directions that the baseline hardly moves in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
from scipy.special import gammaincinv

from app.drift.blocks import LATER, Blocks
from app.drift.noise import FAMILY, degrees_of_freedom, design_effect, excess_variance, student_quantile
from app.drift.whitening import Dimensions, Whitening
from app.drift.window import Window
from app.model import Floats

DIRECTIONS: Final = 8
"""Directions of wobble that are taken out, at most."""

MIX: Final = 0.015
"""What the mean moves by, in squared standard deviations, where the shares of topics vary by a third: a baseline
without time cannot know of it."""

FLOOR: Final = 0.02
"""A displacement, in squared standard deviations, that is not worth a word."""


class Directions(NamedTuple):
    """Whitened unit directions in which the baseline's panes move by more than sampling."""

    axes: Floats
    """Shape (k, d), k <= 8."""
    wobble: Floats
    """Variance of the mean along each, from pane to pane; shape (k,)."""
    reach: Floats
    """Variance of one row along each; shape (k,)."""

    def deflated(self, delta: Floats, noise: float) -> float:
        """|delta|^2 less what the wobble along these directions explains; `noise` is 1/n + 1/m, dependence counted."""
        share = self.wobble / (self.wobble + noise * self.reach)
        return max(float(delta @ delta) - float((self.axes @ delta) ** 2 @ share), 0.0)


class Moment(NamedTuple):
    """A mean vector of a window, and how many events are behind it."""

    total: Floats
    """Shape (d,)."""
    n: int
    independent: float
    """n less what repeats take from it."""

    @property
    def mean(self) -> Floats:
        """Shape (d,)."""
        return self.total / self.n


def every_vector(window: Window) -> Moment:
    """The mean of all valid vectors."""
    return Moment(np.asarray(window.vectors.total, np.float64), window.vectors.n, window.independent_vectors)


@dataclass(frozen=True, slots=True, eq=False)
class MeanShift:
    """The statistic Q - k h and its limit, Q = |P'(mean - baseline mean)|^2 with the baseline's wobble deflated.

    k = c (1/n + 1/m) with the design effect c; h is the effective dimension, so that with no drift the value is about 0
    and with drift the squared distance in standard deviations. From sums alone.

    A whitened Hotelling T^2 with a ridge (Hotelling 1931, doi 10.1214/aoms/1177732979; Chen et al. 2011,
    doi 10.1198/jasa.2011.ap10599), its null a shifted gamma distribution (Box 1954, doi 10.1214/aoms/1177728786).
    """

    space: Whitening
    moment: Callable[[Window], Moment]
    """Which mean of a window is compared."""
    dimensions: Dimensions
    baseline: Moment
    design_effect: float
    directions: Directions
    drift: float
    """Mean of the value over the baseline's left-out windows, >= 0."""
    wobble: float
    """Its variance there beyond noise."""
    freedom: float

    @classmethod
    def learn(
        cls,
        blocks: Blocks,
        dimensions: Dimensions | None = None,
        moment: Callable[[Window], Moment] = every_vector,
        tolerance: float = MIX,
    ) -> Self:
        """From a baseline's blocks. O(panes^2 d).

        `dimensions` are those of one event's part in the moment, `tolerance` is a displacement that is healthy anyhow.
        """
        space, dimensions = blocks.space, dimensions or blocks.space.dimensions
        baseline = moment(blocks.baseline)
        panes = [moment(pane) for pane in blocks.panes]
        sizes = np.array([pane.n for pane in panes], np.float64)
        shifts = space.whiten(np.stack([pane.mean for pane in panes]) - baseline.mean)
        first, second = blocks.neighbours()
        changes = ((shifts[second] - shifts[first]) ** 2).sum(axis=1)
        ratios = changes / (dimensions.of_baseline(space.rows / baseline.n) * (1 / sizes[first] + 1 / sizes[second]))
        # The mean square over h dimensions varies less than one square does: the evidence is brought to that of one.
        effect = design_effect(1 + (ratios - 1) * math.sqrt(dimensions.gamma_shape))
        effect = float(ratios.mean()) if effect > 1 else 1.0
        learned = cls(
            space=space,
            moment=moment,
            dimensions=dimensions,
            baseline=baseline,
            design_effect=effect,
            directions=_directions(space, dimensions, shifts, sizes, effect),
            drift=0.0,
            wobble=0.0,
            freedom=3.0,
        )
        values, chances, noises = learned._left_out(blocks, shifts, sizes)
        drift, chance = float(values.mean()), float(chances.mean())
        # Two standard errors: what the blocks' mean is above by chance is no drift.
        drift = max(drift if drift > 2 * math.sqrt(chance / values.size) else 0.0, tolerance)
        chance += 4 * drift * float(noises.mean())
        wobble, freedom = excess_variance(values, chance), degrees_of_freedom(values)
        return replace(learned, drift=drift, wobble=wobble, freedom=freedom)

    def rebased(self, baseline: Window) -> MeanShift:
        """Around another baseline's mean."""
        return replace(self, baseline=self.moment(baseline))

    def value(self, window: Window) -> float:
        """Q - k h; about 0 with no drift, else the squared displacement of the mean in standard deviations."""
        now = self.moment(window)
        noise = self._noise(now.independent)
        delta = self.space.whiten(now.mean - self.baseline.mean)
        return self.directions.deflated(delta, noise) - noise * self.dimensions.effective

    def displacement(self, window: Window) -> float:
        """The value before deflation: an effect, comparable between series."""
        now = self.moment(window)
        delta = self.space.whiten(now.mean - self.baseline.mean)
        return float(delta @ delta) - self._noise(now.independent) * self.dimensions.effective

    def limit(self, window: Window, alpha: float) -> float:
        """The value that as many healthy events exceed with a probability of about alpha / FAMILY; > 0."""
        noise = self._noise(self.moment(window).independent)
        shape = self.dimensions.gamma_shape / self.design_effect
        quantile = (float(gammaincinv(shape, 1 - alpha / FAMILY)) - shape) / math.sqrt(shape)
        chance = self._chance(self.moment(window).independent, self.baseline.n) + 4 * noise * self.drift
        chance += window.repeats.concentration * self.dimensions.length_variance
        wobble = student_quantile(self.freedom, alpha) ** 2 * self.wobble
        return max(self.drift + math.sqrt(quantile**2 * chance + wobble), FLOOR)

    def _noise(self, n: float) -> float:
        return self.design_effect * (1 / n + 1 / self.baseline.n)

    def _chance(self, n: float, m: int) -> float:
        """Variance of the value with no drift: of products of different rows, and of each row's own square."""
        effect, space = self.design_effect, self.dimensions
        return effect**2 * (2 * (1 / n + 1 / m) ** 2 * space.squared + (1 / n**3 + 1 / m**3) * space.length_variance)

    def _left_out(self, blocks: Blocks, shifts: Floats, sizes: Floats) -> tuple[Floats, Floats, Floats]:
        """Of each window, without the part of the baseline it belongs to: value, its variance by chance, noise."""
        values, chances, noises = (np.empty(len(blocks.windows)) for _ in range(3))
        own = self.dimensions.of_baseline(self.space.rows / self.baseline.n)
        windows = [self.moment(window) for window in blocks.windows]
        for fold in np.unique(blocks.window_folds):
            members = np.flatnonzero(blocks.window_folds == fold)
            if fold == LATER:
                directions, dimension = self.directions, self.dimensions.effective
                mean, rest = self.baseline.mean, self.baseline.n
            else:
                near = np.abs(blocks.pane_folds - fold) <= 1
                directions = _directions(self.space, self.dimensions, shifts[~near], sizes[~near], self.design_effect)
                inside = [self.moment(blocks.panes[j]) for j in np.flatnonzero(blocks.pane_folds == fold)]
                rest = self.baseline.n - sum(pane.n for pane in inside)
                mean = (self.baseline.total - np.sum([pane.total for pane in inside], axis=0)) / rest
                dimension = own
            for i in members:
                delta = self.space.whiten(windows[i].mean - mean)
                noises[i] = self.design_effect * (1 / windows[i].n + 1 / rest)
                chances[i] = self._chance(windows[i].n, rest)
                values[i] = directions.deflated(delta, noises[i]) - noises[i] * dimension
        return values, chances, noises


def _directions(space: Whitening, dimensions: Dimensions, shifts: Floats, sizes: Floats, effect: float) -> Directions:
    """The leading directions of panes' whitened shifts that exceed sampling noise."""
    panes, events = len(shifts), float(sizes.sum())
    # From their own mean: of a part of the baseline, the distance to the rest would look like wobble.
    weighted = (shifts - np.average(shifts, axis=0, weights=sizes)) * np.sqrt(sizes / events)[:, None]
    values, left = np.linalg.eigh(weighted @ weighted.T)
    values, left = values[: -DIRECTIONS - 1 : -1], left[:, : -DIRECTIONS - 1 : -1]
    noise = effect * panes / events
    # The largest eigenvalue that noise alone makes (Johnstone 2001, doi 10.1214/aos/1009210544), and a fifth more.
    large = values > max(1.2 * noise * (1 + math.sqrt(dimensions.effective / panes)) ** 2, 0.0)
    axes = (left[:, large] / np.sqrt(values[large])).T @ weighted
    reach = space.reach(axes) * (dimensions.effective / space.dimensions.effective)
    return Directions(axes, np.maximum(values[large] - noise * reach, 0.0), reach)
