"""Reading a journal after a restart: everything up to the first damage, and what is behind it kept aside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from app.journal.frame import (
    HEADER_BYTES,
    NOTHING,
    RECORD_HEAD_BYTES,
    Damaged,
    Ended,
    Header,
    Newer,
    fits,
    unpack_head,
    unpack_header,
)
from app.journal.segment import JournalError, keep_aside, numbers, path_of, remove

log = structlog.get_logger(__name__)

_CHUNK_BYTES: Final = 1024 * 1024


class Read(NamedTuple):
    """A segment by its header."""

    path: Path
    header: Header
    size: int


@dataclass(slots=True)
class Report:
    """What became of a journal that was read."""

    records: int = 0
    exact: bool = True
    """Whether all that was acknowledged is there. False where anything was damaged or is missing."""
    torn_bytes: int = 0
    """At the end, of records that were not written whole when the process ended: none was acknowledged."""
    aside: list[str] = field(default_factory=list)
    """Names that damaged segments, and those after them, are kept by."""
    ended: Ended = NOTHING
    """The last segment of which anything counts: a new one says that it follows this."""


class Reading:
    """The records of a journal from one segment on, once; `report` is whole when all were taken.

    A record's payload is handed out after its checksum was found to fit, and never before. Nothing is changed in a
    segment: what counts of it is told by the header of the next one.

    `since` is the number of the first segment to read, None for all there are. With `look` alone nothing is set aside.
    """

    def __init__(self, directory: Path, since: int | None, *, look: bool = False) -> None:
        self.report = Report()
        self._directory = directory
        self._since = since
        self._look = look

    def __iter__(self) -> Iterator[bytes]:
        """Yield each payload, in the order in which they were acknowledged.

        Raises:
            JournalError: a newer version wrote it; nothing was changed.
        """
        present = [each for each in numbers(self._directory) if self._since is None or each >= self._since]
        segments, rest = self._chained(present)
        for position, segment in enumerate(segments):
            following = segments[position + 1] if position + 1 < len(segments) else None
            end = segment.size if following is None else following.header.before.length
            try:
                yield from self._records(segment, end)
            except Damaged as damaged:
                if damaged.torn and following is None and not rest:
                    self.report.torn_bytes = segment.size - self.report.ended.length
                    log.warning("journal ends in a torn record", file=segment.path.name, bytes=self.report.torn_bytes)
                    return
                self._set_aside(segment.path, str(damaged), whole=False)
                rest = [each.path for each in segments[position + 1 :]] + rest
                break
        for path in rest:
            self._set_aside(path, "it follows a damaged or missing one", whole=True)

    def _chained(self, present: list[int]) -> tuple[list[Read], list[Path]]:
        """The segments of which each follows the one before, and the paths of those that do not."""
        segments: list[Read] = []
        for place, number in enumerate(present):
            path = path_of(self._directory, number)
            rest = [path_of(self._directory, each) for each in present[place:]]
            try:
                with path.open("rb") as file:
                    header = unpack_header(file.read(HEADER_BYTES))
                    size = os.fstat(file.fileno()).st_size
            except Newer as newer:
                message = f"{path}: {newer}: upgrade, or give another directory; nothing in it was changed"
                raise JournalError(message) from newer
            except Damaged as damaged:
                if damaged.torn and place + 1 == len(present):
                    # The process ended as it began this one: there is nothing in it.
                    if not self._look:
                        remove(self._directory, number)
                    return segments, []
                self._set_aside(path, str(damaged), whole=True)
                return segments, rest[1:]
            except OSError as error:
                self._set_aside(path, error.strerror or "it cannot be read", whole=True)
                return segments, rest[1:]
            if not self._follows(header, number, segments):
                self.report.exact = False
                return segments, rest
            if segments:
                self.report.exact &= not header.gap
            segments.append(Read(path, header, size))
        if self._since is not None and not present:
            log.error("the journal that goes with the snapshot is missing", segment=self._since)
            self.report.exact = False
        return segments, []

    def _follows(self, header: Header, number: int, before: list[Read]) -> bool:
        if header.number != number:
            return False
        if before:
            return header.before.number == before[-1].header.number
        if self._since is None:
            # All that is left is better than nothing, and said to be no more than that.
            self.report.exact = header.before == NOTHING
            return True
        return number == self._since

    def _records(self, segment: Read, end: int) -> Iterator[bytes]:
        """Yield each payload in the first `end` bytes. Raises Damaged."""
        at = HEADER_BYTES
        self.report.ended = Ended(segment.header.number, at)
        with segment.path.open("rb", buffering=_CHUNK_BYTES) as file:
            file.seek(at)
            place = 0
            while at < end:
                try:
                    head = unpack_head(file.read(RECORD_HEAD_BYTES), segment.header.salt, place)
                except Damaged as damaged:
                    # Zeros are what a file system leaves of a record that was never written, if nothing is behind them.
                    raise Damaged(str(damaged), torn=damaged.torn and _only_zeros(file.read())) from None
                after = at + RECORD_HEAD_BYTES + head.length
                if after > end:
                    raise Damaged("a record goes on past the end", torn=True)
                payload = file.read(head.length)
                if not fits(payload, head):
                    raise Damaged("the checksum of a record does not fit")
                at, place = after, place + 1
                self.report.records += 1
                self.report.ended = Ended(segment.header.number, at)
                yield payload

    def _set_aside(self, path: Path, why: str, *, whole: bool) -> None:
        self.report.exact = False
        aside = path.name if self._look else keep_aside(path, whole=whole)
        self.report.aside.append(aside)
        if not self._look:
            log.error("damaged segment set aside", file=path.name, aside=aside, why=why)


def _only_zeros(data: bytes) -> bool:
    return not data.strip(b"\0")
