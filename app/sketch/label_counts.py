"""How often each value of a slice label came, for as many values as a person looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Self

from app.tree import Tree

MAX_VALUES: Final = 32
"""Values of one label that are told apart; what comes after them counts as the label's `other`."""

OTHER_VALUE: Final = "other"


class LabelCounts:
    """Exact counts of (label, value) for the first values that came, merged in the order of time.

    >>> counts = LabelCounts()
    >>> counts.update([{"locale": "de"}, {"locale": "fr"}, {"locale": "de"}])
    >>> counts.counts["locale", "de"]
    2
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def update(self, labels: Iterable[Mapping[str, str]]) -> None:
        """Add events by their labels."""
        for pair, count in Counter(pair for each in labels for pair in each.items()).items():
            self._add(pair, count)

    def merge(self, other: LabelCounts) -> None:
        """Add what `other` has counted."""
        for pair, count in other.counts.items():
            self._add(pair, count)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"counts": [[name, value, count] for (name, value), count in self.counts.items()]}

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The counts that were frozen."""
        thawed = cls()
        thawed.counts.update({(name, value): count for name, value, count in tree["counts"]})
        return thawed

    def _add(self, pair: tuple[str, str], count: int) -> None:
        name, value = pair
        if pair not in self.counts and value != OTHER_VALUE:
            values = sum(1 for known, _ in self.counts if known == name)
            if values >= MAX_VALUES - 1:
                pair = (name, OTHER_VALUE)
        self.counts[pair] += count
