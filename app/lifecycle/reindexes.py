"""Reindexes: whether one runs and since when, how far it is, how long the last one took.

M8 in PromQL: the duration of the last one, the progress, and for how long one has been running by now:

    embedding_reindex_duration_seconds
    embedding_reindex_progress_ratio
    time() - embedding_reindex_started_timestamp_seconds

Each is held against the maintenance window of the index.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from app.lifecycle.events import Reindex
from app.lifecycle.places import IndexLabels
from app.lifecycle.runs import Run, Runs
from app.lifecycle.spans import Spans
from app.model import OTHER
from app.tree import Tree

RESULTS: Final = ("finished", "failed")

Identity = tuple[IndexLabels, str, str, str]
"""The labels; then model, index and id of a reindex."""


class ReindexView(NamedTuple):
    """The reindexes of one index."""

    results: dict[str, int]
    """How many ended how."""
    in_progress: int
    started: float | None
    """Unix seconds, of the one that has been running longest; None where none runs or its start is not known."""
    progress: float | None
    """Of the same one; None where nobody told."""
    duration_seconds: float | None
    """Of the last one that finished; None where it is not known."""


class Reindexes:
    """Counts and the state by index. Bounded: 129 labels and 4,096 runs."""

    def __init__(self, spans: Spans) -> None:
        self._runs: Runs[Identity] = Runs(spans)
        self._counts: dict[IndexLabels, dict[str, int]] = {}
        self._finished: dict[IndexLabels, tuple[float, float | None]] = {}
        """When the last one finished, and the seconds it took."""

    @property
    def dropped(self) -> int:
        """Reindexes that were forgotten for want of room: told again, they would count again."""
        return self._runs.dropped

    def apply(self, event: Reindex, labels: IndexLabels, at: float, now: float) -> bool:
        """Take an event; whether it was news."""
        identity = (labels, event.model, event.index, event.reindex)
        named = bool(event.reindex)
        run: Run | None
        if event.status == "started":
            run = self._runs.begin(identity, at, now, named=named)
        elif event.status == "progress":
            assert event.progress is not None  # or `reading` had refused it
            run = self._runs.advance(identity, event.progress, at, now, named=named)
        else:
            run = self._runs.end(identity, event.status, at, now, named=named)
        if run is None:
            return False
        counts = self._counts.setdefault(labels, dict.fromkeys(RESULTS, 0))
        if event.status in counts:
            counts[event.status] += 1
        if event.status == "finished" and (labels not in self._finished or at >= self._finished[labels][0]):
            seconds = run.seconds() if event.duration_seconds is None else event.duration_seconds
            self._finished[labels] = at, seconds
        return True

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {
            "runs": self._runs.freeze(lambda key: [*key[0], *key[1:]]),
            "counts": [[*labels, counts.copy()] for labels, counts in self._counts.items()],
            "finished": [[*labels, *last] for labels, last in self._finished.items()],
        }

    def thaw(self, tree: Tree, *, counters: bool) -> None:
        """Go on from what was frozen; without `counters` every count begins at 0."""
        self._runs.thaw(tree["runs"], lambda name: ((name[0], name[1]), *name[2:]), counters=counters)
        for model, index, counts in tree["counts"]:
            self._counts[model, index] = counts if counters else dict.fromkeys(counts, 0)
        self._finished = {(model, index): (at, seconds) for model, index, at, seconds in tree["finished"]}

    def views(self, now: float) -> dict[IndexLabels, ReindexView]:
        """Every index that was heard of."""
        running: dict[IndexLabels, list[Run]] = {labels: [] for labels in self._counts}
        for (labels, *_), run in self._runs.open(now):
            running[labels].append(run)
        return {labels: self._view(labels, runs) for labels, runs in running.items()}

    def _view(self, labels: IndexLabels, runs: list[Run]) -> ReindexView:
        counts = dict(self._counts[labels])
        if OTHER in labels:
            # Many indexes in one: they can be counted, but have no duration.
            return ReindexView(counts, len(runs), None, None, None)
        longest = min(runs, key=_since, default=None)
        _, seconds = self._finished.get(labels, (0.0, None))
        if longest is None:
            return ReindexView(counts, 0, None, None, seconds)
        return ReindexView(counts, len(runs), longest.started, longest.progress, seconds)


def _since(run: Run) -> float:
    """When it began, as far as is known."""
    return run.heard if run.started is None else run.started
