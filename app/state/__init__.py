"""State that outlasts the process: a directory of checked files, written now and then, read at a start.

A part of the state (a series, the outcomes, ...) gives itself as a tree of plain values, `freeze(pieces) -> Tree`, and
takes one back, `thaw(tree)`; see `app.tree`. `Snapshots` writes all parts as a generation: a manifest with what
changes, and packs with the pieces that do not, which are named again and not written again. Everything is in an
`envelope` with a checksum over all of it, and nothing of a file is decoded before that is known to fit.

How a journal joins in. Parts are frozen one after the other, each under its own lock, so a snapshot is not of one
moment. Therefore every part that a journal record changes carries `position`: that of the last record that it took,
set under the lock that the record was applied under, and frozen with the part (`Series.position`, and so on; 0 where
there is no journal). After a restart a part takes the records after its own position and no others. The journal may
forget what is before the least position of the oldest kept generation: `Snapshots.facts_of_kept()[-1]["position"]`,
which the writer of the snapshot puts into its facts. `directory.StateDirectory` owns the directory (flock), makes and
sweeps files (`*.tmp`) and sets damaged ones aside; `envelope.seal(Kind.JOURNAL, ...)` and `write_whole` are for
segments that are written whole.
"""

from app.state.directory import StateDirectory, StateError
from app.state.facts import RESTORED, StateFacts
from app.state.keeper import INTERVAL_SECONDS, Keeper, Kept
from app.state.snapshots import Snapshot, Snapshots

__all__ = [
    "INTERVAL_SECONDS",
    "RESTORED",
    "Keeper",
    "Kept",
    "Snapshot",
    "Snapshots",
    "StateDirectory",
    "StateError",
    "StateFacts",
]
