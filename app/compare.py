"""Samples without time: a frame is fitted, limits are calibrated, a window is scored.

What the command `compare` says of two arrays, and what the exporter makes of an uploaded sample: one code path.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.distribution import Distribution
from app.drift.blocks import FOLDS, Blocks
from app.drift.calibration import MINIMUM_EVENTS, Calibration, Reading
from app.drift.diagnosis import Evidence, Suspect, diagnose
from app.drift.effects import Effects
from app.drift.repeats import Repeats, count_repeats
from app.drift.same_input import KnownInputs
from app.drift.sums import VectorSums
from app.drift.window import STEPS, Window
from app.frame import MINIMUM_ROWS, Frame, Measured
from app.model import Floats
from app.sketch import content_keys

ALPHA: Final = 1e-3
"""How often a comparison of two samples of the same traffic may say drift, for the whole alarm family."""

PANES: Final = 64
"""The reference is cut into so many at most; an eighth of them makes one of the blocks that limits are learned from."""

PANE_ROWS: Final = 16

FRAME_ROWS: Final = 4096
"""The frame is fitted from so many at most, evenly over the reference: more would cost much and add little."""

LARGEST: Final = 1e9
"""Fourth powers of larger numbers leave float32."""

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

    It has no time but the order of its rows: limits come from eight blocks of it. The exporter makes its uploaded
    baselines of one.
    """

    def __init__(
        self,
        vectors: ArrayLike,
        *,
        norms: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        hashes: Hashes | None = None,
        projected: bool = False,
    ) -> None:
        """With `projected` its frame keeps no vector whole, see `Frame.fit`."""
        sample = Sample.of("reference", vectors, norms, scores, hashes)
        rows = sample.rows
        if len(rows) < MINIMUM_ROWS:
            raise NotEnoughDataError(f"reference: at least {MINIMUM_ROWS} valid vectors are needed, got {len(rows)}")
        if max(rows.max(), -rows.min()) > LARGEST:  # without a copy of them all
            raise ValueError(
                f"reference: numbers beyond {LARGEST:g} cannot be measured; divide all of both sides alike"
            )
        if (rows == rows[0]).all():
            raise ValueError("reference: all vectors are the same; what is normal is learned from how they differ")
        fitted = (
            np.arange(len(rows)) if len(rows) <= FRAME_ROWS else np.linspace(0, len(rows) - 1, FRAME_ROWS).astype(int)
        )
        self.sample = sample
        self.frame, self.held_out = Frame.fit(rows[fitted], rows.mean(axis=0, dtype=np.float64), projected=projected)
        self.fitted_rows = rows[fitted]
        panes = max(2 * FOLDS, min(PANES, len(rows) // PANE_ROWS // FOLDS * FOLDS))
        self.panes = tuple(
            sample.window(self.frame, self.held_out, fitted, part)
            for part in np.array_split(np.arange(len(sample)), panes)
        )
        self.calibration = calibrate(self.frame, self.panes)
        self._inputs = None if sample.keys is None else KnownInputs.of(sample.keys, rows)
        self._own_lengths = norms is None
        self._contents = content_keys(rows).tolist()

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
        sample = Sample.of("current", vectors, norms, scores, hashes)
        if len(sample) < MINIMUM_EVENTS:
            raise NotEnoughDataError(f"current: at least {MINIMUM_EVENTS} vectors are needed, got {len(sample)}")
        if sample.rows.shape[1] != self.frame.dimension:
            raise ValueError(f"current has {sample.rows.shape[1]} dimensions, reference {self.frame.dimension}")
        every = np.arange(len(sample.rows))
        window = sample.window(self.frame, self.frame.measure(sample.rows), every, np.arange(len(sample)))
        window = replace(
            window,
            same_input=None
            if self._inputs is None or sample.keys is None
            else self._inputs.check(sample.keys, sample.rows),
            repeats=self._repeats(sample),
        )
        readings = self.calibration.read(window)
        effects = self.calibration.effects(window)
        evidence = Evidence({r.statistic: r.score for r in readings}, effects, window.repeats.largest)
        return Comparison(max(r.score for r in readings), readings, effects, diagnose(evidence))

    def _repeats(self, sample: Sample) -> Repeats:
        found = count_repeats(content_keys(sample.rows).tolist(), self._contents)
        # Of that which hangs on few inputs the statistics know themselves what single events have.
        return found._replace(concentration=max(found.concentration - 1 / max(len(sample.rows), 1) ** 3, 0.0))


def calibrate(frame: Frame, panes: Sequence[Window]) -> Calibration:
    """The limits of a sample without time, from panes of it in order: an eighth of them is as long as a window."""
    return Calibration.learn(Blocks.of(frame, panes, len(panes) // FOLDS), ALPHA)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One side: its valid rows, and columns with an entry for every row that came."""

    rows: NDArray[np.float32]
    """Valid ones, shape (n, d)."""
    valid: NDArray[np.bool_]
    """Of all rows that came; shape (m,)."""
    norms: Floats
    scores: Floats | None
    """Of the best result."""
    keys: NDArray[np.uint64] | None
    """One for each hash, of valid rows; 0 where not known."""

    @classmethod
    def of(
        cls, name: str, vectors: ArrayLike, norms: ArrayLike | None, scores: ArrayLike | None, hashes: Hashes | None
    ) -> Sample:
        """From arrays as they come; `name` is what errors call it. Raises ValueError where they do not fit together."""
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.ascontiguousarray(vectors, np.float32)
            if rows.ndim != 2 or rows.shape[1] == 0:
                raise ValueError(f"{name} must be a matrix with one vector a row, got {rows.ndim} dimensions")
            lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        valid = np.isfinite(lengths) & (lengths > 0)
        if hashes is not None and len(hashes) != len(rows):
            raise ValueError(f"{name}_hashes must have {len(rows)} entries, got {len(hashes)}")
        return cls(
            rows if valid.all() else rows[valid],
            valid,
            lengths if norms is None else _column(f"{name}_norms", norms, len(rows)),
            None if scores is None else _column(f"{name}_scores", scores, len(rows)),
            None if hashes is None else np.array([_key(value) for value in hashes], np.uint64)[valid],
        )

    def __len__(self) -> int:
        return len(self.valid)

    def window(
        self, frame: Frame, measured: Measured, measured_rows: NDArray[np.intp], positions: NDArray[np.intp]
    ) -> Window:
        """The events at these positions; `measured` is of some of the valid rows, by their positions, ascending."""
        valid = positions[self.valid[positions]]
        rows = (np.cumsum(self.valid) - 1)[valid]
        mine = np.flatnonzero(np.isin(measured_rows, rows, assume_unique=True))
        return Window(
            vectors=VectorSums.of(self.rows[rows]),
            frame=frame.sums(self.rows[measured_rows[mine]], measured.take(mine)),
            invalid=positions.size - valid.size,
            norms=_distribution(self.norms[valid]),
            top1=None if self.scores is None else _distribution(self.scores[positions]),
        )


def _key(value: Hashable | None) -> int:
    """64 bits that stand for a hash, the same in every process; 0 for None and NaN."""
    if value is None or value != value:  # noqa: PLR0124 - NaN alone is not itself
        return 0
    plain = value.item() if isinstance(value, np.generic) else value
    return int.from_bytes(blake2b(repr(plain).encode(), digest_size=8).digest(), "big") or 1


def _column(name: str, values: ArrayLike, rows: int) -> Floats:
    column = np.asarray(values, np.float64)
    column = column[:, 0] if column.ndim == 2 and column.shape[1] else column
    if column.shape != (rows,):
        raise ValueError(f"{name} must have {rows} entries, got {column.shape[0] if column.ndim else 1}")
    return column


def _distribution(values: Floats) -> Distribution | None:
    present = values[np.isfinite(values)]
    return Distribution.of(present).compact(STEPS) if present.size else None
