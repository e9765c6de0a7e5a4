"""Sums over sliding windows, for detectors on the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.detection.data import Rows


class WindowSum(NamedTuple):
    """The events of one window."""

    n: int
    total: NDArray[np.float64]
    """Of each feature, shape (features,)."""


class WindowSums:
    """Sums of precomputed features of rows over windows that slide by one step.

    A window that began before the first event holds what there is. O(1) a window; memory: steps of the longest
    window x features x 8 bytes.
    """

    def __init__(self, features: NDArray[np.floating], windows: Mapping[str, float], step_seconds: float) -> None:
        self._features = features
        self._steps = {name: round(seconds / step_seconds) for name, seconds in windows.items()}
        size = max(self._steps.values()) + 1
        self._totals = np.zeros((size, features.shape[1]))
        self._counts = np.zeros(size, np.int64)
        self._closed = 0
        self._open = np.zeros(features.shape[1])
        self._open_count = 0

    def add(self, rows: Rows) -> None:
        """Events of the present step."""
        self._open += self._features[rows].sum(axis=0, dtype=np.float64)
        self._open_count += len(rows)

    def close(self) -> Mapping[str, WindowSum]:
        """End the present step; the windows that end with it."""
        size = len(self._counts)
        before = self._closed % size
        self._closed += 1
        now = self._closed % size
        self._totals[now] = self._totals[before] + self._open
        self._counts[now] = self._counts[before] + self._open_count
        self._open[:] = 0.0
        self._open_count = 0
        return {name: self._window(steps) for name, steps in self._steps.items()}

    def _window(self, steps: int) -> WindowSum:
        size = len(self._counts)
        now, before = self._closed % size, (self._closed - min(steps, self._closed)) % size
        return WindowSum(int(self._counts[now] - self._counts[before]), self._totals[now] - self._totals[before])
