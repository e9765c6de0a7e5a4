"""Keeps the state of one exporter on disk: restores it at the start, saves it now and then and at the end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import structlog

from app import __version__
from app.baseline import Pinned, Vectors
from app.clock import Clock
from app.intake import Intake
from app.journal import JournalError
from app.lifecycle import Lifecycle
from app.model import Timing
from app.outcomes import OutcomeMemory
from app.state.baselines import BaselineFiles
from app.state.directory import StateDirectory, StateError
from app.state.facts import RESTORED, Mode, Restored, StateFacts
from app.state.log import RequestLog
from app.state.snapshots import Snapshot, Snapshots
from app.store import SeriesStore
from app.tree import Part, Pieces, Tree

INTERVAL_SECONDS: Final = 15.0
"""From the beginning of a snapshot to that of the next: what a crash loses at most, and how long a snapshot takes."""

PAUSE_SECONDS: Final = 0.001
"""Between two parts: requests that wait for the interpreter go first."""

NICENESS: Final = 15
"""Less than that of an evaluation: nobody waits for a snapshot."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept."""

    store: SeriesStore
    pinned: Pinned
    lifecycle: Lifecycle
    outcomes: OutcomeMemory
    intake: Intake
    timing: Timing
    clock: Clock

    def parts(self) -> Iterator[Part]:
        """Yield each part, to be frozen one by one."""
        yield Part("pinned", self.pinned.freeze)
        yield Part("lifecycle", self.lifecycle.freeze)
        yield Part("outcomes", self.outcomes.freeze)
        yield from self.store.parts(self.clock.now)
        # Last: a batch that is in the answers is in the series, or it might be answered and never counted.
        yield Part("repeats", self.intake.ledger.repeats.freeze)


@dataclass(slots=True)
class Keeper:
    """Saves and restores. `restore` and `save` are of one thread at a time, the rest is safe from any."""

    directory: StateDirectory
    kept: Kept
    interval_seconds: float = INTERVAL_SECONDS
    vectors: Vectors = "full"
    """Which of single vectors may be written."""
    mode: Mode = "snapshot"
    facts: StateFacts = field(init=False)
    baselines: BaselineFiles = field(init=False)
    requests: RequestLog = field(init=False)
    _snapshots: Snapshots = field(init=False)
    _saving: threading.Lock = field(init=False, default_factory=threading.Lock)
    _counting: threading.Lock = field(init=False, default_factory=threading.Lock)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.facts = StateFacts(self.mode, saved_at=self.kept.clock.now(), restored=dict.fromkeys(RESTORED, 0))
        self.baselines = BaselineFiles(self.directory, self.vectors)
        self.requests = RequestLog(self.directory.path, self.kept.intake)
        self._snapshots = Snapshots(self.directory)
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)

    def restore(self) -> None:
        """Take up what was kept: baselines first, then all that is measured with them, then what came after that.

        Counters go on only where nothing that they counted can be lost: with a journal that is whole. With one it is
        open afterwards.

        Raises:
            StateError: a newer version wrote it, or an exporter whose windows and panes are of other lengths; or the
                journal cannot be written.
        """
        kept, begun = self.kept, time.perf_counter()
        for baseline in self.baselines.read():
            kept.pinned.adopt(baseline)
        last = max(self.directory.numbered("manifest"), default=0)
        snapshot = self._snapshots.read()
        if snapshot is not None:
            kept.clock.resume(snapshot.facts.get("clock", {}))
            kept.clock.not_before(float(snapshot.facts["saved_at"]))
        now, lost = kept.clock.now(), 0
        since = None if snapshot is None else snapshot.facts.get("journal")
        has_journal = snapshot is None or since is not None
        try:
            counters = has_journal and self.mode == "journal" and self.requests.is_whole(since)
        except JournalError as error:
            raise StateError(str(error)) from error
        if snapshot is not None:
            if snapshot.facts["timing"] != _durations(kept.timing):
                message = (
                    f"{self.directory.path} was written by an exporter whose windows and panes are of other lengths:"
                    " start with the same --time-scale, or give another directory"
                )
                raise StateError(message)
            lost = self._thaw(snapshot, now, counters=counters)
        if has_journal:
            self._replay(since, counters=counters)
        if self.mode == "journal":
            self._open(first_of_its_mode=not has_journal)
        result: Restored = "empty"
        if snapshot is not None:
            result = "partial" if lost or snapshot.lost else "whole" if snapshot.number == last else "previous"
        saved_at = now if snapshot is None else float(snapshot.facts["saved_at"])
        self.facts = replace(
            self.facts,
            saved_at=saved_at,
            damaged=self._damaged(),
            nbytes=self.directory.nbytes(),
            restored_age_seconds=None if snapshot is None else max(0.0, now - saved_at),
            restored={**self.facts.restored, result: 1},
        )
        log.info(
            "state restored",
            result=result,
            age_seconds=None if snapshot is None else round(now - saved_at, 1),
            series=len(kept.store.series()),
            baselines=len(kept.pinned.all()),
            lost_pieces=lost,
            took_seconds=round(time.perf_counter() - begun, 2),
        )

    def save(self) -> bool:
        """Write a generation; say whether it could be. What went wrong is logged and counted; the next tries anew."""
        begun, saved_at = time.perf_counter(), self.kept.clock.now()
        with self._saving:
            if not self.save_baselines():
                return False
            try:
                facts: dict[str, Any] = {
                    "saved_at": saved_at,
                    "version": __version__,
                    "timing": _durations(self.kept.timing),
                    "mode": self.mode,
                    "clock": self.kept.clock.mark(),
                }
                number = self._write(facts)
            except OSError as error:
                self._failed("state not saved", error)
                return False
            except Exception:
                self._count_failure()
                log.exception("state not saved")
                return False
        self.requests.keep_for(number, facts.get("journal"))
        self.requests.forget(set(self.directory.numbered("manifest")))
        self.facts = replace(
            self.facts,
            saved_at=saved_at,
            damaged=self._damaged(),
            nbytes=self.directory.nbytes(),
            duration_seconds=time.perf_counter() - begun,
        )
        return True

    def save_baselines(self) -> bool:
        """Write the baselines that are new; they are on disk when this returns True."""
        try:
            self.baselines.save(self.kept.pinned.all())
        except OSError as error:
            self._failed("baseline not saved", error)
            return False
        return True

    def told(self) -> StateFacts:
        """What a scrape tells of it."""
        return replace(self.facts, journal=self.requests.status())

    def start(self) -> None:
        """Save now and then from now on."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Save once more, and give the directory up."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        self.requests.close(timeout_seconds)
        self.save()
        self.directory.release()

    def _run(self) -> None:
        if sys.platform == "linux":
            # There it is the thread's own; elsewhere it would be that of the process.
            os.nice(NICENESS)
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = time.monotonic() + self.interval_seconds
            self.save()

    def _write(self, facts: dict[str, Any]) -> int:
        """Write a generation; its number. Raises OSError."""
        if self.requests.journal is None:
            return self._snapshots.write(self._unhurried(), facts, vectors=self.vectors == "full")
        pieces = self._snapshots.pieces(vectors=self.vectors == "full")
        with self.requests.cut() as facts["journal"]:
            # All that is staged first: the slices of a model are fed by its series.
            self.kept.store.totals(self.kept.clock.now())
            frozen = [(part.name, part.freeze(pieces)) for part in self.kept.parts()]
        parts = [Part(name, partial(_given, tree)) for name, tree in frozen]
        return self._snapshots.write(parts, facts, vectors=self.vectors == "full")

    def _replay(self, since: int | None, *, counters: bool) -> None:
        """Take up what a journal holds."""
        last = self.requests.replay(since).last
        if last is not None:
            self.kept.clock.not_before(last)
        for number, facts in self._snapshots.kept():
            self.requests.keep_for(number, facts.get("journal"))
        if not counters:
            # What the records counted is less, by a little maybe, than what had been counted.
            for series in self.kept.store.series():
                series.restart_counters()

    def _open(self, *, first_of_its_mode: bool) -> None:
        """Write what comes from now on to a journal. Raises StateError."""
        message = f"{self.directory.path}: the journal cannot be written"
        try:
            self.requests.open()
        except OSError as error:
            raise StateError(f"{message}: {error.strerror}") from error
        if first_of_its_mode and not self.save():
            # The snapshot that is there says nothing of a journal: a restart would not read it.
            raise StateError(f"{message}: there is no snapshot for it to go on from")

    def _damaged(self) -> int:
        return self._snapshots.damaged + self.baselines.damaged + len(self.requests.report.aside)

    def _unhurried(self) -> Iterator[Part]:
        for part in self.kept.parts():
            yield part
            if not self._stop.is_set():
                time.sleep(PAUSE_SECONDS)

    def _thaw(self, snapshot: Snapshot, now: float, *, counters: bool) -> int:
        kept, parts, lost = self.kept, snapshot.parts, 0
        for name, thaw in (
            ("pinned", kept.pinned.thaw),
            ("lifecycle", partial(kept.lifecycle.thaw, counters=counters)),
            ("outcomes", partial(kept.outcomes.thaw, counters=counters)),
            ("repeats", kept.intake.ledger.repeats.thaw),
        ):
            if name not in parts:
                continue
            try:
                thaw(parts[name])
            except (KeyError, ValueError, TypeError, IndexError):
                # A bug met in one part must not cost the others their past.
                log.exception("part not restored", part=name)
                lost += 1
        lost += kept.store.thaw(parts, now, counters=counters)
        for series in kept.store.series():
            baseline = kept.pinned.find(series.key)
            if baseline is not None:
                # Not at the first evaluation: until then vectors would come and not be measured.
                series.measure_with(baseline.yardstick, now)
        return lost

    def _failed(self, what: str, error: OSError) -> None:
        self._count_failure()
        log.error(what, why=error.strerror or str(error), directory=str(self.directory.path))

    def _count_failure(self) -> None:
        with self._counting:
            self.facts = replace(self.facts, failures=self.facts.failures + 1)


def _given(tree: Tree, _: Pieces) -> Tree:
    return tree


def _durations(timing: Timing) -> dict[str, Any]:
    """What the panes in a snapshot rest on."""
    return {"rungs": [[rung.pane_seconds, rung.panes] for rung in timing.rungs], "windows": dict(timing.windows)}
