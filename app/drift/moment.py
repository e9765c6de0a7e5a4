"""A mean vector of a window, and the noise that it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.drift.dependence import Sizes, noise_of
from app.drift.window import Window
from app.model import Floats


class Moment(NamedTuple):
    """A mean vector of a window, and how many events are behind it."""

    total: Floats
    """Sum over the rows, shape (d,)."""
    rows: int
    """Those that were measured."""
    vectors: int
    """All that came."""
    repeats: float
    """How many times the noise repeats make of it; >= 1."""

    @property
    def mean(self) -> Floats:
        """Shape (d,)."""
        return self.total / self.rows

    def noise(self, effect: float) -> float:
        """Variance of the mean in units of one row's."""
        return self.repeats * noise_of(float(self.rows), float(self.vectors), effect)


def every_vector(window: Window) -> Moment:
    """The mean of all valid vectors."""
    return Moment(
        np.asarray(window.vectors.total, np.float64), window.vectors.n, window.vectors.n, window.repeats.factor
    )


def sizes_of(moments: Sequence[Moment]) -> Sizes:
    """How many rows and vectors are behind each; shapes (k,)."""
    return Sizes(np.array([each.rows for each in moments], float), np.array([each.vectors for each in moments], float))
