"""What came of a request's body since the application last asked for it: pieces, joined once."""

from __future__ import annotations

from typing import Final, Self

LARGE_BYTES: Final = 8192
"""Smaller pieces are put together as they come: a sender may make each of one byte, and an object of forty."""


class Received:
    """Stands where uvicorn gathers a body in a bytearray, which copies each byte twice more than is needed.

    >>> received = Received()
    >>> received += b"ab"
    >>> received += b"c"
    >>> len(received), bytes(received)
    (3, b'abc')
    """

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes | bytearray] = []
        self._size = 0

    def __iadd__(self, piece: bytes) -> Self:
        self._size += len(piece)
        if len(piece) >= LARGE_BYTES:
            self._pieces.append(piece)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += piece
        else:
            self._pieces.append(bytearray(piece))
        return self

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return bytes(self._pieces[0]) if len(self._pieces) == 1 else b"".join(self._pieces)
