"""A journal of what was acknowledged since the last snapshot: records of bytes in segments, on disk before the answer.

It knows nothing of what a record holds. `docs/decisions/journal.md` says why it is as it is.
"""

from app.journal.frame import NOTHING, Ended
from app.journal.reading import Reading, Report
from app.journal.segment import JournalError, remove_before
from app.journal.writer import Journal, Status, Unwritable

__all__ = ["NOTHING", "Ended", "Journal", "JournalError", "Reading", "Report", "Status", "Unwritable", "remove_before"]
