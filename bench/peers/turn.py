"""What every peer is given, and how one turn of it is measured; needs numpy alone, for it runs in all environments.

A peer is a process that waits for a line on its standard input, does its work once and answers with a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMENSION: Final = 768
TOP_K: Final = 10
BATCH: Final = 256
EVENTS: Final = 40 * BATCH
"""After which the answer about drift is wanted."""
ROWS: Final = 1000
"""Of either side of a drift check."""


class Done(NamedTuple):
    """What one turn did."""

    events: int
    drift: str
    """The answer at the end: was there drift."""


class Events(NamedTuple):
    """Queries of a search: unit vectors around a common mean, and the similarities of their results."""

    vectors: NDArray[np.float32]
    """Shape (n, 768)."""
    scores: NDArray[np.float64]
    """Best first; shape (n, 10)."""

    @property
    def scalars(self) -> NDArray[np.float64]:
        """The length of the vector and the ten similarities; shape (n, 11)."""
        norms = np.linalg.norm(self.vectors, axis=1, keepdims=True).astype(np.float64)
        return np.hstack((norms, self.scores))


def events(count: int, seed: int) -> Events:
    """The same for every peer; another seed is another sample of the same traffic."""
    rng, mean = np.random.default_rng(seed), np.random.default_rng(7).normal(size=DIMENSION)
    vectors = rng.normal(size=(count, DIMENSION)) + mean
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Events(vectors.astype(np.float32), np.sort(rng.beta(8, 4, size=(count, TOP_K)), axis=1)[:, ::-1])


def serve(work: Callable[[], Done]) -> None:
    """Do the work once for each line on standard input. CPU is that of the process, all its threads."""
    # Libraries print while they are imported and used; the answers go where nothing else does.
    answers, sys.stdout = sys.stdout, sys.stderr
    _forget_peak()
    before = _memory("VmRSS")
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        started = time.process_time()
        done = work()
        cpu = time.process_time() - started
        told = {**done._asdict(), "cpu_seconds": cpu, "added_bytes": _memory("VmHWM") - before}
        print(json.dumps(told), file=answers, flush=True)


def _forget_peak() -> None:
    """What the preparation took is not the work's."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _memory(name: str) -> int:
    """Resident memory in bytes: VmRSS now, VmHWM at most so far."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
