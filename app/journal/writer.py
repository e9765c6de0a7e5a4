"""Group commit: one thread writes what waits, waits once for the disk, then applies it, all in one order."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import structlog

from app.journal.entries import Entry, Note, answer, carry_out
from app.journal.frame import Ended
from app.journal.segment import Segment, next_number, numbers, path_of, remove

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

MAX_WAITING: Final = 4096
"""Entries that wait for the disk; more than requests are let in."""

GROUP_ENTRIES: Final = 512
"""At most so many in one write: the first of them waits for the last."""

RETRY_SECONDS: Final = 1.0
"""After a failure the disk is asked again no sooner; until then everything is refused at once."""


class Unwritable(Exception):  # noqa: N818 - says what the journal is
    """The entry is not on disk, and was not applied: it may be sent again."""


class Status(NamedTuple):
    """What a scrape tells of the journal."""

    writable: bool
    failures: int
    """Failed attempts to write or to begin a segment, at most one a second."""
    records: int
    """Written since the start."""
    groups: int
    """In which they were: each waited for the disk once."""
    write_seconds: float
    """Spent writing them and waiting for the disk."""
    nbytes: int
    """Of the segments that are kept."""


class Journal:
    """Writes entries and applies them, in one order: after a restart the same order gives the same again.

    Entries that come in one turn of an event loop, or while the disk is waited for, share a wait. What is refused is
    never applied, and never read back: the segment in which a write failed is left, and the next one says how much of
    it counts. A full or broken disk is tried again every second, with a new segment.
    """

    def __init__(self, directory: Path, before: Ended, *, gap: bool = False) -> None:
        """`before` and `gap` are what reading ended with: the last segment, and whether records are missing."""
        self._directory = directory
        self._before = before
        self._gap = gap
        self._number = next_number(directory)
        self._kept = {number: _size(directory, number) for number in numbers(directory)}
        """Segments that are written no more, and their bytes."""
        self._segment: Segment | None = None
        self._failed: OSError | None = None
        self._retry_at = 0.0
        self._turn = threading.Lock()
        """Held while a group is written and applied: outside it memory is what the records say."""
        self._wake = threading.Condition()
        self._queue: deque[Entry | Note] = deque()
        self._called = False
        """Whether there is something to do in the queue."""
        self._due: asyncio.AbstractEventLoop | None = None
        """The loop that will call at the end of its turn."""
        self._unwritten: list[Note] = []
        self._stopping = False
        self._failures = self._records = self._groups = 0
        self._write_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin. Raises OSError where there can be no segment: a service that starts so could accept nothing."""
        with self._turn:
            self._segment = self._begin()
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """End after all that waits."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout_seconds)

    async def commit(self, encode: Callable[[], bytes], apply: Callable[[], Result]) -> Result:
        """Write the record that `encode` gives, then `apply`; what that returned. Both are called by the writer.

        A cancelled caller gets no answer; the record is written and applied all the same.

        Raises:
            Unwritable: it is not on disk, and nothing was applied.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._add(Entry(encode, apply, loop, future))
        if self._due is not loop:
            # Not at once: the writer would take this entry alone, and the next ones of this turn wait for their own.
            self._due = loop
            loop.call_soon(self._call)
        return await future

    def note(self, payload: bytes, apply: Callable[[], object]) -> None:
        """Have something applied in its turn whether it can be written or not, as time itself cannot be refused.

        Where it could not be written it is before anything else is. Safe from any thread.
        """
        self._add(Note(payload, apply))
        self._call()

    @contextmanager
    def cut(self) -> Iterator[int]:
        """Begin a segment, and hold the writer while memory is what the ones before say, and nothing else.

        Yields its number: who keeps a copy of memory as it is now needs the segments from that one on. Raises OSError
        where none can be begun; the present one then goes on.
        """
        with self._turn:
            present = self._segment
            if present is None and self._unwritten:
                raise OSError(errno.EAGAIN, "the journal has yet to catch up")
            begun = self._begin() if present is None else self._follow(present)
            self._segment, self._failed = begun, None
            yield begun.ended.number

    def forget(self, before: int) -> None:
        """Delete the segments before this one: no copy of memory that is kept needs them."""
        with self._turn:
            for number in [each for each in self._kept if each < before]:
                remove(self._directory, number)
                del self._kept[number]

    def status(self) -> Status:
        """For a scrape; waits for nothing."""
        segment = self._segment
        nbytes = sum(list(self._kept.values())) + (0 if segment is None else segment.ended.length)
        writable = segment is not None and self._failed is None
        return Status(writable, self._failures, self._records, self._groups, self._write_seconds, nbytes)

    def _add(self, entry: Entry | Note) -> None:
        with self._wake:
            if isinstance(entry, Entry):
                if self._stopping:
                    raise Unwritable("the journal is closed")
                if len(self._queue) >= MAX_WAITING:
                    raise Unwritable(f"{MAX_WAITING} requests wait for the disk already")
            self._queue.append(entry)

    def _call(self) -> None:
        with self._wake:
            self._due = None
            self._called = True
            self._wake.notify()

    def _run(self) -> None:
        while group := self._next_group():
            with self._turn:
                self._commit(group)
            answer(each for each in group if isinstance(each, Entry))
        with self._turn:
            if self._segment is not None:
                self._close(self._segment.close())
                self._segment = None

    def _next_group(self) -> list[Entry | Note]:
        """What waits; nothing once there is nothing more to come."""
        with self._wake:
            while not (self._called and self._queue) and not self._stopping:
                self._wake.wait()
            self._called = len(self._queue) > GROUP_ENTRIES
            return [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_ENTRIES))]

    def _commit(self, group: Sequence[Entry | Note]) -> None:
        """Write a group, wait for the disk, and apply it."""
        payloads = [each.payload for each in self._unwritten]
        for each in group:
            if isinstance(each, Note):
                payloads.append(each.payload)
                continue
            try:
                payloads.append(each.encode())
            except Exception as error:
                # A bug met in one entry must not cost the others their answer.
                each.error = error
        try:
            if payloads:
                self._write(payloads)
        except OSError as error:
            self._fail(group, error)
        else:
            self._unwritten = []
            for each in group:
                carry_out(each)

    def _write(self, payloads: Sequence[bytes]) -> None:
        if self._segment is None:
            if self._failed is not None and time.monotonic() < self._retry_at:
                raise self._failed
            self._segment = self._begin()
        begun = time.perf_counter()
        self._segment.append(payloads)
        self._write_seconds += time.perf_counter() - begun
        self._records += len(payloads)
        self._groups += 1
        if self._failed is not None:
            self._failed = None
            log.info("journal is written again")

    def _begin(self) -> Segment:
        segment = Segment.begin(self._directory, self._number, self._before, gap=self._gap)
        self._number += 1
        self._gap = False
        return segment

    def _follow(self, present: Segment) -> Segment:
        before, self._before = self._before, present.ended
        try:
            following = self._begin()
        except OSError:
            self._before = before
            raise
        self._close(present.close())
        return following

    def _close(self, ended: Ended) -> None:
        self._before = ended
        self._kept[ended.number] = ended.length

    def _fail(self, group: Sequence[Entry | Note], error: OSError) -> None:
        """Refuse a group: nothing of it counts, now or after a restart."""
        if error is not self._failed:
            if self._failed is None:
                log.error("journal cannot be written: events are refused until it can", why=error.strerror)
            self._failures += 1
            self._failed, self._retry_at = error, time.monotonic() + RETRY_SECONDS
        if self._segment is not None:
            self._close(self._segment.abandon())
            self._segment = None
        for each in group:
            if isinstance(each, Note):
                carry_out(each)
                self._unwritten.append(each)
            else:
                each.error = Unwritable("the journal cannot be written")


def _size(directory: Path, number: int) -> int:
    try:
        return path_of(directory, number).stat().st_size
    except OSError:
        return 0
