"""Vectors written as JSON numbers, lifted out of the document and parsed on their own.

A list of 768 numbers is 60 times the rest of its event, and simdjson reads numbers at twice the speed of a typed
decoder; the little that is left of the document is then decoded and judged with all its types.
docs/decisions/decoding.md has the figures.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import simdjson

from app.decode.event import Embedding, Event

_KEY = b'"embedding"'
_LIST = re.compile(rb"\s*:\s*(?=\[)")
_ESCAPE = ord("\\")

_TOKEN = f"lifted-{secrets.token_hex(16)}-"
"""Stands in the document where a vector was, with its number. Random, or a sender could name another event's vector."""


_Found = bytes | list[float | None]
"""A vector that was read: float64 bytes, or plain values."""


class Lifted(NamedTuple):
    """A document without its vectors."""

    text: bytes
    vectors: list[Embedding]

    def restore(self, event: Event) -> None:
        """Give the event its vector back, if it was lifted."""
        if self.vectors and isinstance(event.embedding, str) and event.embedding.startswith(_TOKEN):
            event.embedding = self.vectors[int(event.embedding[len(_TOKEN) :])]  # type: ignore[assignment]


def lift(body: bytes, limit_vectors: int) -> Lifted:
    """Take each `"embedding": [...]` out of JSON text. Linear.

    A list ends at its first bracket, and is lifted only if it is JSON by itself, so the text that is left is JSON
    exactly if the body is. The body is returned whole where some list is not (it holds lists, or strings with
    brackets), where there are more than `limit_vectors`, and where the first embedding is no list.
    """
    key = body.find(_KEY)
    # Senders write all their vectors alike: searching through base64 would cost as much as decoding it.
    if key < 0 or _list_after(body, key) is None:
        return Lifted(body, [])
    found: list[_Found] = []
    pieces: list[bytes] = []
    view = memoryview(body)
    end = 0
    while key >= 0:
        start = _list_after(body, key)
        if start is not None:
            closing = body.find(b"]", start)
            if closing < 0 or len(found) == limit_vectors:
                return Lifted(body, [])
            pieces += (body[end:start], f'"{_TOKEN}{len(found)}"'.encode())
            end = closing + 1
            try:
                found.append(_parsed(view[start:end]))
            except (ValueError, RecursionError):
                return Lifted(body, [])
        key = body.find(_KEY, max(end, key + len(_KEY)))
    pieces.append(body[end:])
    return Lifted(b"".join(pieces), _narrowed(found))


def _list_after(body: bytes, key: int) -> int | None:
    """Where the list starts that is the value of this key; None where there is none."""
    # An escaped quote before it: the end of a longer key, or text about JSON inside a string.
    if key and body[key - 1] == _ESCAPE:
        return None
    opening = _LIST.match(body, key + len(_KEY))
    return opening.end() if opening else None


def _parsed(text: memoryview) -> _Found:
    """A list as float64 bytes, or as plain values where it holds more than finite numbers.

    Raises ValueError or RecursionError where it is not JSON.
    """
    try:
        # A parser of its own costs next to nothing, keeps no memory and belongs to no other thread.
        numbers = simdjson.Parser().parse(text)
        assert isinstance(numbers, simdjson.Array)
        return bytes(numbers.as_buffer(of_type="d"))
    except (ValueError, TypeError, RuntimeError):
        # The standard library reads NaN and Infinity; integers as floats, since one of 5,000 digits is an error to it.
        values: list[float | None] = json.loads(str(text, "utf-8"), parse_int=float)
        return values


def _narrowed(found: Sequence[_Found]) -> list[Embedding]:
    """Float64 bytes as float32 bytes, all in one go: three calls of numpy a vector cost a tenth of reading it."""
    wide = b"".join([each for each in found if isinstance(each, bytes)])
    with np.errstate(over="ignore"):
        narrow = np.frombuffer(wide, dtype=np.float64).astype("<f4").tobytes()
    embeddings: list[Embedding] = []
    taken = 0
    for each in found:
        if isinstance(each, bytes):
            embeddings.append(narrow[taken : taken + len(each) // 2])
            taken += len(each) // 2
        else:
            embeddings.append(each)
    return embeddings
