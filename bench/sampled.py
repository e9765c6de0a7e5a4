"""The exporter's command line, its stack sampled by the CPU time it takes: `python -m bench.sampled FILE serve ...`.

Every few milliseconds of CPU, of all its threads and of the system's for it, the innermost frame of a layer is counted;
waiting counts for nothing. Python runs the handler once the call of a library returns, in the frame that called it.
SIGUSR2 writes the counts to FILE, as JSON, and begins anew.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from app import cli

EVERY_SECONDS: Final = 0.002
"""Of CPU; the system's own clock may make it some more."""

RECEIVING: Final = "receiving"
DECODING: Final = "decoding"
IDS: Final = "ids"
STORING: Final = "storing"
OTHER: Final = "other"
LAYERS: Final = {
    "uvicorn/": RECEIVING,
    "asyncio/": RECEIVING,
    "app/server/": RECEIVING,
    "app/api/": RECEIVING,
    "app/access/": RECEIVING,
    "app/decode/id_digests.py": IDS,
    "app/decode/document_keys.py": IDS,
    "app/decode/inputs.py": IDS,
    "app/decode/": DECODING,
    "app/intake/": IDS,
    "app/outcomes/": IDS,
    "app/lifecycle/": IDS,
    "app/store/duplicates.py": IDS,
    "app/store/": STORING,
    "app/series/": STORING,
    "app/sketch/": STORING,
    "app/evaluate/": OTHER,
}
"""Whose work it is that a frame of these files does or calls; the first that fits."""
LOOP: Final = "/asyncio/runners.py"
"""What runs the event loop."""
AT_WORK: Final = {DECODING, IDS, STORING}
"""Of a thread: one that has nothing to do waits elsewhere."""


def layer_of(files: list[str]) -> str:
    """The layer of a stack, by the files of its frames, the innermost first.

    >>> layer_of(["/lib/numpy/core.py", "/src/app/decode/columns.py", "/lib/uvicorn/server.py"])
    'decoding'
    """
    for file in files:
        for place, layer in LAYERS.items():
            if f"/{place}" in file:
                return layer
    return OTHER


def files_of(frame: FrameType | None) -> list[str]:
    """The files of a stack, the innermost first."""
    files = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    return files


def sample(file: Path) -> None:
    """Count from now on, in the main thread, and write to this file when told to."""
    counts: Counter[str] = Counter()
    main = threading.main_thread().ident

    def look(_: int, frame: FrameType | None) -> None:
        files = files_of(frame)
        if files and files[0].endswith(LOOP):
            # It waits, or its own part is in the system: where a thread is at work, the time is that one's.
            others = (files_of(each) for thread, each in sys._current_frames().items() if thread != main)  # noqa: SLF001 - the one way
            files = next((each for each in others if layer_of(each) in AT_WORK), files)
        counts[layer_of(files)] += 1

    def write(*_: object) -> None:
        unfinished = file.with_suffix(".tmp")
        unfinished.write_text(json.dumps(counts), encoding="ascii")
        unfinished.rename(file)
        counts.clear()

    signal.signal(signal.SIGPROF, look)
    signal.signal(signal.SIGUSR2, write)
    signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)


if __name__ == "__main__":
    sample(Path(sys.argv[1]))
    sys.exit(cli.main(sys.argv[2:]))
