"""Mean shift: how far the window's mean is from the baseline's, in directions that the baseline hardly moves in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
import scipy

from app.drift.blocks import LATER, Blocks
from app.drift.dependence import INDEPENDENT, Number, Sizes, Witness, design_effect
from app.drift.directions import Directions, leading_directions
from app.drift.moment import Moment, every_vector, sizes_of
from app.drift.noise import FAMILY, independent_spans, normal_quantile, student_quantile, wobble_of
from app.drift.whitening import Dimensions, Whitening
from app.drift.window import Window
from app.model import Floats

MIX: Final = 0.015
"""What the mean moves by, in squared standard deviations, where the shares of topics vary by a third: a baseline
without time cannot know of it."""

FLOOR: Final = 0.02
"""A displacement, in squared standard deviations, that is not worth a word."""


LEAST_SHAPE: Final = 1.0
"""Of the gamma distribution of wobble's sum of squares: as if it went along two directions alone."""


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
    centre: Floats
    """What windows are compared with: the baseline's mean, corrected where that was taken over few rows; shape (d,)."""
    centre_noise: float
    """Its variance, in units of one row's."""
    design_effect: float
    directions: Directions
    drift: float
    """Mean of the value over the baseline's left-out windows, >= 0."""
    wobble: float
    """Its variance there beyond noise."""
    freedom: float
    floor: float
    """Least limit."""
    witness: Witness
    """What the panes say of traffic, before deflation."""

    @classmethod
    def learn(
        cls,
        blocks: Blocks,
        *,
        dimensions: Dimensions | None = None,
        moment: Callable[[Window], Moment] = every_vector,
        tolerance: float = MIX,
        floor: float = FLOOR,
        expected: Witness = INDEPENDENT,
        own: float = 1.0,
    ) -> Self:
        """From a baseline's blocks. O(panes^2 d).

        `dimensions` are those of one event's part in the moment, `tolerance` is a displacement that is healthy anyhow,
        `expected` counts as far as rows were too few to tell, `own` is how many times the usual noise the baseline's
        mean has.
        """
        space, dimensions = blocks.space, dimensions or blocks.space.dimensions
        baseline = moment(blocks.baseline)
        panes = [moment(pane) for pane in blocks.panes]
        sizes = sizes_of(panes)
        shifts = space.whiten(np.stack([pane.mean for pane in panes]) - baseline.mean)
        first, second = blocks.neighbours()
        changes = ((shifts[second] - shifts[first]) ** 2).sum(axis=1)
        # The mean square over h dimensions varies less than one square does.
        effect = design_effect(
            changes / dimensions.of_baseline(space.rows / baseline.rows),
            sizes.take(first),
            sizes.take(second),
            expected.effect,
            dimensions.gamma_shape,
        )
        learned = cls(
            space=space,
            moment=moment,
            dimensions=dimensions,
            baseline=baseline,
            centre=baseline.mean,
            centre_noise=own * baseline.noise(effect),
            design_effect=effect,
            directions=leading_directions(space, dimensions, shifts, sizes, effect),
            drift=0.0,
            wobble=0.0,
            freedom=3.0,
            floor=floor,
            witness=Witness(effect, 0.0),
        )
        if blocks.after is not None:
            spans = independent_spans(blocks.after, blocks.baseline)
            learned = learned._recentred(moment(blocks.after), expected, spans)
        of_baseline = blocks.window_folds != LATER
        shrunk = np.where(of_baseline, blocks.averaged, 1.0)
        left_out = learned.left_out(blocks, shifts, sizes, own).times(shrunk)
        moved = _evident(left_out.displacements[of_baseline], left_out.chances[of_baseline])
        usual = expected.wobble * dimensions.effective
        spread = (expected.swing * dimensions.effective) ** 2
        weights = 1 / (left_out.chances + spread)
        centre = float(weights @ left_out.values / weights.sum())
        if usual > 0:
            prior = 4 / usual**2
            found = float(weights @ np.clip(left_out.values, None, 2 * usual)) / float(weights.sum())
            drift = (float(weights.sum()) * max(found, 0.0) + prior * usual) / (float(weights.sum()) + prior)
            drift = max(drift, tolerance)
        else:
            drift = max(_evident(left_out.values, left_out.chances), tolerance)
        chances = left_out.chances + 4 * drift * left_out.noises
        wobble = wobble_of(left_out.values - centre, chances, spread)
        return replace(
            learned,
            drift=drift,
            wobble=wobble.variance,
            freedom=wobble.freedom,
            witness=Witness(effect, moved / dimensions.effective, math.sqrt(wobble.variance) / dimensions.effective),
        )

    def rebased(self, baseline: Window, wider: float = 1.0) -> MeanShift:
        """Around another baseline's mean, one row's part in which varies `wider` times as much; >= 1."""
        moment = self.moment(baseline)
        return replace(
            self,
            baseline=moment,
            centre=moment.mean,
            centre_noise=moment.noise(self.design_effect),
            dimensions=self.dimensions.times(wider),
        )

    def value(self, window: Window) -> float:
        """Q - k h; about 0 with no drift, else the squared displacement of the mean in standard deviations."""
        now = self.moment(window)
        noise = self._noise(now)
        delta = self.space.whiten(now.mean - self.centre)
        return float(self.directions.deflated(delta[None], np.array([noise]))[0]) - noise * self.dimensions.effective

    def displacement(self, window: Window) -> float:
        """The value before deflation: an effect, comparable between series."""
        now = self.moment(window)
        delta = self.space.whiten(now.mean - self.centre)
        return float(delta @ delta) - self._noise(now) * self.dimensions.effective

    def limit(self, window: Window, alpha: float) -> float:
        """The value that as many healthy events exceed with a probability of about alpha / FAMILY; > 0."""
        now = self.moment(window)
        own = now.noise(self.design_effect)
        shape = self.dimensions.gamma_shape / (own * now.rows / now.repeats)
        quantile = (float(scipy.special.gammaincinv(shape, 1 - alpha / FAMILY)) - shape) / math.sqrt(shape)
        chance = self._chance(own, self.centre_noise) + 4 * self._noise(now) * self.drift
        chance += window.repeats.concentration * self.dimensions.length_variance
        wobble = self._wobble_quantile(alpha) ** 2 * self.wobble
        return max(self.drift + math.sqrt(quantile**2 * chance + wobble), self.floor)

    def _wobble_quantile(self, alpha: float) -> float:
        """Of the standardised sum of squares that wobble makes, widened as Student's t is for its few windows."""
        if self.wobble <= 0:
            return 0.0
        shape = max(self.drift**2 / self.wobble, LEAST_SHAPE)
        quantile = (float(scipy.special.gammaincinv(shape, 1 - alpha)) - shape) / math.sqrt(shape)
        return quantile * student_quantile(self.freedom, alpha) / normal_quantile(alpha)

    def _noise(self, now: Moment) -> float:
        return now.noise(self.design_effect) + self.centre_noise

    def _chance(self, current: Number, baseline: float) -> Number:
        """Variance of the value with no drift: of products of different rows, and of each row's own square."""
        space = self.dimensions
        products = 2 * (current + baseline) ** 2 * space.squared
        return products + (current**3 + baseline**3) * space.length_variance

    def _recentred(self, after: Moment, expected: Witness, spans: float) -> Self:
        """With the mean of the healthy traffic since the baseline, of so many independent spans, taken into account.

        Not where it is further away than chance explains: that would teach a drift.
        """
        since = after.noise(self.design_effect) + expected.wobble / spans
        noise = self.centre_noise + since
        delta = self.space.whiten(after.mean - self.centre)
        excess = float(delta @ delta) - noise * self.dimensions.effective
        swing = expected.swing * self.dimensions.effective / spans
        if excess > 2 * math.sqrt(self._chance(since, self.centre_noise) + swing**2):
            return self
        share = self.centre_noise / noise
        return replace(
            self,
            centre=self.centre + share * (after.mean - self.centre),
            centre_noise=self.centre_noise * since / noise,
        )

    def left_out(self, blocks: Blocks, shifts: Floats, sizes: Sizes, own: float) -> LeftOut:
        """Every window held against the part of the baseline that it does not belong to.

        `shifts` are the panes' whitened distances from the baseline's mean, of these sizes.
        """
        count = len(blocks.windows)
        found = LeftOut(np.empty(count), np.empty(count), np.empty(count), np.empty(count))
        inside = self.dimensions.of_baseline(self.space.rows / self.baseline.rows)
        moments = [self.moment(window) for window in blocks.windows]
        windows, means = sizes_of(moments), np.stack([moment.mean for moment in moments])
        repeats = np.array([moment.repeats for moment in moments])
        for fold in np.unique(blocks.window_folds):
            members = np.flatnonzero(blocks.window_folds == fold)
            if fold == LATER:
                directions, dimension = self.directions, self.dimensions.effective
                mean, rest_noise = self.centre, self.centre_noise
            else:
                near = np.abs(blocks.pane_folds - fold) <= 1
                kept = np.flatnonzero(~near)
                directions = leading_directions(
                    self.space, self.dimensions, shifts[kept], sizes.take(kept), self.design_effect
                )
                rest = self._without([blocks.panes[j] for j in np.flatnonzero(blocks.pane_folds == fold)])
                mean, rest_noise = rest.mean, own * rest.noise(self.design_effect)
                dimension = inside
            deltas = self.space.whiten(means[members] - mean)
            window_noise = repeats[members] * windows.take(members).noise(self.design_effect)
            noise = window_noise + rest_noise
            found.values[members] = directions.deflated(deltas, noise) - noise * dimension
            found.displacements[members] = (deltas**2).sum(axis=1) - noise * dimension
            found.chances[members] = self._chance(window_noise, rest_noise)
            found.noises[members] = noise
        return found

    def _without(self, panes: list[Window]) -> Moment:
        """The baseline without these."""
        inside = [self.moment(pane) for pane in panes]
        return Moment(
            self.baseline.total - np.sum([pane.total for pane in inside], axis=0),
            self.baseline.rows - sum(pane.rows for pane in inside),
            self.baseline.vectors - sum(pane.vectors for pane in inside),
            1.0,
        )


class LeftOut(NamedTuple):
    """Of each window, held against the baseline without the part it belongs to; shapes (windows,)."""

    values: Floats
    displacements: Floats
    """Values without deflation."""
    chances: Floats
    """Variance of a value by chance."""
    noises: Floats
    """Of the difference of means, in units of one row's variance."""

    def times(self, shares: Floats) -> LeftOut:
        """As if each mean had only this share of its variance."""
        return LeftOut(
            self.values * shares, self.displacements * shares, self.chances * shares**2, self.noises * shares
        )


def _evident(values: Floats, chances: Floats) -> float:
    """The mean of the values; 0 where it is less than two standard errors above 0: by chance it is no drift."""
    mean = float(values.mean())
    return mean if mean > 2 * math.sqrt(float(chances.mean()) / values.size) else 0.0
