"""Things that begin and end: told twice, out of order, or only half, and still counted once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from app.lifecycle.spans import Spans
from app.tree import Tree

MAX_RUNS: Final = 4096

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class Run:
    """One deployment or one reindex. Times of events are the sender's; `heard` and those of results are arrivals."""

    heard: float
    """When something was heard of it last."""
    started: float | None = None
    """None where nobody told."""
    ended: float | None = None
    results: dict[str, float] = field(default_factory=dict)
    """How it ended, by when that was heard: a deployment that finished may be rolled back later."""
    progress: float | None = None
    progress_at: float = 0.0

    def seconds(self) -> float | None:
        """How long it took; None where the start is not known, or the clocks of the senders contradict each other."""
        if self.started is None or self.ended is None or self.ended < self.started:
            return None
        return self.ended - self.started


class Runs(Generic[Key]):
    """The 4,096 runs heard of last, by what identifies one. An open one is forgotten when it stalls.

    Senders try again, and their messages overtake each other and are lost. So: a start after the end begins a new run,
    unless it is the start that was missing, or the same once more; the same end counts once a run; progress of a run
    that ended says nothing.
    """

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._runs: OrderedDict[Key, Run] = OrderedDict()
        self.dropped = 0
        """Runs forgotten for want of room."""

    def begin(self, key: Key, at: float, now: float, *, named: bool) -> Run | None:
        """A start; the run, or None if it says nothing new."""
        run = self._known(key, now, named=named)
        if run is None:
            return self._keep(key, Run(now, started=at))
        if run.ended is None:
            if run.started is not None and at <= run.started:
                return None
            run.started, run.heard = at, now
            return self._keep(key, run)
        if run.started == at:
            return None
        if run.started is None and at <= run.ended:
            run.started = at
            return run
        return self._keep(key, Run(now, started=at))

    def advance(self, key: Key, progress: float, at: float, now: float, *, named: bool) -> Run | None:
        """Progress, as a share; the run, or None if more is known already."""
        run = self._known(key, now, named=named) or Run(now)
        if run.ended is not None or at < run.progress_at:
            return None
        run.progress, run.progress_at, run.heard = progress, at, now
        return self._keep(key, run)

    def end(self, key: Key, result: str, at: float, now: float, *, named: bool) -> Run | None:
        """An end; the run, or None if this one was counted before."""
        run = self._known(key, now, named=named) or Run(now)
        if result in run.results:
            return None
        run.results[result] = run.heard = now
        run.ended = at
        return self._keep(key, run)

    def open(self, now: float) -> Iterator[tuple[Key, Run]]:
        """Yield each run that has not ended."""
        for key, run in self._runs.items():
            if run.ended is None and now - run.heard < self._spans.stalled_seconds:
                yield key, run

    def freeze(self, name: Callable[[Key], list[object]]) -> Tree:
        """What `thaw` takes; `name` is a key as plain values."""
        return {
            "runs": [
                [name(key), run.heard, run.started, run.ended, run.results.copy(), run.progress, run.progress_at]
                for key, run in self._runs.items()
            ],
            "dropped": self.dropped,
        }

    def thaw(self, tree: Tree, key: Callable[[list[Any]], Key], *, counters: bool) -> None:
        """Go on from what was frozen; `key` is what `name` was asked of. Without `counters` counts begin at 0."""
        for name, *run in tree["runs"]:
            self._runs[key(name)] = Run(*run)
        self.dropped = tree["dropped"] if counters else 0

    def _known(self, key: Key, now: float, *, named: bool) -> Run | None:
        run = self._runs.get(key)
        if run is None:
            return None
        if run.ended is None:
            patience = self._spans.stalled_seconds
        else:
            patience = self._spans.same_id_seconds if named else self._spans.repeat_seconds
        return run if now - run.heard < patience else None

    def _keep(self, key: Key, run: Run) -> Run:
        self._runs[key] = run
        self._runs.move_to_end(key)
        if len(self._runs) > MAX_RUNS:
            self._runs.popitem(last=False)
            self.dropped += 1
        return run
