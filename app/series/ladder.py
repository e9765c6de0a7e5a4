"""The ladder of panes: fine for the last minutes, coarse for the last months, constant in size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from app.model import Floats, Timing
from app.series.pane import Pane
from app.tree import Pieces, Tree


class Ladder:
    """Panes of 10 s for 5 minutes, of 5 minutes for an hour, of an hour for a day, of a day for 90 days.

    A pane that has left the span of its rung is merged into the pane of the next rung that covers it, so each
    event is in exactly one pane, and a window is the union of the rungs up to its own. A window therefore holds
    up to one pane of its coarsest rung more than its name says, never less.
    """

    def __init__(self, timing: Timing, on_leaving_first_rung: Callable[[int, Pane], None]) -> None:
        self._rungs = timing.rungs
        self._spans = tuple(rung.pane_seconds * rung.panes for rung in timing.rungs)
        # How many panes of a rung make one of the next: whole numbers, so that panes nest without rounding.
        self._ratios = tuple(
            round(coarse.pane_seconds / fine.pane_seconds)
            for fine, coarse in zip(timing.rungs, timing.rungs[1:], strict=False)
        )
        self._panes: tuple[dict[int, Pane], ...] = tuple({} for _ in timing.rungs)
        self._joined: list[Pane | None] = [None] * len(timing.rungs)
        """The panes of each rung as one, as long as none of them changes: they are asked for every few seconds."""
        self._on_leaving_first_rung = on_leaving_first_rung
        self.due = -np.inf
        """Until then no pane leaves the span of its rung."""

    def positions(self, times: Floats) -> Floats:
        """Number of the pane in the first rung for each time, as whole floats."""
        return np.floor_divide(times, self._rungs[0].pane_seconds)

    def has_left_first_rung(self, position: int, now: float) -> bool:
        """Whether the pane of this number in the first rung was moved up by now, or would have been."""
        return (position + 1) * self._rungs[0].pane_seconds <= now - self._spans[0]

    def pane(self, position: int, now: float) -> Pane:
        """The finest pane that still covers this one of the first rung. The caller has advanced the ladder to `now`."""
        for level, panes in enumerate(self._panes):
            width = self._rungs[level].pane_seconds
            if (position + 1) * width > now - self._spans[level] or level == len(self._ratios):
                if position not in panes:
                    panes[position] = Pane()
                    self.due = min(self.due, (position + 1) * width + self._spans[level])
                self._joined[level] = None
                return panes[position]
            position //= self._ratios[level]
        raise AssertionError

    def advance(self, now: float) -> None:
        """Move the panes that have left the span of their rung up; drop those that left the last."""
        if now < self.due:
            return
        for level, panes in enumerate(self._panes):
            width = self._rungs[level].pane_seconds
            horizon = now - self._spans[level]
            left = sorted(position for position in panes if (position + 1) * width <= horizon)
            if left:
                self._joined[level] = None
                if level < len(self._ratios):
                    self._joined[level + 1] = None
            for position in left:
                pane = panes.pop(position)
                if level == 0:
                    self._on_leaving_first_rung(position, pane)
                if level < len(self._ratios):
                    pane.shed(level + 1)
                    above = self._panes[level + 1]
                    place = position // self._ratios[level]
                    if place in above:
                        above[place].merge(pane)
                    else:
                        above[place] = pane
        self.due = min(
            (
                (min(panes) + 1) * rung.pane_seconds + span
                for panes, rung, span in zip(self._panes, self._rungs, self._spans, strict=True)
                if panes
            ),
            default=np.inf,
        )

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes; panes that have not changed are not copied."""
        return {
            "rungs": [
                [
                    [position, pieces.piece(pane.stamp, partial(pane.freeze, vectors=pieces.vectors))]
                    for position, pane in panes.items()
                ]
                for panes in self._panes
            ]
        }

    def thaw(self, tree: Tree) -> int:
        """Go on from what was frozen with the same durations; how many panes of it are lost."""
        lost = 0
        for panes, frozen in zip(self._panes, tree["rungs"], strict=True):
            for position, piece in frozen:
                pane = Pane.thaw(piece)
                if pane is None:
                    lost += 1
                else:
                    panes[position] = pane
        self.changed()
        self.due = -np.inf
        return lost

    def windows(self, count: int) -> Iterator[Pane]:
        """Yield the windows of the first rungs, from the shortest on; each is the caller's own."""
        running = Pane()
        for level in range(count):
            running.merge(self._joined_rung(level))
            running.shed(level)
            window = Pane()
            window.merge(running)
            yield window

    def _joined_rung(self, level: int) -> Pane:
        joined = self._joined[level]
        if joined is None:
            joined = self._joined[level] = Pane()
            for pane in self._panes[level].values():
                joined.merge(pane)
        return joined

    def changed(self) -> None:
        """Panes were changed from outside, all of them."""
        self._joined = [None] * len(self._joined)

    def panes(self, level: int) -> list[tuple[float, Pane]]:
        """The panes of one rung with the times at which they begin, oldest first."""
        width = self._rungs[level].pane_seconds
        return [(position * width, self._panes[level][position]) for position in sorted(self._panes[level])]

    def all_panes(self) -> Iterator[Pane]:
        """Every pane of every rung."""
        for panes in self._panes:
            yield from panes.values()
