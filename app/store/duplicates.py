"""Which event ids were seen lately: bounded memory against retries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from app.decode.id_digests import NO_ID, as_numbers, from_numbers, id_digests
from app.tree import Piece, Pieces, Tree, new_stamp

MAX_IDS = 100_000
_PURPOSE: Final = b"event_id"


def event_digests(ids: Sequence[str | bytes | None], secret: bytes) -> list[bytes]:
    """What stands for each event's id: `id_digests`, 0.4 us an id.

    >>> first, none, again = event_digests(["e1", None, "e1"], b"secret")
    >>> first == again != none
    True
    """
    return id_digests(ids, secret, _PURPOSE)


class RecentIds:
    """Remembers the ids of the last ten minutes or the last 100,000 events, whichever is less.

    Two sets that take turns: at most twice as many are kept, and each look-up costs two probes. Ids are kept as
    keyed hashes of 64 bits, which a restart does not change, so an id of a client is nowhere to be found; that two ids
    in memory collide and an event is taken for a duplicate is less likely than one in a billion a day. 0.4 us an id.
    """

    def __init__(self, seconds: float, secret: bytes) -> None:
        """`secret` has at most 64 bytes."""
        self._seconds = seconds
        self._secret = secret
        self._stamps = [new_stamp(), new_stamp()]
        """Of the newer set and of the older one."""
        self._since = 0.0
        # Of bytes as they come: numbers would take as much room, and be made of them one by one.
        self._newer: set[bytes] = set()
        self._older: set[bytes] = set()

    def seen_before(self, ids: Sequence[str | bytes | None], now: float) -> list[int]:
        """Positions of the ids that were seen before; remembers them all. None is no id."""
        digests = event_digests(ids, self._secret)
        fresh = set(digests)
        if (
            len(fresh) == len(digests)
            and len(self._newer) + len(fresh) <= MAX_IDS
            and now - self._since < self._seconds
            and NO_ID not in fresh
            and fresh.isdisjoint(self._newer)
            and fresh.isdisjoint(self._older)
        ):
            # As nearly all batches are: a third of the time that a look at each takes.
            self._newer |= fresh
            self._stamps[0] = new_stamp()
            return []
        return self._repeated(digests, now)

    def _repeated(self, digests: list[bytes], now: float) -> list[int]:
        repeated = []
        entered = False
        for position, digest in enumerate(digests):
            if digest == NO_ID:
                continue
            if len(self._newer) >= MAX_IDS or now - self._since >= self._seconds:
                self._older, self._newer, self._since = self._newer, set(), now
                self._stamps = [new_stamp(), self._stamps[0]]
            if digest in self._newer or digest in self._older:
                repeated.append(position)
            else:
                self._newer.add(digest)
                entered = True
        if entered:
            self._stamps[0] = new_stamp()
        return repeated

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes; 2 ms where the newer set is full and has changed."""
        newer, older = self._stamps
        return {
            "since": self._since,
            "newer": pieces.piece(newer, partial(_ids, self._newer)),
            "older": pieces.piece(older, partial(_ids, self._older)),
        }

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen; ids that were hashed with another secret are never seen again."""
        self._since = tree["since"]
        newer, older = tree["newer"], tree["older"]
        self._newer, self._older = _to_set(newer), _to_set(older)
        self._stamps = [newer.stamp, older.stamp]


def _ids(kept: set[bytes]) -> Tree:
    return {"ids": as_numbers(kept)}


def _to_set(piece: Piece) -> set[bytes]:
    return set() if piece.tree is None else set(from_numbers(piece.tree["ids"]))
