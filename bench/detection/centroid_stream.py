"""The simplest detector on the stream, to compare with: the distance of centroids over a quantile of its blocks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.detection.data import DataSet, Rows
from bench.detection.rules import WINDOWS, Reading
from bench.detection.stream import EVALUATION_SECONDS
from bench.detection.window_sums import WindowSum, WindowSums

MIN_BLOCKS = 8
MIN_EVENTS = 50
STANDARD_DEVIATIONS = 4.0


class CentroidStream:
    """A limit for each window from the baseline's own blocks of its duration: mean plus four standard deviations.

    It knows no size of an effect, so every gate is open to it.
    """

    def __init__(self, data: DataSet, baseline_seconds: float) -> None:
        self._sums = WindowSums(data.vectors, WINDOWS, EVALUATION_SECONDS)
        self._baseline_seconds = baseline_seconds
        self._blocks: dict[str, list[WindowSum]] = {name: [] for name in WINDOWS}
        self._mean: NDArray[np.float64] | None = None
        self._limits: dict[str, float] = {}

    def add(self, rows: Rows, times: NDArray[np.float64]) -> None:  # noqa: ARG002 - a pane holds what came since
        """Count the events into the open pane."""
        self._sums.add(rows)

    def evaluate(self, now: float) -> Mapping[str, Reading]:
        """Distance over limit; nothing while the baseline is learned."""
        windows = self._sums.close()
        if now <= self._baseline_seconds:
            for name, seconds in WINDOWS.items():
                if now % seconds == 0:
                    self._blocks[name].append(windows[name])
            if now == self._baseline_seconds:
                self._learn()
            return {}
        return {
            name: Reading(
                {"mean_shift": self._distance(windows[name]) / limit},
                {"mean_displacement": np.inf},
                events=windows[name].n,
            )
            for name, limit in self._limits.items()
            if windows[name].n >= MIN_EVENTS
        }

    def _learn(self) -> None:
        blocks = self._blocks["5m"]
        self._mean = sum((block.total for block in blocks), np.zeros(1)) / sum(block.n for block in blocks)
        for name, parts in self._blocks.items():
            distances = [self._distance(part) for part in parts if part.n >= MIN_EVENTS]
            if len(distances) >= MIN_BLOCKS:
                self._limits[name] = float(np.mean(distances) + STANDARD_DEVIATIONS * np.std(distances, ddof=1))

    def _distance(self, window: WindowSum) -> float:
        assert self._mean is not None
        return float(np.linalg.norm(window.total / window.n - self._mean))
