"""Two arrays compared offline: the exporter's own fit, calibration and scores."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.distribution import Distribution
from app.drift.blocks import FOLDS, Blocks
from app.drift.calibration import MINIMUM_EVENTS, Calibration, Reading
from app.drift.effects import Effects
from app.drift.repeats import count_repeats
from app.drift.same_input import KnownInputs
from app.drift.sums import VectorSums
from app.drift.window import Window
from app.frame import MINIMUM_ROWS, Frame, Measured
from app.model import Floats

ALPHA: Final = 2e-3
"""How often a comparison of two samples of the same traffic may say drift."""

PANES: Final = 64
"""The reference is cut into so many, eight of which make one of the blocks that limits are learned from."""


class NotEnoughDataError(ValueError):
    """There are too few valid vectors to say anything; the message says how many are needed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found."""

    score: float
    """The largest score of the alarm family: above 1 is drift."""
    scores: tuple[Reading, ...]
    effects: Effects


class Reference:
    """A reference, fitted and calibrated once, that many windows may be held against."""

    def __init__(
        self,
        vectors: ArrayLike,
        *,
        norms: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        hashes: Sequence[Hashable | None] | None = None,
    ) -> None:
        rows, valid = _valid_rows(vectors, "reference")
        if len(rows) < MINIMUM_ROWS:
            raise NotEnoughDataError(f"the reference needs at least {MINIMUM_ROWS} valid vectors, got {len(rows)}")
        self._dimension = rows.shape[1]
        self.frame, held_out = Frame.fit(rows)
        columns = _Columns(rows, held_out, valid, _column(norms, valid, "reference_norms"),
                           _column(scores, valid, "reference_scores"))
        panes = min(PANES, len(valid) // (2 * FOLDS) // FOLDS * FOLDS)
        cut = [columns.window(self.frame, part) for part in np.array_split(np.arange(len(valid)), max(panes, 2 * FOLDS))]
        self.calibration = Calibration.learn(Blocks.of(self.frame.whitening, cut, max(len(cut) // FOLDS, 1)), ALPHA)
        self._keys = [row.tobytes() for row in rows]
        self._inputs = None if hashes is None else KnownInputs.of(_kept(hashes, valid, "reference_hashes"), rows)

    def compare(
        self,
        vectors: ArrayLike,
        *,
        norms: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        hashes: Sequence[Hashable | None] | None = None,
    ) -> Comparison:
        rows, valid = _valid_rows(vectors, "current")
        if rows.shape[1] != self._dimension:
            raise ValueError(f"current has {rows.shape[1]} dimensions, the reference {self._dimension}")
        columns = _Columns(rows, self.frame.measure(rows), valid, _column(norms, valid, "current_norms"),
                           _column(scores, valid, "current_scores"))
        window = columns.window(self.frame, np.arange(len(valid)))
        window = replace(window, repeats=count_repeats([row.tobytes() for row in rows], self._keys))
        readings = self.calibration.read(window)
        return Comparison(max(r.score for r in readings), readings, self.calibration.effects(window))


@dataclass
class _Columns:
    rows: NDArray[np.float32]
    measured: Measured
    valid: NDArray[np.bool_]
    norms: Floats | None
    scores: Floats | None

    def window(self, frame, positions):
        # events positions -> valid row positions
        at = np.cumsum(self.valid) - 1
        mine = at[positions[self.valid[positions]]]
        part = self.rows[mine]
        norms = np.linalg.norm(part.astype(np.float64), axis=1) if self.norms is None else self.norms[positions]
        return Window(
            VectorSums.of(part), frame.sums(self.measured.take(mine)), int((~self.valid[positions]).sum()),
            _distribution(norms), None if self.scores is None else _distribution(self.scores[positions]))


def _distribution(v):
    v = v[np.isfinite(v)]
    return Distribution.of(v).compact(400) if v.size else None


def _column(values, valid, name):
    return None if values is None else np.asarray(values, np.float64)

def _kept(h, valid, name):
    return [x for x, ok in zip(h, valid) if ok]


def _valid_rows(vectors, name):
    rows = np.asarray(vectors, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    valid = np.isfinite(lengths) & (lengths > 0)
    return rows[valid], valid
