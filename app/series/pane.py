"""A pane: what a stretch of time leaves behind in a series. Panes merge, and so make windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.drift.same_input import SameInputCounts
from app.drift.sums import FrameSums, VectorSums
from app.frame import Frame, Measured
from app.model import Floats
from app.sketch import LabelCounts, QuantileSketch, TopInputs
from app.tree import Piece, Tree, new_stamp

SAME_INPUT_COSINE: Final = "same_input_cosine"
"""The sketch of the cosines between a known input's vector and the one it had in the baseline."""

FRAME_SIGNALS: Final = ("novelty", "pc1")
"""What is sketched of rows that were measured in the frame: cosine to the nearest anchor, first component."""

LASTING_SIGNALS: Final = frozenset({"norm", "top1_similarity"})
"""What months of panes keep sketches of: trailing baselines have limits for these alone."""

LEAST_SUMMED: Final = 16
"""Vectors of which a sum tells little of any one."""


class QueryCounts(NamedTuple):
    """Events that tell of a retrieval, and what is known of it; parts add up to the whole."""

    queries: int = 0
    failed: int = 0
    empty: int = 0
    """Those that succeeded and found nothing."""
    labelled: int = 0
    """Those whose relevant documents are known."""
    recall: float = 0.0
    """Sum over the labelled ones of their recall at 10."""

    def plus(self, other: QueryCounts) -> QueryCounts:
        """Both together."""
        return QueryCounts(
            self.queries + other.queries,
            self.failed + other.failed,
            self.empty + other.empty,
            self.labelled + other.labelled,
            self.recall + other.recall,
        )


NO_KEYS: Final = np.empty(0, np.uint64)
_NO_VECTORS: Final = np.empty((0, 0), np.float32)


class Rows(NamedTuple):
    """Events of one pane, as columns, or some of what they tell: what is left out stands for nothing."""

    events: int = 0
    invalid: int = 0
    """Vectors that were zero, not finite or of another dimension."""
    signals: Mapping[str, Floats] = MappingProxyType({})
    """The finite values of each signal."""
    vectors: NDArray[np.float32] = _NO_VECTORS
    """Valid vectors, shape (n, dimension)."""
    inputs: NDArray[np.uint64] = NO_KEYS
    """What tells the input of each vector from others; shape (n,), 0 where an event has no valid vector."""
    same_input: SameInputCounts = SameInputCounts()
    same_input_cosines: Floats = np.empty(0)
    """Of the vectors whose input the baseline knows."""
    labels: Sequence[Mapping[str, str]] = ()
    """The slice labels of the events that have any."""
    queries: QueryCounts = QueryCounts()


class Pane:
    """Number of events, a quantile sketch per signal, sums over vectors and over what they measure in the frame.

    A part stands only where something was seen: a series without scores pays for no sketch of them.
    """

    __slots__ = (
        "events",
        "frame",
        "inputs",
        "invalid",
        "labels",
        "quantiles",
        "queries",
        "same_input",
        "stamp",
        "vectors",
    )

    def __init__(self) -> None:
        self.events = 0
        self.invalid = 0
        self.queries = QueryCounts()
        self.quantiles: dict[str, QuantileSketch] = {}
        self.vectors: VectorSums | None = None
        self.frame: FrameSums | None = None
        self.same_input = SameInputCounts()
        self.inputs: TopInputs | None = None
        self.labels: LabelCounts | None = None
        self.stamp = new_stamp()
        """Another with each change: what has the same is written already."""

    def update(self, rows: Rows) -> None:
        """Add events."""
        self.stamp = new_stamp()
        self.events += rows.events
        self.invalid += rows.invalid
        self.queries = self.queries.plus(rows.queries)
        for name, values in rows.signals.items():
            if values.size:
                self._sketch(name).update(values)
        if len(rows.vectors):
            self.vector_sums(rows.vectors.shape[1]).update(rows.vectors)
        if rows.inputs.size:
            self._top_inputs().update(rows.inputs)
        self.same_input += rows.same_input
        if rows.same_input_cosines.size:
            self._sketch(SAME_INPUT_COSINE).update(rows.same_input_cosines)
        if rows.labels:
            self._labels().update(rows.labels)

    def add_measured(self, frame: Frame, vectors: NDArray[np.float32], measured: Measured) -> None:
        """Add what vectors of this pane measure in the frame; they are counted already."""
        self.stamp = new_stamp()
        sums = frame.sums(vectors, measured)
        if self.frame is None:
            self.frame = sums.compact()
        else:
            self.frame.merge(sums)
        self._sketch("novelty").update(measured.novelty)
        self._sketch("pc1").update(measured.components[:, 0].astype(np.float64))

    def merge(self, other: Pane) -> None:
        """Add all that `other` holds; `other` is left as it is."""
        self.stamp = new_stamp()
        self.events += other.events
        self.invalid += other.invalid
        self.queries = self.queries.plus(other.queries)
        for name, sketch in other.quantiles.items():
            self._sketch(name).merge(sketch)
        if other.vectors is not None:
            self.vector_sums(other.vectors.dimension).merge(other.vectors)
        if other.frame is not None:
            if self.frame is None:
                self.frame = other.frame.compact()
            else:
                self.frame.merge(other.frame)
        self.same_input += other.same_input
        if other.inputs is not None:
            self._top_inputs().merge(other.inputs)
        if other.labels is not None:
            self._labels().merge(other.labels)

    def shed(self, rung: int) -> None:
        """Let go of what no window as long as this rung of the ladder is asked for."""
        self.stamp = new_stamp()
        if rung >= 2:
            self.forget_sketches(FRAME_SIGNALS)
            if self.frame is not None:
                self.frame.features = np.zeros(0, np.float32)
        if rung >= 3:
            self.forget_sketches(self.quantiles.keys() - LASTING_SIGNALS)
            self.inputs = None
            self.labels = None
            if self.vectors is not None:
                # Months of them, in half the memory: off by some 1e-7 of themselves.
                self.vectors.total = self.vectors.total.astype(np.float32)

    def forget_frame(self) -> None:
        """Let go of what was measured in a frame: another one takes its place."""
        self.stamp = new_stamp()
        self.frame = None
        self.forget_sketches((*FRAME_SIGNALS, SAME_INPUT_COSINE))
        self.same_input = SameInputCounts(0, 0, self.same_input.repeats, self.same_input.inconsistent)

    def forget_vectors(self) -> None:
        """Let go of the sums over vectors: most turned out to be of another length."""
        self.stamp = new_stamp()
        self.vectors = None

    def forget_sketches(self, signals: Iterable[str]) -> None:
        """Let go of the sketches of these signals."""
        self.stamp = new_stamp()
        for name in list(signals):
            self.quantiles.pop(name, None)

    def vector_sums(self, dimension: int) -> VectorSums:
        """The sums over vectors of this length; begun anew where those at hand are of another length."""
        if self.vectors is None or self.vectors.dimension != dimension:
            self.vectors = VectorSums.none(dimension)
        return self.vectors

    def freeze(self, *, vectors: bool = True) -> Tree:
        """What `thaw` takes. Some 4 us, of a full one with seven sketches.

        Without `vectors`, sums of fewer than `LEAST_SUMMED` are left out: the sum of one vector is that vector.
        """
        summed = self.vectors if vectors or (self.vectors and self.vectors.n >= LEAST_SUMMED) else None
        measured = self.frame if vectors or (self.frame and self.frame.n >= LEAST_SUMMED) else None
        same = self.same_input
        return {
            "events": self.events,
            "invalid": self.invalid,
            "queries": list(self.queries),
            "quantiles": {name: sketch.freeze() for name, sketch in self.quantiles.items()},
            "vectors": None if summed is None else summed.freeze(),
            "frame": None if measured is None else measured.freeze(),
            "same_input": [same.matches, same.changed, same.repeats, same.inconsistent],
            "inputs": None if self.inputs is None else self.inputs.freeze(),
            "labels": None if self.labels is None else self.labels.freeze(),
        }

    @classmethod
    def thaw(cls, piece: Piece) -> Self | None:
        """The pane that was frozen; None where it is lost."""
        tree = piece.tree
        if tree is None:
            return None
        thawed = cls()
        thawed.stamp = piece.stamp
        thawed.events, thawed.invalid = tree["events"], tree["invalid"]
        thawed.queries = QueryCounts(*tree["queries"])
        thawed.quantiles = {name: QuantileSketch.thaw(frozen) for name, frozen in tree["quantiles"].items()}
        thawed.vectors = None if tree["vectors"] is None else VectorSums.thaw(tree["vectors"])
        thawed.frame = None if tree["frame"] is None else FrameSums.thaw(tree["frame"])
        thawed.same_input = SameInputCounts(*tree["same_input"])
        thawed.inputs = None if tree["inputs"] is None else TopInputs.thaw(tree["inputs"])
        thawed.labels = None if tree["labels"] is None else LabelCounts.thaw(tree["labels"])
        return thawed

    @property
    def sketch_nbytes(self) -> int:
        """Bytes of the sketches."""
        inputs = 0 if self.inputs is None else self.inputs.nbytes
        return inputs + sum(sketch.nbytes for sketch in self.quantiles.values())

    @property
    def vector_nbytes(self) -> int:
        """Bytes of the sums over vectors and over what they measure."""
        vectors = 0 if self.vectors is None else self.vectors.total.nbytes
        return vectors + (0 if self.frame is None else self.frame.nbytes)

    def _sketch(self, name: str) -> QuantileSketch:
        sketch = self.quantiles.get(name)
        if sketch is None:
            sketch = self.quantiles[name] = QuantileSketch()
        return sketch

    def _top_inputs(self) -> TopInputs:
        if self.inputs is None:
            self.inputs = TopInputs()
        return self.inputs

    def _labels(self) -> LabelCounts:
        if self.labels is None:
            self.labels = LabelCounts()
        return self.labels
