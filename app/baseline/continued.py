"""What closed windows teach in the week after a baseline: how traffic wobbles, and a little of its middle."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Self

import numpy as np

from app.distribution import Distribution
from app.drift.learning import LEARNING_SECONDS, settled, teaches
from app.drift.sums import FrameSums
from app.drift.window import Window
from app.model import Timing
from app.series.block import BLOCK_STEPS
from app.tree import Pieces, Tree, new_stamp

HOUR: Final = 3600.0
DAY: Final = 86400.0

STRIDE_SECONDS: Final = HOUR
"""A window of each duration is kept so often on the first day."""
LATER_STRIDE_SECONDS: Final = 3 * HOUR
"""And so often after it: all hours of the day and all days of the week, in a megabyte."""

RELEARN_SECONDS: Final = 3 * HOUR
"""Limits are learned anew so often on the first day, and once a day after it."""


@dataclass(slots=True)
class Continued:
    """Closed windows since a baseline was frozen, none of them above its limits when it closed."""

    created: float
    timing: Timing
    later: dict[str, list[Window]] = field(default_factory=dict)
    """By duration, oldest first."""
    _stamps: dict[str, list[int]] = field(default_factory=dict)
    """Of each of `later`."""
    _next: dict[str, float] = field(default_factory=dict)
    _relearned: float = 0.0

    def observe(self, name: str, window: Window, score: float, now: float) -> None:
        """A window as of now, with the largest score of its alarm family."""
        age, seconds = self.age_seconds(now), self.timing.windows[name] * self._scale
        if age < max(seconds, self._next.get(name, 0.0)):
            return
        stride = STRIDE_SECONDS if age < DAY else LATER_STRIDE_SECONDS
        self._next[name] = age + max(seconds, stride)
        if teaches(score, age):
            self.later.setdefault(name, []).append(_compact(window))
            self._stamps.setdefault(name, []).append(new_stamp())

    def is_due(self, now: float) -> bool:
        """Whether limits should be learned anew; asked, it counts as done."""
        age = self.age_seconds(now)
        every = RELEARN_SECONDS if age < DAY else DAY
        # The last of it a day late, so that the whole week has its part.
        if age // every == self._relearned // every or age >= LEARNING_SECONDS + DAY or not self.later:
            return False
        self._relearned = age
        return True

    def after(self) -> Window | None:
        """The traffic that may correct the baseline's middle; None before the first hour."""
        return settled(self.later.get("1h", []), HOUR)

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes."""
        return {
            "created": self.created,
            "later": {
                name: [
                    pieces.piece(stamp, window.freeze)
                    for stamp, window in zip(self._stamps[name], windows, strict=True)
                ]
                for name, windows in self.later.items()
            },
            "next": self._next.copy(),
            "relearned": self._relearned,
        }

    @classmethod
    def thaw(cls, tree: Tree, timing: Timing) -> Self:
        """What was frozen; windows of it that are lost are left out."""
        thawed = cls(tree["created"], timing, _next=tree["next"], _relearned=tree["relearned"])
        for name, frozen in tree["later"].items():
            kept = [(piece.stamp, Window.thaw(piece.tree)) for piece in frozen if piece.tree is not None]
            thawed.later[name] = [window for _, window in kept]
            thawed._stamps[name] = [stamp for stamp, _ in kept]
        return thawed

    def age_seconds(self, now: float) -> float:
        """Since the baseline was frozen, as if time were not scaled."""
        return (now - self.created) * self._scale

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(
            window.vectors.total.nbytes + window.frame.nbytes for windows in self.later.values() for window in windows
        )

    @property
    def _scale(self) -> float:
        return DAY / self.timing.rungs[-1].pane_seconds


def _compact(window: Window) -> Window:
    frame = window.frame.compact()
    frame.features = np.zeros(0, np.float32)
    return Window(
        vectors=replace(window.vectors, total=window.vectors.total.astype(np.float32)),
        frame=frame if frame.n else FrameSums.none(),
        invalid=window.invalid,
        norms=_steps(window.norms),
        top1=_steps(window.top1),
    )


def _steps(distribution: Distribution | None) -> Distribution | None:
    return None if distribution is None else distribution.compact(BLOCK_STEPS)
