"""Baselines on disk: each in a file of its own, the last three of every series, none of them ever written over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

import structlog

from app.baseline import PinnedBaseline, Vectors, from_tree, to_tree
from app.state.codec import decode, encode, no_pieces
from app.state.directory import StateDirectory, StateError
from app.state.envelope import Damaged, Kind, Newer, open_sealed, seal, write_whole

log = structlog.get_logger(__name__)

GENERATIONS: Final = 3

UNPINNED: Final = "unpinned"
"""In place of an id: the series' baseline was forgotten on purpose, and must not come back."""

_NAME: Final = re.compile(r"([0-9a-f]{16})-(\d{6})-([0-9a-f]{16}|unpinned)")


class BaselineFiles:
    """Saves what is new of the baselines, and reads the newest of each series. Safe from any thread."""

    def __init__(self, directory: StateDirectory, vectors: Vectors = "full") -> None:
        self._directory = directory
        self._vectors = vectors
        self._lock = Lock()
        self._saved: dict[str, str] = {}
        """Series -> the id of its baseline in memory, as it was saved; UNPINNED where it has none any more."""
        self.damaged = 0
        """Files that were set aside."""

    def read(self) -> list[PinnedBaseline]:
        """The newest of each series that is as it was written; damaged ones are set aside.

        Raises:
            StateError: a newer version wrote one.
        """
        found = []
        with self._lock:
            for series in sorted({series for series, _, _ in generations(self._directory.baselines)}):
                baseline = self._newest(series)
                if baseline is not None:
                    found.append(baseline)
                    self._saved[series] = baseline.id
        return found

    def knows(self, baseline: PinnedBaseline) -> bool:
        """Whether it is one that was saved here before, and its series was not unpinned since."""
        series = baseline.key.id
        ids = [name for each, _, name in generations(self._directory.baselines) if each == series]
        return bool(ids) and ids[-1] != UNPINNED and baseline.id in ids

    def save(self, baselines: Iterable[PinnedBaseline]) -> None:
        """Write those that are not saved yet, and that others are gone; they are on disk when this returns.

        Raises OSError, and may be called again.
        """
        with self._lock:
            present = {baseline.key.id: baseline for baseline in baselines}
            for series, baseline in present.items():
                if self._saved.get(series) != baseline.id:
                    tree = to_tree(baseline, self._vectors)
                    self._write(series, tree["id"], encode(tree, no_pieces))
                    self._saved[series] = baseline.id
            for series, saved in list(self._saved.items()):
                if series not in present and saved != UNPINNED:
                    self._write(series, UNPINNED, b"")
                    self._saved[series] = UNPINNED

    def _newest(self, series: str) -> PinnedBaseline | None:
        for path, name in reversed(self._files(series)):
            if name == UNPINNED:
                return None
            try:
                return read_baseline(path)
            except Damaged as damaged:
                self.damaged += 1
                self._directory.set_aside(path, str(damaged))
        return None

    def _write(self, series: str, name: str, content: bytes) -> None:
        numbers = [
            int(match[2])
            for each in self._directory.baselines.iterdir()
            if (match := _NAME.match(each.name)) and match[1] == series
        ]
        path = self._directory.baselines / f"{series}-{1 + max(numbers, default=0):06}-{name}"
        write_whole(path, seal(Kind.BASELINE, content), content)
        for old, _ in self._files(series)[:-GENERATIONS]:
            with suppress(OSError):
                old.unlink()

    def _files(self, series: str) -> list[tuple[Path, str]]:
        """Those of a series with their ids, the oldest first."""
        folder = self._directory.baselines
        return [
            (folder / f"{each}-{number:06}-{name}", name)
            for each, number, name in generations(folder)
            if each == series
        ]


def generations(folder: Path) -> list[tuple[str, int, str]]:
    """Series, number and id of each file, ascending."""
    matches = (_NAME.fullmatch(each.name) for each in folder.iterdir())
    return sorted((match[1], int(match[2]), match[3]) for match in matches if match)


def read_baseline(path: Path) -> PinnedBaseline:
    """The baseline in a file.

    Raises:
        Damaged: it is not as it was written.
        StateError: a newer version wrote it.
    """
    try:
        return from_tree(decode(open_sealed(path.read_bytes(), Kind.BASELINE), no_pieces))
    except Newer as newer:
        message = f"{path}: {newer}: upgrade, or give another directory; nothing in it was changed"
        raise StateError(message) from newer
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise Damaged(str(error)) from error
