"""What covers a window that slides with two summaries that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from app.tree import Tree

Block = TypeVar("Block")


class Sliding(Generic[Block]):
    """A summary for the block of time that is filling and one for the block before it.

    A block is as long as the window, so the two together always cover it, and at most as much again.

    >>> sliding = Sliding(60.0, lambda start: [])
    >>> sliding.filling(now=70.0).append("a")
    >>> sliding.filling(now=130.0).append("b")
    >>> sliding.blocks(now=150.0), sliding.blocks(now=190.0)
    ((['a'], ['b']), (['b'], []))
    """

    def __init__(self, seconds: float, make: Callable[[float], Block]) -> None:
        """`make` is given the start of a block."""
        self._seconds = seconds
        self._make = make
        self._number = 0
        self._before, self._filling = make(0.0), make(0.0)

    def filling(self, now: float) -> Block:
        """The summary of the block of `now`."""
        self._turn(now)
        return self._filling

    def blocks(self, now: float) -> tuple[Block, Block]:
        """The summary of the block before that of `now`, and of that one."""
        self._turn(now)
        return self._before, self._filling

    def freeze(self, freeze: Callable[[Block], Tree]) -> Tree:
        """What `thaw` takes; `freeze` is asked for that of a block."""
        return {"number": self._number, "before": freeze(self._before), "filling": freeze(self._filling)}

    def thaw(self, tree: Tree, thaw: Callable[[Tree], Block]) -> None:
        """Go on from what was frozen; `thaw` makes a block of what it was frozen to."""
        self._number, self._before, self._filling = tree["number"], thaw(tree["before"]), thaw(tree["filling"])

    def _turn(self, now: float) -> None:
        number = int(now // self._seconds)
        if number > self._number:
            follows = number == self._number + 1
            self._before = self._filling if follows else self._make((number - 1) * self._seconds)
            self._filling = self._make(number * self._seconds)
        # A clock that was set back goes on with the block at hand, or none would end until it has caught up.
        self._number = number
