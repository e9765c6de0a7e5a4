"""What a series' events are measured with once it has a baseline: its frame and its known inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.drift.same_input import KnownInputs
from app.frame import Frame, Measured
from app.model import Floats
from app.series.slices import Labels

ROWS_PER_SECOND: Final = 200.0
"""Vectors measured at most, evenly among those that came: 2,000 of them say as much of a share as all 20,000 would, and
each costs some 20 us."""

BURST_SECONDS: Final = 2.0
STAGED_ROWS: Final = 128
"""Anchors are turned to float32 once for so many rows: it takes as long as measuring them."""


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """The part of a baseline that events are measured with as they come."""

    id: str
    """That of the baseline."""
    frame: Frame | None
    known: KnownInputs | None


class MeasuredRows(NamedTuple):
    """Rows of one pane and what they measure."""

    position: int
    """Of the pane in the first rung."""
    vectors: NDArray[np.float32]
    measured: Measured
    labels: Labels | None
    """The slice labels of each; None where none has any."""


class MeasuredBefore(NamedTuple):
    """What was measured before a restart."""

    yardstick: str
    """The id of the baseline."""
    began: float
    measured: int
    offered: int


class Measuring:
    """Picks vectors to measure, at most `ROWS_PER_SECOND`, and measures them many at a time."""

    def __init__(self, frame: Frame, now: float) -> None:
        self.frame = frame
        self.began = now
        self.offered = 0
        self.measured = 0
        self._allowed = ROWS_PER_SECOND * BURST_SECONDS
        self._since = now
        self._staged: list[NDArray[np.float32]] = []
        self._positions: list[Floats] = []
        self._labels: list[Labels | None] = []
        self._rows = 0

    def resume(self, began: float, measured: int, offered: int) -> None:
        """Go on with what was counted in the same frame before a restart."""
        self.began, self.measured, self.offered = began, measured, offered

    def offer(self, vectors: NDArray[np.float32], positions: Floats, now: float, labels: Labels | None = None) -> bool:
        """Stage some of the vectors, shape (n, d), with the pane of each; say whether there are enough to measure.

        `labels` are the slice labels of each; None where none has any.
        """
        passed = max(0.0, now - self._since)
        self._since = now
        self._allowed = min(self._allowed + passed * ROWS_PER_SECOND, ROWS_PER_SECOND * BURST_SECONDS)
        n = len(vectors)
        allowed = min(n, int(self._allowed))
        self.offered += n
        self.measured += allowed
        self._allowed -= allowed
        if allowed:
            # Evenly, so that no part of a request speaks for the rest.
            chosen = slice(None) if allowed == n else np.arange(allowed) * n // allowed
            self._staged.append(vectors[chosen])
            self._positions.append(positions[chosen])
            self._labels.append(None if labels is None else [labels[row] for row in np.arange(n)[chosen].tolist()])
            self._rows += allowed
        return self._rows >= STAGED_ROWS

    def take(self) -> Iterator[MeasuredRows]:
        """Measure what is staged; yield it pane by pane."""
        if not self._rows:
            return
        vectors, positions = np.concatenate(self._staged), np.concatenate(self._positions)
        labels = _joined(self._labels, self._staged)
        self._staged, self._positions, self._labels, self._rows = [], [], [], 0
        measured = self.frame.measure(vectors)
        for position in np.unique(positions):
            members = np.flatnonzero(positions == position)
            theirs = None if labels is None else [labels[row] for row in members.tolist()]
            yield MeasuredRows(int(position), vectors[members], measured.take(members), theirs)

    @property
    def nbytes(self) -> int:
        """Bytes of the staged rows."""
        return sum(rows.nbytes for rows in self._staged)


def _joined(parts: list[Labels | None], staged: list[NDArray[np.float32]]) -> Labels | None:
    """The labels of all staged rows; None where none has any."""
    if all(part is None for part in parts):
        return None
    each = ([None] * len(rows) if part is None else part for part, rows in zip(parts, staged, strict=True))
    return [labels for part in each for labels in part]
