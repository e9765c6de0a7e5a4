"""Which event ids were seen lately: bounded memory against retries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_IDS = 100_000


class RecentIds:
    """Remembers the ids of the last ten minutes or the last 100,000 events, whichever is less.

    Two sets that take turns: at most twice as many are kept, and each look-up costs two probes. Ids are kept as
    hashes of 64 bits, so an id of a client is nowhere to be found; that two ids in memory collide and an event
    is taken for a duplicate is less likely than one in a billion a day.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = 0.0
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def first_seen(self, ids: list[str | None], now: float) -> NDArray[np.bool_]:
        """True for each id that was not seen before, and for each None; remembers them all. Shape (n,)."""
        fresh = np.ones(len(ids), dtype=np.bool_)
        for position, identifier in enumerate(ids):
            if identifier is None:
                continue
            if len(self._newer) >= MAX_IDS or now - self._since >= self._seconds:
                self._older, self._newer, self._since = self._newer, set(), now
            digest = hash(identifier)
            if digest in self._newer or digest in self._older:
                fresh[position] = False
            else:
                self._newer.add(digest)
        return fresh
