"""Which event ids were seen lately: bounded memory against retries."""

from __future__ import annotations

from collections.abc import Sequence

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

    def seen_before(self, ids: Sequence[str | None], now: float) -> list[int]:
        """Positions of the ids that were seen before; remembers them all. None is no id."""
        repeated = []
        for position, identifier in enumerate(ids):
            if identifier is None:
                continue
            if len(self._newer) >= MAX_IDS or now - self._since >= self._seconds:
                self._older, self._newer, self._since = self._newer, set(), now
            digest = hash(identifier)
            if digest in self._newer or digest in self._older:
                repeated.append(position)
            else:
                self._newer.add(digest)
        return repeated
