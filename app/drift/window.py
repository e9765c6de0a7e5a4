"""What a span of traffic offers to the statistics of the alarm family: a pane, a window, a whole baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from app.distribution import Distribution
from app.drift.repeats import NO_REPEATS, Repeats
from app.drift.same_input import SameInput
from app.drift.sums import FrameSums, VectorSums
from app.tree import Tree

STEPS = 400
"""Steps that a merged distribution keeps: 1/800 of rank error."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Sums and distributions of the events of one span of time, all measured in one frame."""

    vectors: VectorSums = field(default_factory=VectorSums.none)
    """Every valid vector."""
    frame: FrameSums = field(default_factory=FrameSums.none)
    """Those that were measured in the frame; of a baseline each without its own fold."""
    invalid: int = 0
    """Vectors that were zero, not finite or of another dimension."""
    norms: Distribution | None = None
    top1: Distribution | None = None
    same_input: SameInput | None = None
    repeats: Repeats = NO_REPEATS

    @property
    def independent_vectors(self) -> float:
        """Vectors with as much noise if none were repeats; > 0 where there are any."""
        return self.vectors.n / self.repeats.factor

    @property
    def independent_rows(self) -> float:
        """As `independent_vectors`, of those measured in the frame."""
        return self.frame.n / self.repeats.factor

    @property
    def invalid_share(self) -> float:
        """Invalid vectors as a share of all that came; 0 where none did."""
        return self.invalid / max(self.invalid + self.vectors.n, 1)

    @classmethod
    def merged(cls, parts: Sequence[Window]) -> Self:
        """All parts together, one or more; `same_input` and `repeats` are left out."""
        return cls(
            VectorSums.merged(part.vectors for part in parts),
            FrameSums.merged(part.frame for part in parts),
            sum(part.invalid for part in parts),
            _joined(part.norms for part in parts),
            _joined(part.top1 for part in parts),
        )

    def freeze(self) -> Tree:
        """What `thaw` takes; without `same_input` and `repeats`, which are of a moment."""
        return {
            "vectors": self.vectors.freeze(),
            "frame": self.frame.freeze(),
            "invalid": self.invalid,
            "norms": None if self.norms is None else self.norms.freeze(),
            "top1": None if self.top1 is None else self.top1.freeze(),
        }

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The window that was frozen."""
        return cls(
            VectorSums.thaw(tree["vectors"]),
            FrameSums.thaw(tree["frame"]),
            tree["invalid"],
            None if tree["norms"] is None else Distribution.thaw(tree["norms"]),
            None if tree["top1"] is None else Distribution.thaw(tree["top1"]),
        )


def _joined(parts: Iterable[Distribution | None]) -> Distribution | None:
    present = [part for part in parts if part is not None and part.n]
    if not present:
        return None
    masses = [np.diff(part.cumulative, prepend=0.0) * part.n for part in present]
    values = np.concatenate([part.values for part in present])
    return Distribution.weighted(values, np.concatenate(masses), sum(part.n for part in present)).compact(STEPS)
