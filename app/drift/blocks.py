"""A baseline cut into spans of time: what limits are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from app.drift.whitening import Dimensions, Whitening
from app.drift.window import Window

FOLDS: Final = 8
"""Parts of the baseline, in the order of time, that are left out in turn."""

LATER: Final = -1
"""The fold of a window that came after the baseline was frozen."""


class Measure(Protocol):
    """What the panes were measured in: a frame."""

    @property
    def whitening(self) -> Whitening:
        """The whitened space."""
        ...

    @property
    def novel_dimensions(self) -> Dimensions:
        """Of one row's part in the mean of the novel ones."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """A baseline, and windows of it that are as long as those to be judged."""

    baseline: Window
    windows: list[Window]
    time_matched: bool
    """False where the baseline is too short for eight windows of the duration, and shorter ones that stand in for them
    do not tell of them: of whole days they do."""

    @classmethod
    def joined(cls, panes: Sequence[Window], span: int) -> Spans:
        """From panes of any kind in the order of time, `span` of which make a window; those need no vectors."""
        length = max(1, min(span, len(panes) // FOLDS))
        windows = [Window.merged(panes[i : i + length]) for i in range(0, len(panes) - length + 1, length)]
        return Spans(Window.merged(panes), windows, length == span)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks(Spans):
    """The panes of a baseline with vectors, and windows made of them that are as long as those to be judged."""

    space: Whitening
    novel_dimensions: Dimensions
    panes: list[Window]
    pane_folds: NDArray[np.intp]
    window_folds: NDArray[np.intp]
    """LATER where a window is no part of the baseline."""
    averaged: float = 1.0
    """Variance of the windows to be judged over that of those that stand in for them."""
    after: Window | None = None
    """Healthy traffic since the baseline, that may correct what few rows of the baseline say of its middle."""

    @classmethod
    def of(
        cls,
        measure: Measure,
        panes: Sequence[Window],
        span: int,
        later: Sequence[Window] = (),
        after: Window | None = None,
        *,
        whole_days: bool = False,
    ) -> Self:
        """Blocks of a baseline from its panes in the order of time, `span` of which make a window.

        Panes with less than a quarter of the median pane's vectors tell of sampling noise alone and are left out,
        but for the baseline as a whole. `later` are windows of the same duration that closed after the frame was
        frozen, `after` is healthy traffic since then, see `drift.learning`. `whole_days` says that both baseline and
        windows are days, in which a daily rhythm averages out. Raises ValueError where fewer than 16 panes are left.
        """
        later = [window for window in later if window.frame.n]
        sizes = np.array([pane.vectors.n for pane in panes])
        measured = np.array([pane.frame.n for pane in panes])
        kept = [panes[int(j)] for j in np.flatnonzero((sizes >= max(2, np.median(sizes) / 4)) & (measured > 0))]
        if len(kept) < 2 * FOLDS:
            raise ValueError(f"a baseline needs at least {2 * FOLDS} panes with vectors, got {len(kept)}")
        length = max(1, min(span, len(kept) // FOLDS))
        count = len(kept) // length
        pane_folds = np.minimum(np.arange(len(kept)) // length * FOLDS // count, FOLDS - 1)
        windows = [
            kept[i * length] if length == 1 else Window.merged(kept[i * length : (i + 1) * length])
            for i in range(count)
        ]
        return cls(
            baseline=Window.merged(panes),
            windows=[*windows, *later],
            time_matched=length == span or whole_days,
            space=measure.whitening,
            novel_dimensions=measure.novel_dimensions,
            panes=kept,
            pane_folds=pane_folds,
            window_folds=np.concatenate((pane_folds[: count * length : length], np.full(len(later), LATER))),
            # Both the baseline and a window are means of eight spans, each with a wobble of its own.
            averaged=2 / FOLDS if whole_days and length < span else 1.0,
            after=after if after is not None and after.frame.n else None,
        )

    def neighbours(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Positions of panes and of the next one of the same fold."""
        first = np.flatnonzero(self.pane_folds[1:] == self.pane_folds[:-1])
        return first, first + 1
