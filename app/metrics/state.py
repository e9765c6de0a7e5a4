"""Families about the state on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from app.metrics.exporter import Vitals
from app.metrics.family import Family, Reading, Source, single
from app.state import JournalFacts, StateFacts


def _count(value: int, facts: StateFacts) -> int | None:
    """A count, of an exporter that keeps state on disk."""
    return None if facts.mode == "memory" else value


def _of_journal(value: Callable[[JournalFacts], float]) -> Callable[[Vitals], Iterable[Reading]]:
    """A number of an exporter that has a journal."""
    return single(lambda vitals: None if vitals.state.journal is None else value(vitals.state.journal))


STATE: Final[tuple[Source[Vitals], ...]] = (
    Source(
        Family(
            "embedding_exporter_state_info",
            "gauge",
            ("mode",),
            "Always 1: memory where nothing outlasts a restart, snapshot where all is saved to state_dir now and then, "
            "journal where what is acknowledged is on disk before.",
        ),
        lambda vitals: [((vitals.state.mode,), 1)],
    ),
    Source(
        Family(
            "embedding_exporter_state_last_success_timestamp_seconds",
            "gauge",
            (),
            "Unix time of what the state directory holds: what came since is lost in a crash. Before the first save, "
            "when the exporter started, or of what it restored. Absent without a state directory, as all below.",
        ),
        single(lambda vitals: None if vitals.state.mode == "memory" else vitals.state.saved_at),
    ),
    Source(
        Family(
            "embedding_exporter_state_failures_total",
            "counter",
            (),
            "Times that the state, or a new baseline, could not be saved; the log says why. It tries again by itself.",
        ),
        single(lambda vitals: _count(vitals.state.failures, vitals.state)),
    ),
    Source(
        Family(
            "embedding_exporter_state_damaged_files_total",
            "counter",
            (),
            "State files that were not as they had been written, and were set aside as *.corrupt-TIME.",
        ),
        single(lambda vitals: _count(vitals.state.damaged, vitals.state)),
    ),
    Source(
        Family("embedding_exporter_state_bytes", "gauge", (), "Bytes of all files in the state directory."),
        single(lambda vitals: vitals.state.nbytes),
    ),
    Source(
        Family(
            "embedding_exporter_state_duration_seconds",
            "gauge",
            (),
            "Seconds that the latest save took, beside everything else.",
        ),
        single(lambda vitals: vitals.state.duration_seconds),
    ),
    Source(
        Family(
            "embedding_exporter_state_restored_age_seconds",
            "gauge",
            (),
            "How old the restored state was at the start: nothing that came since is in it. Absent where none was.",
        ),
        single(lambda vitals: vitals.state.restored_age_seconds),
    ),
    Source(
        Family(
            "embedding_exporter_state_restores_total",
            "counter",
            ("result",),
            "What became of the state at the start: empty (there was none), whole, previous (the newest generation was "
            "damaged, and one before it used) or partial (parts of what was used were damaged, and are lost).",
        ),
        lambda vitals: [((result,), count) for result, count in vitals.state.restored.items()],
    ),
    Source(
        Family(
            "embedding_exporter_state_journal_failing",
            "gauge",
            (),
            "1 while the journal cannot be written: requests are refused with 503 until it can. Absent without a "
            "journal, as all below.",
        ),
        _of_journal(lambda facts: int(not facts.status.writable)),
    ),
    Source(
        Family(
            "embedding_exporter_state_journal_failures_total",
            "counter",
            (),
            "Failed attempts to write the journal, at most one a second; the log says why.",
        ),
        _of_journal(lambda facts: facts.status.failures),
    ),
    Source(
        Family(
            "embedding_exporter_state_journal_records_total",
            "counter",
            (),
            "Records written to the journal: one a request, and what happens of itself.",
        ),
        _of_journal(lambda facts: facts.status.records),
    ),
    Source(
        Family(
            "embedding_exporter_state_journal_syncs_total",
            "counter",
            (),
            "Groups of records, each of which waited for the disk once.",
        ),
        _of_journal(lambda facts: facts.status.groups),
    ),
    Source(
        Family(
            "embedding_exporter_state_journal_sync_seconds_total",
            "counter",
            (),
            "Seconds that they waited; over the number of them: what the disk adds to a request.",
        ),
        _of_journal(lambda facts: facts.status.write_seconds),
    ),
    Source(
        Family(
            "embedding_exporter_state_journal_bytes",
            "gauge",
            (),
            "Bytes of the segments that a kept generation needs.",
        ),
        _of_journal(lambda facts: facts.status.nbytes),
    ),
    Source(
        Family(
            "embedding_exporter_state_journal_replayed_records",
            "gauge",
            (),
            "Records that were read back at the start.",
        ),
        _of_journal(lambda facts: facts.replayed),
    ),
    Source(
        Family(
            "embedding_exporter_state_journal_exact",
            "gauge",
            (),
            "1 where nothing was missing at the start, so that counters went on; 0 where they began at 0.",
        ),
        _of_journal(lambda facts: int(facts.exact)),
    ),
)
