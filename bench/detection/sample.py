"""What a detector gets to see: rows of vectors with what was sent beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.detection.data import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Events in order of time."""

    vectors: Vectors
    """Shape (n, d), of any length: a lost normalisation or a zero vector shows here."""
    norms: NDArray[np.float64] | None = None
    """As sent beside the vectors, shape (n,); None where the norm is the vector's own."""
    hashes: Sequence[str] | None = None
    """Hashes of the inputs; None where none are sent."""

    def __len__(self) -> int:
        return len(self.vectors)


class Verdict(NamedTuple):
    """What a detector says of one window."""

    values: Mapping[str, float]
    """Larger is more drift, by the statistic's name."""
    effects: Mapping[str, float] = MappingProxyType({})
    causes: Sequence[str] = ()


class Detector(Protocol):
    """A way to compare windows with a reference."""

    def __call__(self, reference: Sample) -> Callable[[Sample], Verdict]:
        """Learn the reference once; the result judges any number of windows."""
        ...
