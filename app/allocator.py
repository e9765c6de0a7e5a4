"""How the C library's allocator treats large blocks, and what threads leave behind."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping

# <malloc.h> of glibc
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8

MMAP_THRESHOLD_BYTES = 32 << 20
"""The largest that mallopt(3) promises to take on a 64-bit machine."""
TRIM_THRESHOLD_BYTES = 64 << 20

OPERATORS_OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
"""Variables by which an operator has settled the matter."""


def settle(environ: Mapping[str, str]) -> bool:
    """Let glibc reuse freed memory for request bodies and matrices, and let all threads share one heap.

    By default every block above 128 KiB is mapped anew, and each of its pages faults once: a large share of the
    processor time of a batch of events. The price is up to 64 MiB of freed memory that the process keeps.

    By default each thread that meets another at the heap is given one of its own, and what evaluations, snapshots and
    scrapes free there serves nobody else: 42 MiB with 64 full series. They take turns at the interpreter anyhow.

    Returns whether it is so now: False with another C library, or where the environment settles it. To be called before
    any thread is started.
    """
    if sys.platform != "linux" or any(name in environ for name in OPERATORS_OWN):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    mapped = mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
    trimmed = mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
    shared = mallopt(M_ARENA_MAX, 1)
    return bool(mapped and trimmed and shared)
