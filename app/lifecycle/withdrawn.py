"""Documents that must not be found any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Final

import numpy as np

from app.tree import Tree

MAX_WITHDRAWN: Final = 100_000


class Withdrawn:
    """Keyed hashes of the 100,000 documents withdrawn last, over all models. What was dropped for them is counted.

    A hash is that of `app.decode.document_keys`: 64 bits, so that a document is taken for a withdrawn one with a
    probability below 1e-14 a look-up.

    >>> withdrawn = Withdrawn()
    >>> withdrawn.withdraw("e5", [7, 8])
    2
    >>> withdrawn.restore("e5", [8]), withdrawn.count("e5", [7, 8, 9]), withdrawn.count("bge", [7])
    (1, 1, 0)
    """

    def __init__(self) -> None:
        self._kept: dict[int, None] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    def withdraw(self, model: str, keys: Sequence[int]) -> int:
        """Remember documents as withdrawn; how many were not so before. Linear."""
        before = len(self._kept)
        salt = _salt(model)
        for key in keys:
            each = key ^ salt
            self._kept.pop(each, None)
            self._kept[each] = None
        news = len(self._kept) - before
        # Not an OrderedDict, which takes twice the memory: the oldest are the first, and dropped together.
        excess = list(islice(self._kept, max(0, len(self._kept) - MAX_WITHDRAWN)))
        for each in excess:
            del self._kept[each]
        self.dropped += len(excess)
        return news

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"kept": np.fromiter(self._kept, np.uint64, len(self._kept)), "dropped": self.dropped}

    def thaw(self, tree: Tree, *, counters: bool) -> None:
        """Go on from what was frozen; without `counters` every count begins at 0."""
        self._kept = dict.fromkeys(tree["kept"].tolist())
        self.dropped = tree["dropped"] if counters else 0

    def restore(self, model: str, keys: Iterable[int]) -> int:
        """Forget that documents were withdrawn; how many were. Linear."""
        before = len(self._kept)
        salt = _salt(model)
        for key in keys:
            self._kept.pop(key ^ salt, None)
        return before - len(self._kept)

    def count(self, model: str, keys: Iterable[int]) -> int:
        """How many of these documents are withdrawn ones of this model. Safe beside a writer; 60 ns a document."""
        if not self._kept:
            return 0
        salt = _salt(model)
        return sum(key ^ salt in self._kept for key in keys)


@lru_cache(maxsize=256)
def _salt(model: str) -> int:
    """Makes one set of the documents of all models: hashes are as good as random, and stay so when this is added."""
    return int.from_bytes(blake2b(model.encode(), digest_size=8).digest(), "little")
