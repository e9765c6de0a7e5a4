"""A pane: what a stretch of time leaves behind in a series. Panes merge, and so make windows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.model import Floats
from app.sketch import QuantileSketch, VectorSums


class Pane:
    """Number of events, a quantile sketch per signal and the sums over vectors.

    A sketch stands only where its signal was seen: a series without scores pays for none.
    """

    __slots__ = ("events", "quantiles", "vectors")

    def __init__(self) -> None:
        self.events = 0
        self.quantiles: dict[str, QuantileSketch] = {}
        self.vectors: VectorSums | None = None

    def update(self, events: int, signals: Mapping[str, Floats], vectors: NDArray[np.float32]) -> None:
        """Add events: how many, the finite values of each signal, and the (n, dimension) matrix of their vectors."""
        self.events += events
        for name, values in signals.items():
            if values.size:
                self._sketch(name).update(values)
        if len(vectors):
            self.vector_sums(vectors.shape[1]).update(vectors)

    def merge(self, other: Pane) -> None:
        """Add all that `other` holds; `other` is left as it is."""
        self.events += other.events
        for name, sketch in other.quantiles.items():
            self._sketch(name).merge(sketch)
        if other.vectors is not None:
            self.vector_sums(other.vectors.dimension).merge(other.vectors)

    def vector_sums(self, dimension: int) -> VectorSums:
        """The sums over vectors of this length; begun anew where those at hand are of another length."""
        if self.vectors is None or self.vectors.dimension != dimension:
            self.vectors = VectorSums(dimension)
        return self.vectors

    @property
    def sketch_nbytes(self) -> int:
        """Bytes of the quantile sketches."""
        return sum(sketch.nbytes for sketch in self.quantiles.values())

    @property
    def vector_nbytes(self) -> int:
        """Bytes of the sums over vectors."""
        return 0 if self.vectors is None else self.vectors.total.nbytes

    def _sketch(self, name: str) -> QuantileSketch:
        sketch = self.quantiles.get(name)
        if sketch is None:
            sketch = self.quantiles[name] = QuantileSketch()
        return sketch
