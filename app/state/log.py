"""The journal beside the snapshots: what came since the newest of them, and how both join."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from app.intake import Intake, Replayed
from app.journal import Journal, Reading, Report, remove_before
from app.state.facts import JournalFacts

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RequestLog:
    """The journal of one exporter in its state directory. Read in every mode, written in that of the journal alone.

    A snapshot says by `since` which segments are to be read after it: those from this number on. One that was written
    in another mode says nothing: no journal goes on from it.
    """

    directory: Path
    intake: Intake
    report: Report = field(default_factory=Report)
    """Of what was read at the start."""
    replayed: Replayed | None = None
    journal: Journal | None = None
    _needs: dict[int, int] = field(default_factory=dict)
    """Generation -> the first segment that it needs."""

    def is_whole(self, since: int | None) -> bool:
        """Whether everything that was acknowledged since is there. Changes nothing; 0.5 s a GiB.

        Raises:
            JournalError: a newer version wrote it.
        """
        reading = Reading(self.directory, since, look=True)
        for _ in reading:
            pass
        return reading.report.exact

    def replay(self, since: int | None) -> Replayed:
        """Take up what came since, as far as it is there."""
        reading = Reading(self.directory, since)
        self.replayed, self.report = self.intake.replay(reading), reading.report
        log.info(
            "journal replayed",
            records=self.replayed.records,
            events=self.replayed.events,
            exact=self.report.exact,
            torn_bytes=self.report.torn_bytes,
            set_aside=len(self.report.aside),
            took_seconds=round(self.replayed.seconds, 3),
        )
        return self.replayed

    def open(self) -> None:
        """From now on everything is written before it counts. Raises OSError where it cannot be."""
        self.journal = Journal(self.directory, self.report.ended, gap=not self.report.exact)
        self.journal.start()
        self.intake.journal = self.journal

    @contextmanager
    def cut(self) -> Iterator[int | None]:
        """Hold what comes in while a copy of it all is made; the number that the copy is to say. Raises OSError."""
        if self.journal is None:
            yield None
            return
        with self.journal.cut() as number:
            yield number

    def keep_for(self, generation: int, since: int | None) -> None:
        """A generation, written or found, needs the segments from this one on."""
        if since is not None:
            self._needs[generation] = since

    def forget(self, kept: set[int]) -> None:
        """Delete the segments that none of the kept generations needs."""
        self._needs = {number: since for number, since in self._needs.items() if number in kept}
        first = min(self._needs.values(), default=None)
        if self.journal is not None:
            self.journal.forget(first or 0)
        else:
            remove_before(self.directory, first)

    def status(self) -> JournalFacts | None:
        """What a scrape tells of it; None where there is no journal."""
        if self.journal is None:
            return None
        replayed = 0 if self.replayed is None else self.replayed.records
        return JournalFacts(self.journal.status(), replayed, self.report.exact)

    def close(self, timeout_seconds: float) -> None:
        """Write what waits, and end."""
        if self.journal is not None:
            self.journal.stop(timeout_seconds)
