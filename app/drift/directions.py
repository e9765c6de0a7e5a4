"""The directions in which a healthy baseline's mean moves from pane to pane, and what of a distance they explain."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from app.drift.dependence import Sizes
from app.drift.whitening import Dimensions, Whitening
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

    def deflated(self, deltas: Floats, noises: Floats) -> Floats:
        """|delta|^2 of each row less what the wobble along these directions explains; shape (k, d) -> (k,).

        `noises` are 1/n + 1/m, dependence counted; shape (k,).
        """
        shares = self.wobble / (self.wobble + noises[:, None] * self.reach)
        explained = ((deltas @ self.axes.T) ** 2 * shares).sum(axis=1)
        return np.asarray(np.maximum((deltas**2).sum(axis=1) - explained, 0.0), np.float64)


def leading_directions(
    space: Whitening, dimensions: Dimensions, shifts: Floats, sizes: Sizes, effect: float
) -> Directions:
    """The leading directions of whitened shifts of panes, shape (panes, d), that exceed sampling noise. O(panes^2 d).

    `effect` is the design effect of rows that depend on each other.
    """
    panes, events = len(shifts), float(sizes.rows.sum())
    # From their own mean: of a part of the baseline, the distance to the rest would look like wobble.
    weighted = (shifts - np.average(shifts, axis=0, weights=sizes.rows)) * np.sqrt(sizes.rows / events)[:, None]
    values, left = np.linalg.eigh(weighted @ weighted.T)
    values, left = values[: -DIRECTIONS - 1 : -1], left[:, : -DIRECTIONS - 1 : -1]
    noise = float((sizes.rows * sizes.noise(effect)).sum()) / events
    # The largest eigenvalue that noise alone makes (Johnstone 2001, doi 10.1214/aos/1009210544), and a fifth more.
    large = values > max(1.2 * noise * (1 + math.sqrt(dimensions.effective / panes)) ** 2, 0.0)
    axes = (left[:, large] / np.sqrt(values[large])).T @ weighted
    reach = space.reach(axes) * (dimensions.effective / space.dimensions.effective)
    return Directions(axes, np.maximum(values[large] - noise * reach, 0.0), reach)
