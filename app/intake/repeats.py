"""Requests by their idempotency key: what was answered is answered again, and nothing counted twice."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from hashlib import blake2b, sha256
from threading import Lock
from typing import Final, NamedTuple, Self

from app.intake.answer import Answer
from app.tree import Pieces, Tree

REPEAT_SECONDS: Final = 600.0
MAX_ANSWERS: Final = 20_000

_DIGEST_BYTES: Final = 16


class OtherBody(Exception):  # noqa: N818 - says what came
    """The key came before with another body."""


class Claim(NamedTuple):
    """A request by hashes of its key and its body: neither is kept."""

    key: bytes
    body: bytes

    @classmethod
    def of(cls, path: str, key: str, body: bytes) -> Self:
        """The same key for two routes is two keys. 1.5 ms a MiB of body."""
        return cls(
            blake2b(f"{path}\0{key}".encode(), digest_size=_DIGEST_BYTES).digest(),
            # Not blake2b, which takes twice as long where the processor knows this one.
            sha256(body).digest()[:_DIGEST_BYTES],
        )


class _Kept(NamedTuple):
    body: bytes
    status: int
    reply: bytes
    at: float


class Repeats:
    """The answers of the last ten minutes, at most 20,000 of them, some 8 MiB. Safe from any thread.

    >>> repeats, claim = Repeats(), Claim.of("/v1/events", "k1", b"[]")
    >>> repeats.find(claim, now=0.0)
    >>> repeats.keep(claim, Answer(202, b"{}", {}), now=0.0)
    >>> repeats.find(claim, now=599.0)
    Answer(status=202, body=b'{}', refused={})
    >>> repeats.find(claim, now=600.0)
    """

    def __init__(self, seconds: float = REPEAT_SECONDS, capacity: int = MAX_ANSWERS) -> None:
        self._seconds = seconds
        self._capacity = capacity
        self._lock = Lock()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def begin(self, claim: Claim, now: float) -> Answer | None:
        """The answer that was given; None if there is none, and then the request is under way until `end`.

        Waits for one of the same key that is under way. For one event loop.

        Raises:
            OtherBody: the key came before with another body.
        """
        while True:
            known = self.find(claim, now)
            if known is not None:
                return known
            under_way = self._under_way.get(claim.key)
            if under_way is None:
                self._under_way[claim.key] = asyncio.get_running_loop().create_future()
                return None
            # Whatever comes of it: without an answer of its own this one is the next to try.
            await asyncio.shield(under_way)

    def end(self, claim: Claim) -> None:
        """The request is under way no more, whether it was answered or not."""
        self._under_way.pop(claim.key).set_result(None)

    def find(self, claim: Claim, now: float) -> Answer | None:
        """The answer that was given. Raises OtherBody."""
        with self._lock:
            self._forget(now)
            kept = self._kept.get(claim.key)
        if kept is None:
            return None
        if kept.body != claim.body:
            raise OtherBody
        return Answer(kept.status, kept.reply, {})

    def keep(self, claim: Claim, answer: Answer, now: float) -> None:
        """Remember an answer, in place of the oldest where there are too many."""
        with self._lock:
            self._kept[claim.key] = _Kept(claim.body, answer.status, answer.body, now)
            self._kept.move_to_end(claim.key)
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)

    def freeze(self, _: Pieces) -> Tree:
        """What `thaw` takes. Some 3 ms where there are 20,000."""
        with self._lock:
            return {"answers": [[key, *kept] for key, kept in self._kept.items()]}

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen."""
        self._kept = OrderedDict((key, _Kept(*kept)) for key, *kept in tree["answers"])

    def _forget(self, now: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if oldest.at + self._seconds > now:
                return
            self._kept.popitem(last=False)
