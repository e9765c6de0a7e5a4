"""Dictionaries of an Arrow stream, which its batches share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.decode.errors import TooLarge

Array = Any
"""pyarrow's, whose one door is `app.decode.arrow`."""


class Dictionaries:
    """The entries of each dictionary of a stream, made once: else each text would be held once a batch."""

    def __init__(self, most_bytes: int, values: Callable[[Array], list[Any]]) -> None:
        """`values` makes the entries; of dictionaries of `most_bytes` at most, since they can grow batch by batch."""
        self._most_bytes = most_bytes
        self._values = values
        self._bytes = 0
        self._known: dict[tuple[int, ...], tuple[Array, list[Any]]] = {}
        """By where they lie; with the dictionary itself, or another could come to lie there."""

    def entries(self, dictionary: Array) -> list[Any]:
        """The same list whenever the dictionary is the same. Raises `TooLarge` where all take too many bytes."""
        buffers = [buffer for buffer in dictionary.buffers() if buffer is not None]
        place = (dictionary.offset, len(dictionary), *[buffer.address for buffer in buffers])
        known = self._known.get(place)
        # Types are compared, not hashed: pyarrow writes them out for that.
        if known is None or known[0].type != dictionary.type:
            self._bytes += sum([buffer.size for buffer in buffers])
            if self._bytes > self._most_bytes:
                message = f"more than {self._most_bytes} bytes of dictionaries; send fewer record batches, or no deltas"
                raise TooLarge(message)
            known = self._known[place] = dictionary, self._values(dictionary)
        return known[1]
