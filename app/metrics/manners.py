"""Work in a thread that lets the others have a turn: above all the event loop, which is short of nothing but turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

SLICE_SECONDS: Final = 0.001
"""So long, and one item, is worked at a stretch. Python itself takes the turn away after five of these."""
PAUSE_SECONDS: Final = 0.0001
"""Long enough for a thread on another core to wake up and take the turn; with 0 it is taken back before."""

T = TypeVar("T")


def in_slices(
    items: Iterable[T],
    monotonic: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[T]:
    """Yield the same items; between two of them, where it is time, the thread sleeps for a moment."""
    begun = monotonic()
    for each in items:
        yield each
        if monotonic() - begun > SLICE_SECONDS:
            sleep(PAUSE_SECONDS)
            begun = monotonic()
