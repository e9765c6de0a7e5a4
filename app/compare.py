"""Two arrays compared offline: a frame is fitted, limits are calibrated, a window is scored.

The running exporter scores scalar signals alone so far; it will take up this fit, calibration and scoring as they are.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.distribution import Distribution
from app.drift.blocks import FOLDS, Blocks
from app.drift.calibration import MINIMUM_EVENTS, Calibration, Reading
from app.drift.diagnosis import Evidence, Suspect, diagnose
from app.drift.effects import Effects
from app.drift.repeats import count_repeats
from app.drift.same_input import KnownInputs
from app.drift.sums import VectorSums
from app.drift.window import STEPS, Window
from app.frame import MINIMUM_ROWS, Frame, Measured
from app.model import Floats

ALPHA: Final = 1e-3
"""How often a comparison of two samples of the same traffic may say drift, for the whole alarm family."""

PANES: Final = 64
"""The reference is cut into so many at most; an eighth of them makes one of the blocks that limits are learned from."""

PANE_ROWS: Final = 16

Hashes = Sequence[Hashable | None]


class NotEnoughDataError(ValueError):
    """There are too few vectors to say anything; the message says how many are needed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of one sample against another."""

    score: float
    """The largest score of the alarm family: above 1 is drift."""
    scores: tuple[Reading, ...]
    effects: Effects
    diagnosis: tuple[Suspect, ...]
    """What probably happened, the surest first; empty where nothing did."""


def compare(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    reference_norms: ArrayLike | None = None,
    current_norms: ArrayLike | None = None,
    reference_scores: ArrayLike | None = None,
    current_scores: ArrayLike | None = None,
    reference_hashes: Hashes | None = None,
    current_hashes: Hashes | None = None,
) -> Comparison:
    """Whether `current` drifted from `reference`: two arrays of vectors, (n, d) and (m, d), rows in the order of time.

    `*_norms` are lengths before normalisation, `*_scores` similarities of the best result (the first column of a
    matrix), `*_hashes` those of the exact inputs; each has an entry a row, NaN or None where not known. Scores and
    hashes count where both sides have them. Rows that are zero or not finite are left out and counted: their share is
    a signal.

    Raises NotEnoughDataError for less than 200 valid reference vectors or 50 current ones, ValueError for arrays that
    do not fit together or reference vectors that are all the same. 0.3 s for 2,000 against 500 x 768; `Reference` keeps
    what was fitted for more windows.
    """
    fitted = Reference(reference, norms=reference_norms, scores=reference_scores, hashes=reference_hashes)
    return fitted.compare(current, norms=current_norms, scores=current_scores, hashes=current_hashes)


class Reference:
    """A reference sample, fitted and calibrated once, that any number of windows may be held against.

    It has no time but the order of its rows: limits come from eight blocks of it.
    """

    def __init__(
        self,
        vectors: ArrayLike,
        *,
        norms: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        hashes: Hashes | None = None,
    ) -> None:
        sample = _Sample.of("reference", vectors, norms, scores, hashes)
        if len(sample.rows) < MINIMUM_ROWS:
            raise NotEnoughDataError(
                f"reference: at least {MINIMUM_ROWS} valid vectors are needed, got {len(sample.rows)}"
            )
        if (sample.rows == sample.rows[0]).all():
            raise ValueError("reference: all vectors are the same; what is normal is learned from how they differ")
        self.frame, held_out = Frame.fit(sample.rows)
        panes = max(2 * FOLDS, min(PANES, len(sample.rows) // PANE_ROWS // FOLDS * FOLDS))
        cut = [sample.window(self.frame, held_out, part) for part in np.array_split(np.arange(len(sample)), panes)]
        self.calibration = Calibration.learn(Blocks.of(self.frame, cut, panes // FOLDS), ALPHA)
        self._inputs = None if sample.hashes is None else KnownInputs.of(sample.hashes, sample.rows)
        self._own_lengths = norms is None
        self._contents = sample.contents()

    def compare(
        self,
        vectors: ArrayLike,
        *,
        norms: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        hashes: Hashes | None = None,
    ) -> Comparison:
        """One window against the reference; parameters and errors as for the function `compare`."""
        if (norms is None) != self._own_lengths:
            raise ValueError("norms must be given for both sides, or for neither")
        sample = _Sample.of("current", vectors, norms, scores, hashes)
        if len(sample) < MINIMUM_EVENTS:
            raise NotEnoughDataError(f"current: at least {MINIMUM_EVENTS} vectors are needed, got {len(sample)}")
        dimension = self.frame.whitening.mean.size
        if sample.rows.shape[1] != dimension:
            raise ValueError(f"current has {sample.rows.shape[1]} dimensions, reference {dimension}")
        window = sample.window(self.frame, self.frame.measure(sample.rows), np.arange(len(sample)))
        window = replace(
            window,
            same_input=None
            if self._inputs is None or sample.hashes is None
            else self._inputs.check(sample.hashes, sample.rows),
            repeats=count_repeats(sample.contents(), self._contents),
        )
        readings = self.calibration.read(window)
        effects = self.calibration.effects(window)
        evidence = Evidence({r.statistic: r.score for r in readings}, effects, window.repeats.largest)
        return Comparison(max(r.score for r in readings), readings, effects, diagnose(evidence))


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """One side: its valid rows, and columns with an entry for every row that came."""

    rows: NDArray[np.float32]
    valid: NDArray[np.bool_]
    norms: Floats
    scores: Floats | None
    hashes: list[Hashable | None] | None
    """Of valid rows."""

    @classmethod
    def of(
        cls, name: str, vectors: ArrayLike, norms: ArrayLike | None, scores: ArrayLike | None, hashes: Hashes | None
    ) -> _Sample:
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.asarray(vectors, np.float32)
            if rows.ndim != 2 or rows.shape[1] == 0:
                raise ValueError(f"{name} must be a matrix with one vector a row, got {rows.ndim} dimensions")
            lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        valid = np.isfinite(lengths) & (lengths > 0)
        if hashes is not None and len(hashes) != len(rows):
            raise ValueError(f"{name}_hashes must have {len(rows)} entries, got {len(hashes)}")
        return cls(
            rows[valid],
            valid,
            lengths if norms is None else _column(f"{name}_norms", norms, len(rows)),
            None if scores is None else _column(f"{name}_scores", scores, len(rows)),
            None if hashes is None else [key for key, kept in zip(hashes, valid, strict=True) if kept],
        )

    def __len__(self) -> int:
        return len(self.valid)

    def contents(self) -> list[Hashable]:
        """What tells equal vectors."""
        return [row.tobytes() for row in self.rows]

    def window(self, frame: Frame, measured: Measured, positions: NDArray[np.intp]) -> Window:
        """The events at these positions, `measured` being all valid rows in the frame."""
        valid = positions[self.valid[positions]]
        rows = (np.cumsum(self.valid) - 1)[valid]
        return Window(
            vectors=VectorSums.of(self.rows[rows]),
            frame=frame.sums(self.rows[rows], measured.take(rows)),
            invalid=positions.size - valid.size,
            norms=_distribution(self.norms[valid]),
            top1=None if self.scores is None else _distribution(self.scores[positions]),
        )


def _column(name: str, values: ArrayLike, rows: int) -> Floats:
    column = np.asarray(values, np.float64)
    column = column[:, 0] if column.ndim == 2 and column.shape[1] else column
    if column.shape != (rows,):
        raise ValueError(f"{name} must have {rows} entries, got {column.shape[0] if column.ndim else 1}")
    return column


def _distribution(values: Floats) -> Distribution | None:
    present = values[np.isfinite(values)]
    return Distribution.of(present).compact(STEPS) if present.size else None
