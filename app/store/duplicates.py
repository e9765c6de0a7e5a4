"""Which event ids were seen lately: bounded memory against retries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from app.model import Hashed
from app.tree import Piece, Pieces, Tree, new_stamp

MAX_IDS = 100_000


def event_keys(ids: Sequence[str | Hashed | None], secret: bytes) -> NDArray[np.uint64]:
    """The keyed hash that stands for each event's id, 64 bits, shape (n,); 0 where there is none.

    `secret` has at most 64 bytes. What is `Hashed` stays as it is. 0.4 us an id.

    >>> keys = event_keys(["e1", None, "e1"], b"secret")
    >>> bool(keys[0] == keys[2] != 0), keys[1]
    (True, np.uint64(0))
    """
    start = _started(secret).copy
    keys: list[int] = []
    for each in ids:
        if each is None or isinstance(each, Hashed):
            keys.append(each or 0)
        else:
            state = start()
            state.update(each.encode())
            keys.append(int.from_bytes(state.digest(), "little") or 1)
    return np.array(keys, np.uint64)


@lru_cache(maxsize=8)
def _started(secret: bytes) -> blake2b:
    return blake2b(digest_size=8, key=secret, person=b"event_id")


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
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def seen_before(self, ids: Sequence[str | Hashed | None], now: float) -> list[int]:
        """Positions of the ids that were seen before; remembers them all. None is no id."""
        repeated = []
        entered = False
        for position, digest in enumerate(event_keys(ids, self._secret).tolist()):
            if not digest:
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


def _ids(kept: set[int]) -> Tree:
    return {"ids": np.fromiter(kept, np.uint64, len(kept))}


def _to_set(piece: Piece) -> set[int]:
    return set() if piece.tree is None else set(piece.tree["ids"].tolist())
