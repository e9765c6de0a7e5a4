"""The last minutes, hour or day of a series."""

from __future__ import annotations

from dataclasses import dataclass

from app.distribution import Distribution
from app.drift.same_input import SameInput
from app.series.pane import SAME_INPUT_COSINE, Pane


@dataclass(frozen=True, slots=True)
class Window:
    """The last minutes, hour or day of a series."""

    name: str
    seconds: float
    pane: Pane

    def distribution(self, signal: str) -> Distribution | None:
        """Distribution of the signal; None where no event had it."""
        sketch = self.pane.quantiles.get(signal)
        return None if sketch is None else sketch.distribution()

    @property
    def same_input(self) -> SameInput:
        """What became of inputs that were seen before."""
        cosines = self.distribution(SAME_INPUT_COSINE)
        return SameInput.of(self.pane.same_input, 1.0 if cosines is None else float(cosines.quantile(0.5)))
