"""Events that are not independent: how much more a mean varies than its number of events says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np
import scipy
from numpy.typing import NDArray

from app.drift.window import Window
from app.model import Floats

EVIDENCE: Final = 0.03
"""Dependence and wobble are counted where chance shows as much in three of a hundred baselines."""


_ERROR: Final = 0.1
"""Of the variance of one row."""


class Witness(NamedTuple):
    """What the exact sums over all vectors say of traffic, for numbers that are measured on too few rows to say it."""

    effect: float
    """Design effect of the mean vector, averaged over whitened directions; >= 1."""
    wobble: float
    """Variance of the mean vector from window to window beyond noise, in units of one event's; >= 0."""

    swing: float = 0.0
    """Standard deviation of the mean vector's squared displacement, as a multiple of one event's variance; >= 0."""

    def scaled(self, effect: float, wobble: float) -> Witness:
        """For a number that depends so many times as much on sessions, and wobbles so many times as much."""
        return Witness(max(self.effect * effect, 1.0), self.wobble * wobble, self.swing)


INDEPENDENT: Final = Witness(1.0, 0.0)


class Sizes(NamedTuple):
    """How many rows the means of some windows are taken over."""

    rows: Floats
    """All that came, or a sample of them."""
    vectors: Floats
    """All that came."""

    @classmethod
    def of(cls, windows: Sequence[Window], rows: Callable[[Window], int]) -> Self:
        """Of each window."""
        return cls(
            np.array([rows(window) for window in windows], np.float64),
            np.array([window.vectors.n for window in windows], np.float64),
        )

    def take(self, positions: NDArray[np.intp]) -> Sizes:
        """Those of the windows at these positions."""
        return Sizes(self.rows[positions], self.vectors[positions])

    def noise(self, effect: float) -> Floats:
        """Variance of the means in units of one row's."""
        return np.asarray(noise_of(self.rows, self.vectors, effect))


Number = TypeVar("Number", float, Floats)


def noise_of(rows: Number, vectors: Number, effect: float) -> Number:
    """Variance of the mean of a sample of rows, drawn evenly from vectors that came, in units of one row's variance.

    All vectors have effect / vectors; that they are a sample adds 1 / rows - 1 / vectors (Kish 1965, Survey Sampling).

    >>> round(noise_of(100.0, 100.0, effect=3.0), 3), round(noise_of(10.0, 100.0, effect=3.0), 3)
    (0.03, 0.12)
    """
    return 1 / rows + (effect - 1) / vectors


def design_effect(
    changes: Floats, first: Sizes, second: Sizes, expected: float = 1.0, directions: float = 1.0
) -> float:
    """How many times the variance of independent events, >= 1.

    From squared changes between neighbouring panes of these sizes, in units of one row's variance, and, as far as they
    are too few rows to tell, from what is `expected`. A change that is the mean over so many `directions` varies the
    less. Sessions and repeats more than double the variance. 1 where chance explains the excess and none is expected.

    >>> panes = Sizes(np.full(100, 50.0), np.full(100, 50.0))
    >>> round(design_effect(np.full(100, 2.5 * 2 / 50), panes, panes), 1)
    2.4
    """
    if not changes.size:
        return expected
    independent = first.noise(1.0) + second.noise(1.0)
    each = 1 / first.vectors + 1 / second.vectors
    # Neighbouring differences share a pane: the variance of their mean square is 3 / k, not 2 / k.
    weights = each / (3 / directions * (independent + (expected - 1) * each) ** 2)
    total = float(weights @ each)
    excess = float(weights @ (changes - independent)) / total
    chance = math.sqrt(float((weights**2 * 3 / directions) @ independent**2)) / total
    if expected == 1.0 and excess <= -float(scipy.special.ndtri(EVIDENCE)) * chance:
        return 1.0
    # One row's variance is known to some percent, which is much where few of many vectors are rows.
    error = 1 / total + (_ERROR * float(weights @ independent) / total) ** 2
    return max(1 + (excess + error * (expected - 1)) / (1 + error), 1.0)
