"""Which events are in the sample: by hash of the query id, at random where there is none."""

from __future__ import annotations

import random
import zlib

from embedding_drift_client.event import EventError

_MASK = 0xFFFFFFFF


def position(query_id: str) -> int:
    """The place of a query id in [0, 2**32), the same in every process and on every machine.

    The CRC-32 of its UTF-8 bytes, mixed by the finalizer of MurmurHash3. CRC-32 alone is linear: over ids that count
    up, the variance of how many in a thousand are chosen is six times that of chance.

    >>> position("q-1"), position("q-2")
    (3767634202, 887103141)
    """
    # surrogatepass: a lone surrogate is for the exporter to refuse, not for the sampler
    mixed = zlib.crc32(query_id.encode("utf-8", "surrogatepass"))
    mixed ^= mixed >> 16
    mixed = mixed * 0x85EBCA6B & _MASK
    mixed ^= mixed >> 13
    mixed = mixed * 0xC2B2AE35 & _MASK
    return mixed ^ mixed >> 16


class Sampler:
    """Takes a share `rate`, in (0, 1], of all events; what a lower rate takes, a higher rate takes too.

    Raises ValueError for a rate outside of that range.
    """

    def __init__(self, rate: float) -> None:
        if not 0 < rate <= 1:
            raise ValueError("sample_rate must be above 0 and at most 1")
        self._bound = rate * 2**32
        # Its own generator: the caller's seeded sequence must not depend on how much is recorded.
        self._random = random.Random()  # noqa: S311 (a sample, not a secret)

    def takes(self, query_id: str | None) -> bool:
        """Whether an event is in the sample. Raises EventError for a query id that is no string."""
        if query_id is None:
            return self._random.random() * 2**32 < self._bound
        if not isinstance(query_id, str):
            raise EventError(f"query_id: expected a string, not {type(query_id).__name__}")
        return position(query_id) < self._bound
