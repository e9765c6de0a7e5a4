"""Mean shift: how far the window's mean is from the baseline's, in directions that the baseline hardly moves in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
from scipy.special import gammaincinv

from app.drift.blocks import LATER, Blocks
from app.drift.noise import FAMILY, degrees_of_freedom, design_effect, excess_variance, student_quantile
from app.drift.sums import VectorSums
from app.drift.whitening import Whitening
from app.drift.window import Window
from app.model import Floats

DIRECTIONS: Final = 8
"""Directions of wobble that are taken out, at most."""


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


@dataclass(frozen=True, slots=True, eq=False)
class MeanShift:
    """The statistic Q - k h and its limit, Q = |P'(mean - baseline mean)|^2 with the baseline's wobble deflated.

    k = c (1/n + 1/m) with the design effect c; h is the effective dimension, so that with no drift the value is about 0
    and with drift the squared distance in standard deviations. From exact sums alone.

    A whitened Hotelling T^2 with a ridge (Hotelling 1931, doi 10.1214/aoms/1177732979; Chen et al. 2011,
    doi 10.1198/jasa.2011.ap10599), its null a shifted gamma distribution (Box 1954, doi 10.1214/aoms/1177728786).
    """

    space: Whitening
    mean: Floats
    """The baseline's; shape (d,)."""
    events: int
    design_effect: float
    distance_variance: float
    """Variance of one row's squared whitened distance."""
    directions: Directions
    drift: float
    """Mean of the value over the baseline's left-out windows, >= 0."""
    wobble: float
    """Its variance there beyond noise."""
    freedom: float

    @classmethod
    def learn(cls, blocks: Blocks) -> Self:
        """From a baseline's blocks. O(panes^2 d)."""
        space, baseline = blocks.space, blocks.baseline.vectors
        sizes = np.array([pane.vectors.n for pane in blocks.panes], np.float64)
        shifts = space.whiten(np.stack([pane.vectors.mean for pane in blocks.panes]) - baseline.mean)
        first, second = blocks.neighbours()
        # Of rows that made P itself the distances are too short: `own` is what the baseline's events have on average.
        seen = min(space.rows / baseline.n, 1.0)
        own = seen * space.in_sample_dimension + (1 - seen) * space.effective_dimension
        changes = ((shifts[second] - shifts[first]) ** 2).sum(axis=1)
        ratios = changes / (own * (1 / sizes[first] + 1 / sizes[second]))
        # The mean square over h dimensions varies less than one square does: the evidence is brought to that of one.
        effect = design_effect(1 + (ratios - 1) * math.sqrt(_gamma_shape(space, 1.0)))
        effect = float(ratios.mean()) if effect > 1 else 1.0
        directions = _directions(space, shifts, sizes, effect)
        learned = cls(
            space=space,
            mean=baseline.mean,
            events=baseline.n,
            design_effect=effect,
            distance_variance=blocks.baseline.frame.distance_variance,
            directions=directions,
            drift=0.0,
            wobble=0.0,
            freedom=3.0,
        )
        values, noise = learned._left_out(blocks, shifts, sizes, own)
        drift = max(float(values.mean()), 0.0)
        chance = float((2 * noise**2 * space.squared_dimension + 4 * noise * drift).mean())
        wobble, freedom = excess_variance(values, chance), degrees_of_freedom(values)
        return replace(learned, drift=drift, wobble=wobble, freedom=freedom)

    def value(self, window: Window) -> float:
        """Q - k h; about 0 with no drift, else the squared displacement of the mean in standard deviations."""
        noise = self._noise(window.independent_vectors)
        delta = self.space.whiten(window.vectors.mean - self.mean)
        return self.directions.deflated(delta, noise) - noise * self.space.effective_dimension

    def displacement(self, window: Window) -> float:
        """The value before deflation: an effect, comparable between series."""
        delta = self.space.whiten(window.vectors.mean - self.mean)
        return float(delta @ delta) - self._noise(window.independent_vectors) * self.space.effective_dimension

    def limit(self, window: Window, alpha: float) -> float:
        """The value that as many healthy events exceed with a probability of about alpha / FAMILY; > 0."""
        noise = self._noise(window.independent_vectors)
        shape = _gamma_shape(self.space, self.design_effect)
        quantile = (float(gammaincinv(shape, 1 - alpha / FAMILY)) - shape) / math.sqrt(shape)
        chance = 2 * noise**2 * self.space.squared_dimension + 4 * noise * self.drift
        chance += window.repeats.concentration * self.distance_variance
        wobble = student_quantile(self.freedom, alpha) ** 2 * self.wobble
        return self.drift + math.sqrt(quantile**2 * chance + wobble)

    def _noise(self, n: float) -> float:
        return self.design_effect * (1 / n + 1 / self.events)

    def _left_out(self, blocks: Blocks, shifts: Floats, sizes: Floats, own: float) -> tuple[Floats, Floats]:
        """Value and noise of each of the blocks' windows, measured without the part of the baseline it belongs to."""
        values, noises = np.empty(len(blocks.windows)), np.empty(len(blocks.windows))
        for fold in np.unique(blocks.window_folds):
            members = np.flatnonzero(blocks.window_folds == fold)
            if fold == LATER:
                directions, dimension = self.directions, self.space.effective_dimension
                mean, rest = self.mean, self.events
            else:
                near = np.abs(blocks.pane_folds - fold) <= 1
                directions = _directions(self.space, shifts[~near], sizes[~near], self.design_effect)
                left = VectorSums.merged(
                    pane.vectors for pane, at in zip(blocks.panes, blocks.pane_folds, strict=True) if at == fold
                )
                rest = self.events - left.n
                mean, dimension = (blocks.baseline.vectors.total - left.total) / rest, own
            deltas = self.space.whiten(np.stack([blocks.windows[i].vectors.mean for i in members]) - mean)
            for i, delta in zip(members, deltas, strict=True):
                noises[i] = self.design_effect * (1 / blocks.windows[i].vectors.n + 1 / rest)
                values[i] = directions.deflated(delta, noises[i]) - noises[i] * dimension
        return values, noises


def _gamma_shape(space: Whitening, effect: float) -> float:
    return max(space.effective_dimension**2 / (2 * space.squared_dimension * effect), 0.05)


def _directions(space: Whitening, shifts: Floats, sizes: Floats, effect: float) -> Directions:
    """The leading directions of panes' whitened shifts that exceed sampling noise."""
    panes, events = len(shifts), float(sizes.sum())
    weighted = shifts * np.sqrt(sizes / events)[:, None]
    values, left = np.linalg.eigh(weighted @ weighted.T)
    values, left = values[: -DIRECTIONS - 1 : -1], left[:, : -DIRECTIONS - 1 : -1]
    noise = effect * panes / events
    # The largest eigenvalue that noise alone makes (Johnstone 2001, doi 10.1214/aos/1009210544), and a fifth more.
    large = values > max(1.2 * noise * (1 + math.sqrt(space.effective_dimension / panes)) ** 2, 0.0)
    axes = (left[:, large] / np.sqrt(values[large])).T @ weighted
    reach = space.reach(axes)
    return Directions(axes, np.maximum(values[large] - noise * reach, 0.0), reach)
