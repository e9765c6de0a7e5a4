"""Ids of events, queries and inputs as keyed hashes: what a sender wrote of them is nowhere to be found afterwards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES: Final = 8

_UINT64: Final = np.dtype("<u8")

NO_ID: Final = bytes(DIGEST_BYTES)
"""The digest of an event that has no id."""

_RESERVED: Final = b"\x01" + bytes(DIGEST_BYTES - 1)
"""Stands for the one digest in 2^64 that would read as no id."""


def id_digests(ids: Sequence[str | bytes | None], secret: bytes, purpose: bytes) -> list[bytes]:
    """A hash of 64 bits for each id, with a secret of at most 64 bytes (RFC 7693); `NO_ID` where it is None or empty.

    Numbers in little-endian order. One text has another hash for each purpose. What is a digest stays as it is.
    Linear, 0.35 us an id.

    >>> first, none, again = id_digests(["q1", None, "q1"], b"secret", b"query_id")
    >>> first == again != none == NO_ID
    True
    """
    start = _started(secret, purpose).copy  # half the time of a hash from its parameters
    digests = []
    for each in ids:
        if not each:
            digests.append(NO_ID)
        elif isinstance(each, str):
            state = start()
            state.update(each.encode())
            digest = state.digest()
            digests.append(_RESERVED if digest == NO_ID else digest)
        else:
            digests.append(each)
    return digests


def as_numbers(digests: Collection[bytes]) -> NDArray[np.uint64]:
    """Digests as an array, shape (n,); 0 is no id."""
    return np.frombuffer(b"".join(digests), _UINT64)


def from_numbers(numbers: NDArray[np.uint64]) -> list[bytes]:
    """What `as_numbers` was asked of."""
    return apart(numbers.astype(_UINT64, copy=False).tobytes())


def apart(joined: bytes) -> list[bytes]:
    """Digests that stand one after the other."""
    return [joined[start : start + DIGEST_BYTES] for start in range(0, len(joined), DIGEST_BYTES)]


@lru_cache(maxsize=16)
def _started(secret: bytes, purpose: bytes) -> blake2b:
    return blake2b(digest_size=DIGEST_BYTES, key=secret, person=purpose)
