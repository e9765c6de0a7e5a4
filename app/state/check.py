"""Says what a state directory holds and whether all of it is as it was written. Only reads."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from app.journal import JournalError, Reading
from app.state.baselines import UNPINNED, generations, read_baseline
from app.state.directory import BASELINES, LOCK, StateError
from app.state.envelope import Damaged
from app.state.snapshots import Snapshot, look_at
from app.store.memory import SERIES


@dataclass(slots=True)
class Check:
    """What was found."""

    holds: list[str] = field(default_factory=list)
    """In words, a line each."""
    faults: list[str] = field(default_factory=list)
    """What is damaged or missing, a line each; where there is none, all can be restored."""
    set_aside: list[str] = field(default_factory=list)
    """Files that an exporter found damaged before; nothing rests on them any more."""
    owned: bool = False
    """Whether an exporter runs on it: what it writes or removes meanwhile may look damaged."""


def check(path: Path) -> Check:
    """Read every generation with its packs, every baseline, and the journal from the oldest whole generation on.

    About 1 s a GiB.

    Raises OSError where the directory cannot be listed.
    """
    found = Check(owned=_owned(path))
    sinces = _generations(path, found)
    _baselines(path / BASELINES, found)
    needed = [each for each in sinces if each is not None]
    # One of the mode snapshot goes on from no journal; where no generation is left, all segments are read.
    if needed or not sinces:
        _journal(path, min(needed, default=None), sinces[0] if sinces else None, found)
    folders = [each for each in (path, path / BASELINES) if each.is_dir()]
    found.set_aside = sorted(each.name for folder in folders for each in folder.glob("*.corrupt-*"))
    return found


def _owned(path: Path) -> bool:
    """Whether a process holds the lock. Shared and given back at once: nothing is written."""
    try:
        lock = os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _generations(path: Path, found: Check) -> list[int | None]:
    """Of each that is whole the first segment of the journal that it needs."""
    sinces: list[int | None] = []
    looked = look_at(path)
    for number, each in looked:
        if not isinstance(each, Snapshot):
            found.faults.append(f"manifest-{number:010}: {each}")
            continue
        series = [tree for name, tree in each.parts.items() if name.startswith(SERIES)]
        events = sum(int(tree["series"]["totals"]["counts"][0]) for tree in series)
        saved_at = each.facts["saved_at"] + each.facts.get("clock", {}).get("offset", 0.0)
        at = datetime.fromtimestamp(saved_at, UTC).isoformat(timespec="seconds")
        found.holds.append(f"generation {number} of {at}: series {len(series)}, events {events}")
        sinces.append(each.facts.get("journal"))
    if not looked:
        found.faults.append("no generation: an exporter would begin anew")
    return sinces


def _baselines(folder: Path, found: Check) -> None:
    files = generations(folder) if folder.is_dir() else []
    whole = 0
    for series, number, name in files:
        if name == UNPINNED:
            continue
        file = folder / f"{series}-{number:06}-{name}"
        try:
            read_baseline(file)
        except (Damaged, StateError) as error:
            found.faults.append(f"{BASELINES}/{file.name}: {error}")
        else:
            whole += 1
    found.holds.append(f"baselines: {whole} of {len({series for series, _, _ in files})} series")


def _journal(path: Path, oldest: int | None, newest: int | None, found: Check) -> None:
    """Read what the generations need, that of each from its first segment on; None is all that there is."""
    reading = Reading(path, oldest, look=True)
    try:
        for _ in reading:
            pass
    except (JournalError, OSError) as error:
        found.faults.append(f"journal: {error}")
        return
    report = reading.report
    found.holds.append(f"journal: {report.records} records")
    if not report.exact and newest is not None and newest != oldest and _is_exact(path, newest):
        found.faults.append(
            f"journal: damaged or incomplete before journal-{newest:010}: only generations before the newest need that"
        )
        return
    found.faults += [f"{name}: damaged, or behind one that is damaged or missing" for name in report.aside]
    if not report.exact and not report.aside:
        found.faults.append("journal: a segment that a generation needs is missing")


def _is_exact(path: Path, since: int) -> bool:
    reading = Reading(path, since, look=True)
    for _ in reading:
        pass
    return reading.report.exact
