"""State that outlasts the process: a directory of checked files, written now and then, read at a start.

A part of the state (a series, the outcomes, ...) gives itself as a tree of plain values, `freeze(pieces) -> Tree`, and
takes one back, `thaw(tree)`; see `app.tree`. `Snapshots` writes all parts as a generation: a manifest with what
changes, and packs with the pieces that do not, which are named again and not written again. Everything is in an
`envelope` with a checksum over all of it, and nothing of a file is decoded before that is known to fit.

How a journal joins in. Parts are frozen one after the other, each under its own lock, so a snapshot is not of one
moment. With a journal it is: all parts are frozen while nothing is applied (`RequestLog.cut`), and written afterwards;
the snapshot's facts say which segments of the journal came after it. `docs/decisions/journal.md` says why.
"""

from app.state.directory import StateDirectory, StateError
from app.state.facts import RESTORED, JournalFacts, Mode, StateFacts
from app.state.keeper import INTERVAL_SECONDS, Keeper, Kept
from app.state.snapshots import Snapshot, Snapshots

__all__ = [
    "INTERVAL_SECONDS",
    "RESTORED",
    "JournalFacts",
    "Keeper",
    "Kept",
    "Mode",
    "Snapshot",
    "Snapshots",
    "StateDirectory",
    "StateError",
    "StateFacts",
]
