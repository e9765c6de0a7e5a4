"""As many full series in one exporter as are wanted: a real process that takes them up from a state directory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

from app.baseline import Pinned, PinnedBaseline
from app.baseline.content import content_id
from app.drift import kept_limits
from app.drift.calibration import Calibration
from app.model import SeriesKey, Timing
from app.series import Series
from app.store import MemoryStore
from app.tree import Part, Piece, Pieces, Tree, new_stamp
from bench.collected import ToldClock
from bench.fill import budget, key, room_mib
from bench.grown import END, Grown, State, growing
from bench.load import DIMENSION, Connection, Pool, Shape, get
from bench.server import Server
from bench.state import FIRST_EVALUATION_SECONDS, SNAPSHOT_SECONDS, keeper, waited

EVENTS_PER_SERIES: Final = 500
"""More than are staged, and than a window needs for scores."""
BATCH: Final = 64


class Anew(Pieces):
    """Every piece is another one than all before it, and is written by itself."""

    def piece(self, _: int, freeze: Callable[[], Tree]) -> Piece:
        """What is frozen, under a stamp of its own."""
        return Piece(new_stamp(), freeze())


class SeriesCopies(MemoryStore):
    """Freezes a few series as many, each of them several times under keys of its own: sooner than to fill so many."""

    def __init__(self, of: Grown, count: int) -> None:
        super().__init__(Timing(), max_series=count, max_state_bytes=1)
        self._of = of
        self._count = count

    def parts(self, now: Callable[[], float]) -> Iterator[Part]:
        """Yield those of the store, and a series for each key."""
        yield from super().parts(now)
        for number, series in zip(range(self._count), cycle(self._of.store.series()), strict=False):
            baseline = self._of.pinned.find(series.key)
            assert baseline is not None
            copied = _copied(baseline, key(number))
            yield Part(f"series/{key(number).id}", partial(_frozen, series, copied, now))


class BaselineCopies(Pinned):
    """The baselines of a few series for as many, with the limits that those have."""

    def __init__(self, of: Grown, count: int) -> None:
        super().__init__(Timing(), min_events=0, budget=budget(Timing()))
        self._limits_of: list[tuple[PinnedBaseline, dict[str, Calibration]]] = []
        for number, series in zip(range(count), cycle(of.store.series()), strict=False):
            baseline = of.pinned.find(series.key)
            assert baseline is not None
            copied = _copied(baseline, key(number))
            self.adopt(copied)
            self._limits_of.append((copied, of.pinned.calibrations(baseline)))

    def freeze(self, pieces: Pieces) -> Tree:
        """Limits are written for each baseline."""
        limits = [
            [list(baseline.key), baseline.id, Piece(new_stamp(), kept_limits.to_tree(each))]
            for baseline, each in self._limits_of
        ]
        return {**super().freeze(pieces), "limits": limits}


def _copied(baseline: PinnedBaseline, name: SeriesKey) -> PinnedBaseline:
    return replace(baseline, key=name, id=content_id(name, baseline.content))


def _frozen(series: Series, baseline: PinnedBaseline, now: Callable[[], float], pieces: Pieces) -> Tree:
    tree = series.freeze(Anew(vectors=pieces.vectors), now())
    # Measured by the copy of its baseline: else a start would forget what panes measured in another frame.
    tree["measured"] = [baseline.id, *tree["measured"][1:]]
    return {"key": list(baseline.key), "dimension": DIMENSION, "series": tree}


def grow_and_write(few: int, per_pane: int, folder: Path, many: int) -> dict[str, State]:
    """What `grow` tells of a few series; they are left in a directory as many, with a final baseline each."""
    states, grown = growing(few, per_pane)
    write(grown, folder, many)
    return states


def write(grown: Grown, folder: Path, many: int) -> None:
    """Leave series in a directory as so many; RuntimeError where it cannot be written."""
    kept = keeper(folder, SeriesCopies(grown, many), BaselineCopies(grown, many), ToldClock(END))
    if not kept.save():
        raise RuntimeError("the state could not be written")
    kept.directory.release()


@dataclass(frozen=True, slots=True)
class Together:
    """Bytes of a process with full series."""

    resident: int
    """After evaluations, events for every series, snapshots and a scrape."""
    peak: int
    """The most since its start."""


SETTLED_SECONDS: Final = max(SNAPSHOT_SECONDS, FIRST_EVALUATION_SECONDS)
"""Until all that an exporter does by the clock was done once."""


def run(folder: Path, count: int, settled_seconds: float = SETTLED_SECONDS) -> Together:
    """Start an exporter with the state that `write` left, and let it work until all of it is at hand.

    RuntimeError where it has other series than these, all with scores.
    """
    flags = ["--state-dir", str(folder), "--max-series", str(count), "--max-state-mib", str(room_mib(count))]
    listen = ["--listen", "127.0.0.1:{port}", "--log-level", "warning"]
    with Server("exporter", "bench.onward", repr(END), "serve", *listen, *flags) as server:
        waited(server, "/metrics", b"\nembedding_drift_score{", every_seconds=1.0)
        pool = Pool(Shape("base64", BATCH), series=count)
        with Connection(server.port) as line:
            for _ in range(-(-EVENTS_PER_SERIES * count // BATCH)):
                line.exchange(pool.next_request())
        time.sleep(settled_seconds)
        with Connection(server.port) as line:
            page = line.exchange(get("")).decode()
        scored = set(re.findall(r'^embedding_drift_score\{.*model_version="(\d+)"', page, re.MULTILINE))
        if len(scored) != count:
            raise RuntimeError(f"{len(scored)} of {count} series have scores:\n{server.output()}")
        return Together(server.resident_bytes(), server.peak_bytes())
