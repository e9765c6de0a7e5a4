"""Quantiles of a stream: the KLL sketch of Apache DataSketches."""

from __future__ import annotations

import datasketches
import numpy as np

from app.distribution import Distribution
from app.model import Floats

K = 200
"""Rank error 1.33 % with 99 % confidence, for about 2.5 kB (Karnin, Lang, Liberty, FOCS 2016)."""


class QuantileSketch:
    """The distribution of a stream of finite numbers, kept as float32, mergeable.

    >>> sketch = QuantileSketch()
    >>> sketch.update(np.arange(100.0))
    >>> sketch.n, float(sketch.distribution().quantile(0.5))
    (100, 49.0)
    """

    __slots__ = ("_kll",)

    def __init__(self) -> None:
        self._kll = datasketches.kll_floats_sketch(K)

    @property
    def n(self) -> int:
        """How many numbers it has seen."""
        return int(self._kll.n)

    @property
    def rank_error(self) -> float:
        """How far the rank of any one value may be off, as a share of n, with 99 % confidence."""
        return float(self._kll.normalized_rank_error(False))  # noqa: FBT003 - the library's own flag: rank, not pmf

    @property
    def nbytes(self) -> int:
        """Bytes of the retained items and their level table."""
        return int(self._kll.num_retained) * 4 + 64

    def update(self, values: Floats) -> None:
        """Add finite numbers, shape (n,). About 30 ns each in batches of hundreds.

        The caller has taken out NaN and infinity: the sketch would drop the one and keep the other as its maximum.
        """
        if values.size:
            self._kll.update(values)

    def merge(self, other: QuantileSketch) -> None:
        """Add all that `other` has seen; `other` is left as it is."""
        self._kll.merge(other._kll)

    def distribution(self) -> Distribution:
        """The retained items as a step function.

        Raises:
            ValueError: the sketch is empty.
        """
        if self._kll.is_empty():
            message = "an empty sketch has no distribution"
            raise ValueError(message)
        items = np.array(list(self._kll), dtype=np.float64)
        return Distribution.weighted(items[:, 0], items[:, 1], self.n)
