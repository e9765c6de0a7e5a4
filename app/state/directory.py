"""The state directory: who owns it, what its files are called, and what becomes of damaged ones."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import structlog

from app.state.envelope import sync_directory, write_whole

log = structlog.get_logger(__name__)

LOCK: Final = "lock"
KEY: Final = "input.key"
BASELINES: Final = "baselines"

KEY_BYTES: Final = 32

_NUMBERED: Final = re.compile(r"(manifest|pack)-(\d{10})")


class StateError(Exception):
    """The directory cannot be used; the message says why and what would be right."""


class StateDirectory:
    """A directory that this process owns until it ends: a second one is refused, and a dead one holds nothing.

    lock                          taken with flock by the process that writes here
    input.key                     the secret that inputs and ids are hashed with
    manifest-0000000042           a generation: what changes, and the names of the pieces that do not
    pack-0000000042               pieces
    journal-0000000042            what came since a generation, in the mode journal; see `app.journal`
    baselines/SERIES-0003-ID      a baseline, each generation of it
    *.corrupt-TIME                what was damaged, kept aside for people to look at
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.baselines = path / BASELINES
        self._lock = lock

    @classmethod
    def take(cls, path: Path) -> Self:
        """Make the directory if it is not there, and own it.

        Raises:
            StateError: another process owns it, or it cannot be written.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (path / BASELINES).mkdir(mode=0o700, exist_ok=True)
            # By what a mount or an umask made of it: nobody else is to read vectors.
            for each in (path, path / BASELINES):
                each.chmod(0o700)
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"{path}: {error.strerror}; it must be a directory that this user may write"
            raise StateError(message) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(lock, 20, 0).decode(errors="replace").strip()
            os.close(lock)
            message = (
                f"{path} belongs to another process that is running{f' ({owner})' if owner.isdigit() else ''}:"
                " stop that one, or give each a directory of its own"
            )
            raise StateError(message) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        directory = cls(path, lock)
        directory._sweep()
        return directory

    def release(self) -> None:
        """Own it no more."""
        os.close(self._lock)

    def input_key(self) -> bytes:
        """The secret of this directory, made at the first call.

        Raises:
            StateError: it cannot be read or written, or is none.
        """
        path = self.path / KEY
        try:
            if path.exists():
                key = bytes.fromhex(path.read_text())
            else:
                key = secrets.token_bytes(KEY_BYTES)
                write_whole(path, f"{key.hex()}\n".encode())
        except (OSError, ValueError) as error:
            message = f"{path}: {error}; without it inputs that were seen before are not known again"
            raise StateError(message) from error
        if len(key) != KEY_BYTES:
            message = f"{path} must hold {2 * KEY_BYTES} hexadecimal digits; remove it to begin with another secret"
            raise StateError(message)
        return key

    def numbered(self, kind: str) -> list[int]:
        """The numbers of the manifests or packs, ascending."""
        return numbered(self.path, kind)

    def named(self, kind: str, number: int) -> Path:
        """Where a manifest or pack is, or is to be."""
        return named(self.path, kind, number)

    def next_number(self) -> int:
        """One that no file had, not even one that was set aside."""
        names = [match for each in self.path.iterdir() if (match := _NUMBERED.match(each.name))]
        return 1 + max((int(match[2]) for match in names), default=0)

    def set_aside(self, path: Path, why: str) -> None:
        """Keep a damaged file out of the way, by a name that says since when."""
        aside = path.with_name(f"{path.name}.corrupt-{int(time.time())}")
        log.error("damaged state file set aside", file=path.name, aside=aside.name, why=why)
        with suppress(OSError):
            path.rename(aside)
            sync_directory(path.parent)

    def nbytes(self) -> int:
        """Bytes of all files."""
        total = 0
        for each in [*self.path.iterdir(), *self.baselines.iterdir()]:
            with suppress(OSError):
                total += each.stat().st_size if each.is_file() else 0
        return total

    def _sweep(self) -> None:
        """Remove what a crash left half-written: it was never part of the state."""
        for each in [*self.path.glob("*.tmp"), *self.baselines.glob("*.tmp")]:
            with suppress(OSError):
                each.unlink()


def numbered(path: Path, kind: str) -> list[int]:
    """The numbers of the manifests or packs in a directory, ascending."""
    matches = (_NUMBERED.fullmatch(each.name) for each in path.iterdir())
    return sorted(int(match[2]) for match in matches if match and match[1] == kind)


def named(path: Path, kind: str, number: int) -> Path:
    """Where a manifest or pack of a directory is, or is to be."""
    return path / f"{kind}-{number:010}"
