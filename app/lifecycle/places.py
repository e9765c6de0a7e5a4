"""Bounded label values: names come from requests, and nobody may fill Prometheus with them."""

from __future__ import annotations

from typing import Final, TypeVar

from app.model import OTHER
from app.tree import Tree

MAX_MODELS: Final = 64
MAX_INDEXES: Final = 64

Name = TypeVar("Name")

IndexLabels = tuple[str, str]
"""The labels `model` and `index`."""


class Places:
    """The first 64 models and the first 64 indexes have labels of their own; what comes later is `__other__`.

    Who has a place keeps it: strangers never drive out what is known. At most 129 pairs of labels.

    >>> places = Places()
    >>> places.index("e5", "products"), [places.model(str(i)) for i in range(64)][-2:]
    (('e5', 'products'), ['62', '__other__'])
    """

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._indexes: set[IndexLabels] = set()

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"models": sorted(self._models), "indexes": [list(labels) for labels in sorted(self._indexes)]}

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen."""
        self._models = set(tree["models"])
        self._indexes = {(model, index) for model, index in tree["indexes"]}

    def model(self, name: str) -> str:
        """The value of the label `model`."""
        return name if _placed(self._models, name, MAX_MODELS) else OTHER

    def index(self, model: str, index: str) -> IndexLabels:
        """The values of the labels `model` and `index`."""
        labels = self.model(model), index
        if labels[0] == OTHER:
            return OTHER, OTHER
        return labels if _placed(self._indexes, labels, MAX_INDEXES) else (labels[0], OTHER)


def _placed(taken: set[Name], name: Name, limit: int) -> bool:
    if name not in taken and len(taken) < limit:
        taken.add(name)
    return name in taken
