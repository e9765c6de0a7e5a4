"""Quantiles of a stream: the KLL sketch of Apache DataSketches."""

from __future__ import annotations

from typing import Self

import datasketches
import numpy as np

from app.distribution import Distribution
from app.model import Floats

K = 200
"""Rank error 1.33 % with 99 % confidence, for about 2.5 kB (Karnin, Lang, Liberty, FOCS 2016)."""

_FLOAT32 = np.finfo(np.float32)


class QuantileSketch:
    """The distribution of a stream of finite numbers, kept as float32, mergeable.

    >>> sketch = QuantileSketch()
    >>> sketch.update(np.arange(100.0))
    >>> sketch.n, float(sketch.distribution().quantile(0.5))
    (100, 49.0)
    """

    MAX_NBYTES = 2600
    """What a sketch takes at most: measured as growth of a process, objects and allocation included."""

    __slots__ = ("_kll",)

    def __init__(self) -> None:
        self._kll = datasketches.kll_floats_sketch(K)

    @property
    def n(self) -> int:
        """How many numbers it has seen."""
        return int(self._kll.n)

    @property
    def rank_error(self) -> float:
        """How far the rank of any one value may be off, as a share of n, with 99 % confidence, merged or not."""
        return float(self._kll.normalized_rank_error(False))  # noqa: FBT003 - the library's own flag: rank, not pmf

    def freeze(self) -> bytes:
        """What `thaw` takes: 0.7 kB of 256 numbers, 2.5 kB of a million; about a microsecond at most."""
        return bytes(self._kll.serialize())

    @classmethod
    def thaw(cls, frozen: bytes) -> Self:
        """The sketch that was frozen.

        The bytes must be those that `freeze` gave: others may crash the process (one flipped bit in six did).
        Raises ValueError where what they say of themselves cannot be.
        """
        thawed = cls()
        sketch = datasketches.kll_floats_sketch.deserialize(frozen)
        if (
            sketch.k != K
            or sketch.num_retained > sketch.n
            or not (sketch.is_empty() or -np.inf < sketch.get_min_value() <= sketch.get_max_value() < np.inf)
        ):
            raise ValueError("not a sketch of finite numbers")
        thawed._kll = sketch
        return thawed

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, rather too many: it has room for K items at first, and later for three times as many."""
        return 1100 if self._kll.n <= K else self.MAX_NBYTES

    def update(self, values: Floats) -> None:
        """Add finite numbers, shape (n,). About 25 ns each in batches of hundreds.

        The caller has taken out NaN and infinity: the sketch would drop the one and keep the other as its maximum.
        A number beyond float32 counts as the largest of them, or it would become such an infinity here.
        """
        if values.size:
            narrow = np.minimum(np.maximum(values, _FLOAT32.min), _FLOAT32.max).astype(np.float32)
            # The sketch sorts what it takes, and takes half the time for what is in order.
            narrow.sort()
            self._kll.update(narrow)

    def merge(self, other: QuantileSketch) -> None:
        """Add all that `other` has seen; `other` is left as it is."""
        if self._kll.is_empty():
            # The library's merge would compact what is only to be copied.
            self._kll = datasketches.kll_floats_sketch.deserialize(other._kll.serialize())
        else:
            self._kll.merge(other._kll)

    def distribution(self) -> Distribution:
        """The retained items as a step function.

        Raises:
            ValueError: the sketch is empty.
        """
        if self._kll.is_empty():
            message = "an empty sketch has no distribution"
            raise ValueError(message)
        # The library's iterator names wrong weights where a merge has left the lowest level empty; its ranks are right.
        values = np.unique(np.fromiter((value for value, _ in self._kll), np.float32, self._kll.num_retained))
        cumulative = np.array(self._kll.get_cdf(values, True)[:-1])  # noqa: FBT003 - inclusive: at or below
        return Distribution(values.astype(np.float64), cumulative, self.n)
