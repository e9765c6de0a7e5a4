"""Texts that lie end to end in one run of bytes, cut apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MANY: Final = 128
"""From here on the calls of numpy cost less than a slice a text."""


def cut(run: bytes, bounds: NDArray[np.int32] | NDArray[np.int64]) -> list[str]:
    """The texts between each two neighbours of `bounds`, which never fall; of what is not valid UTF-8, anything.

    20 to 40 ns a text where there are many, 70 where there are few.

    >>> cut(b"doc-1doc-22", np.array([0, 5, 11]))
    ['doc-1', 'doc-22']
    """
    if not run.isascii():
        # What stands under a null may be any bytes, and has been checked by nobody.
        return [run[a:b].decode(errors="replace") for a, b in pairwise(bounds.tolist())]
    count, first = bounds.size - 1, int(bounds[0])
    run = run[first : int(bounds[-1])]
    if count < _MANY or b"\0" in run:
        text = run.decode("ascii")
        return [text[a:b] for a, b in pairwise((bounds - first).tolist())]
    # With a separator between each two the rest is one call that makes all objects.
    separated = np.zeros(len(run) + count - 1, np.uint8)
    letters = np.ones(separated.size, np.bool_)
    letters[bounds[1:-1] - first + np.arange(count - 1)] = False
    separated[letters] = np.frombuffer(run, np.uint8)
    return separated.tobytes().decode("ascii").split("\0")
