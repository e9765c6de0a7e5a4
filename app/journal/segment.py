"""Segments on disk: their names, and the one that is written."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import structlog

from app.journal.frame import Ended, Header, pack_header, pack_records

log = structlog.get_logger(__name__)

_NAME: Final = re.compile(r"journal-(\d{10})")

_sync = getattr(os, "fdatasync", os.fsync)
"""The length of the file counts as data; its times do not, and cost a write more."""


class JournalError(Exception):
    """The journal cannot be used; the message says why and what would be right."""


class Segment:
    """A file that records are added to, each group of them on disk before `append` returns."""

    def __init__(self, path: Path, header: Header, descriptor: int, length: int) -> None:
        self._path = path
        self._header = header
        self._descriptor = descriptor
        self._length = length
        self._records = 0

    @classmethod
    def begin(cls, directory: Path, number: int, before: Ended, *, gap: bool) -> Self:
        """A new file with its header, on disk. Raises OSError, and leaves no file then."""
        header = Header(number, before, gap, secrets.randbits(32))
        path = path_of(directory, number)
        head = pack_header(header)
        # Of this number nothing was ever acknowledged: what is left of an attempt that failed may go.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, head)
            os.fsync(descriptor)
            _sync_directory(directory)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            raise
        return cls(path, header, descriptor, len(head))

    @property
    def ended(self) -> Ended:
        """The segment as it would be if nothing more came: all that is on disk for sure."""
        return Ended(self._header.number, self._length)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write records and wait until they are on disk.

        Raises OSError: none of them counts then, and the segment is to be abandoned.
        """
        data = pack_records(payloads, self._header.salt, self._records)
        _write(self._descriptor, data)
        _sync(self._descriptor)
        self._length += len(data)
        self._records += len(payloads)

    def abandon(self) -> Ended:
        """Give up a file that could not be written; what counts of it.

        It is not synced again: a system that failed to write a page may call it clean afterwards, and the second try
        would succeed without having written anything. That the rest does not count is told by the next segment; cutting
        it off only makes sure of that where the process ends before there is one.
        """
        with suppress(OSError):
            os.ftruncate(self._descriptor, self._length)
        return self.close()

    def close(self) -> Ended:
        """End it; what counts of it."""
        with suppress(OSError):
            os.close(self._descriptor)
        return self.ended


def numbers(directory: Path) -> list[int]:
    """The numbers of the segments in a directory, ascending."""
    matches = (_NAME.fullmatch(each.name) for each in directory.iterdir())
    return sorted(int(match[1]) for match in matches if match)


def next_number(directory: Path) -> int:
    """One that no segment had, not even one that was set aside."""
    matches = (_NAME.match(each.name) for each in directory.iterdir())
    return 1 + max((int(match[1]) for match in matches if match), default=0)


def path_of(directory: Path, number: int) -> Path:
    """Where the segment of this number is, or is to be."""
    return directory / f"journal-{number:010}"


def keep_aside(path: Path, *, whole: bool) -> str:
    """Keep a damaged segment by a name of its own, which nothing deletes; that name.

    One that is damaged as a `whole` has its old name no more. Of another the sound part is still needed, and goes one
    day with the old name.
    """
    aside = path.with_name(f"{path.name}.corrupt-{int(time.time())}")
    try:
        if whole:
            path.rename(aside)
        else:
            aside.hardlink_to(path)
        _sync_directory(path.parent)
    except OSError as error:
        log.error("damaged segment not set aside", file=path.name, why=error.strerror)
    return aside.name


def remove(directory: Path, number: int) -> None:
    """Delete a segment that nobody needs; one that cannot be deleted stays until the next time."""
    with suppress(OSError):
        path_of(directory, number).unlink()


def remove_before(directory: Path, number: int | None) -> None:
    """Delete the segments before this one; None for all."""
    for each in numbers(directory):
        if number is None or each < number:
            remove(directory, each)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
