"""A one-dimensional distribution as a step function: what statistics compare and baselines keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.model import Floats
from app.tree import Tree


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """A cumulative distribution function with finitely many steps, and how many events it stands for.

    A sketch answers with its retained items, a test with its sorted data: to a statistic they are the same.
    """

    values: Floats
    """Ascending, distinct, finite; shape (m,), m >= 1."""
    cumulative: Floats
    """F(values): ascending in (0, 1], the last is 1; shape (m,)."""
    n: int
    """Events behind it, for statistics that correct for sample size and for gates."""

    @classmethod
    def of(cls, data: ArrayLike) -> Self:
        """The exact distribution of the data, shape (n,), n >= 1.

        >>> Distribution.of([3, 1, 3, 2]).cdf([0, 1, 2.5, 3]).tolist()
        [0.0, 0.25, 0.5, 1.0]
        """
        array = np.asarray(data, dtype=np.float64)
        return cls.weighted(array, np.ones(array.size), array.size)

    @classmethod
    def weighted(cls, values: ArrayLike, weights: ArrayLike, n: int) -> Self:
        """The distribution of values that stand for `weights` events each; equal values are joined."""
        distinct, position = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True)
        mass = np.bincount(position, weights=np.asarray(weights, dtype=np.float64))
        cumulative: Floats = np.cumsum(mass, dtype=np.float64)
        return cls(distinct, cumulative / cumulative[-1], n)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"values": self.values, "cumulative": self.cumulative, "n": self.n}

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The distribution that was frozen."""
        return cls(tree["values"], tree["cumulative"], tree["n"])

    def cdf(self, points: ArrayLike) -> Floats:
        """P(X <= point) for each point."""
        return self._at(np.searchsorted(self.values, np.asarray(points), side="right"))

    def quantile(self, q: ArrayLike) -> Floats:
        """The smallest value whose cumulative share reaches q, for each q in [0, 1].

        >>> Distribution.of([1, 2, 3, 4]).quantile([0, 0.5, 1]).tolist()
        [1.0, 2.0, 4.0]
        """
        # A hair less than q, or the rounding of a cumulative sum pushes an exact rank to the next value.
        position = self.cumulative.searchsorted(np.asarray(q, dtype=np.float64) - 1e-12, side="left")
        return self.values[np.minimum(position, self.values.size - 1)]

    def compact(self, size: int) -> Distribution:
        """At most `size` steps: the mid-rank quantiles of equal shares. Rank error at most 1 / (2 size).

        Returned unchanged where it is no larger than that.
        """
        if self.values.size <= size:
            return self
        shares = (np.arange(size) + 0.5) / size
        return Distribution.weighted(self.quantile(shares), np.ones(size), self.n)

    def _at(self, position: NDArray[np.intp]) -> Floats:
        return np.where(position > 0, self.cumulative[np.maximum(position, 1) - 1], 0.0)


def support(current: Distribution, baseline: Distribution) -> Floats:
    """Every point at which either cumulative distribution steps, ascending and distinct."""
    return np.union1d(current.values, baseline.values)
