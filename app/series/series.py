"""One series: events are staged, folded into panes a hundred at a time, and read as windows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from app.distribution import Distribution
from app.model import (
    METRICS,
    VECTOR_FAULTS,
    EventBatch,
    EventError,
    Reason,
    SeriesKey,
    SimilarityMetric,
    Timing,
    VectorFault,
)
from app.series.ladder import Ladder
from app.series.learning import Block, Learning, Material
from app.series.pane import Pane
from app.series.recent_sample import RecentSample
from app.series.totals import Totals
from app.signals import SIGNALS

STAGED_EVENTS = 128
"""Folding costs little more for 128 events than for one; more would only hold vectors longer."""

STAGED_NUMBERS = STAGED_EVENTS * 768
"""Staged numbers of vectors at most: 0.4 MB, whatever the length of the vectors that a sender tries."""

DIMENSION_VOTES = 100
"""The dimension is that of most of the first hundred vectors."""

WINDOW_SAMPLE_ROWS = 128
"""Vectors kept of each window: a picture and a pinned baseline want rows, no statistic needs more."""

_DIMENSION_FAULT = 1 + VECTOR_FAULTS.index(VectorFault.DIMENSION)


@dataclass(frozen=True, slots=True)
class Window:
    """The last minutes, hour or day of a series."""

    name: str
    seconds: float
    pane: Pane

    def distribution(self, signal: str) -> Distribution | None:
        """Distribution of the signal; None where no event had it."""
        sketch = self.pane.quantiles.get(signal)
        return None if sketch is None else sketch.distribution()


class Series:
    """Panes, totals, vector samples and the baseline that is being learned, of one key. Safe from any thread."""

    def __init__(
        self, key: SeriesKey, now: float, timing: Timing, rng: np.random.Generator, dimension: int | None = None
    ) -> None:
        self.key = key
        self._timing = timing
        self._rng = rng
        self._lock = Lock()
        self._last_arrival = now
        self._retired = False
        self._staged: list[EventBatch] = []
        self._staged_events = 0
        self._staged_numbers = 0
        self._totals = Totals(key, first_seen=now)
        self._totals.dimension = dimension
        self._metric_code = -1
        self._votes: Counter[int] | None = Counter() if dimension is None else None
        self._ladder = Ladder(timing, self._learn_pane)
        self._recent = {
            name: RecentSample(seconds, WINDOW_SAMPLE_ROWS, rng) for name, seconds in timing.windows.items()
        }
        self._learning: Learning | None = Learning(timing, now, rng)

    def append(self, batch: EventBatch, now: float) -> list[EventError] | None:
        """Add the events of a batch that is all of this series; return those refused, None if it has retired.

        An event is refused if it measures similarity otherwise than the series does.
        """
        with self._lock:
            if self._retired:
                return None
            self._last_arrival = now
            batch, refused = self._refuse_other_metrics(batch)
            if len(batch):
                self._staged.append(batch)
                self._staged_events += len(batch)
                self._staged_numbers += batch.vectors.values.size
                if self._staged_events >= STAGED_EVENTS or self._staged_numbers >= STAGED_NUMBERS:
                    self._fold(now)
            return refused

    def retire(self, idle_since: float) -> bool:
        """Take no more events if none came since then; say whether it is so."""
        with self._lock:
            self._retired = self._last_arrival < idle_since
            return self._retired

    @property
    def similarity_metric(self) -> SimilarityMetric | None:
        """What its scores measure; None before the first."""
        return self._totals.similarity_metric

    @property
    def dimension(self) -> int | None:
        """Length of its vectors; None before the first."""
        return self._totals.dimension

    @property
    def dimension_settled(self) -> bool:
        """Whether the vectors' length is known for good."""
        return self._votes is None

    def totals(self, now: float) -> Totals:
        """What was counted so far, as a copy."""
        with self._lock:
            self._fold(now)
            return self._totals.copy()

    def windows(self, now: float) -> dict[str, Window]:
        """Each window by its name; they are the caller's own."""
        with self._lock:
            self._fold(now)
            self._ladder.advance(now)
            return self._windows()

    def window_material(self, window: str, now: float) -> Material:
        """The window as what a baseline is made of: its blocks are the panes that are as long as a shorter window."""
        with self._lock:
            self._fold(now)
            self._ladder.advance(now)
            windows = self._windows()
            blocks = {}
            for level, name in enumerate(list(windows)[: list(windows).index(window)]):
                blocks[name] = tuple(Block.of(start, pane) for start, pane in self._ladder.panes(level + 1))
            pane = windows[window].pane
            return Material(
                started=max(now - windows[window].seconds, self._totals.first_seen),
                events=pane.events,
                signals={name: sketch.distribution() for name, sketch in pane.quantiles.items()},
                blocks=blocks,
                sample=self._recent[window].sample(now),
            )

    def learned_events(self) -> int | None:
        """How many events the baseline that is being learned holds; None once learning has stopped."""
        with self._lock:
            return None if self._learning is None else self._learning.whole.events

    def learning_since(self) -> float | None:
        """When learning began; None once it has stopped."""
        with self._lock:
            return None if self._learning is None else self._learning.started

    def learned_material(self, now: float) -> Material | None:
        """What was learned so far, as the caller's own; None once learning has stopped."""
        with self._lock:
            self._fold(now)
            self._ladder.advance(now)
            return None if self._learning is None else self._learning.material()

    def stop_learning(self) -> None:
        """Free what was kept for learning: the series has its baseline."""
        with self._lock:
            self._learning = None

    def restart_learning(self, now: float) -> None:
        """Learn a baseline from now on."""
        with self._lock:
            self._fold(now)
            self._learning = Learning(self._timing, now, self._rng)

    def set_poor_match_limit(self, limit: float | None) -> None:
        """Judge matches from now on by this limit."""
        with self._lock:
            self._totals.set_poor_match_limit(limit)

    def nbytes(self) -> dict[str, int]:
        """Bytes by part, as the tables of docs/performance.md have them."""
        with self._lock:
            panes = list(self._ladder.all_panes())
            learning = self._learning
            return {
                "staged events": sum(
                    batch.vectors.values.nbytes + batch.scores.values.nbytes for batch in self._staged
                ),
                "quantile sketches of panes": sum(pane.sketch_nbytes for pane in panes),
                "vector sums of panes": sum(pane.vector_nbytes for pane in panes),
                "vector samples of windows": sum(recent.nbytes for recent in self._recent.values()),
                "baseline being learned: vector sample": (
                    0 if learning is None or learning.sample is None else learning.sample.nbytes
                ),
                "baseline being learned: time blocks": 0 if learning is None else learning.block_nbytes,
            }

    def _windows(self) -> dict[str, Window]:
        return {
            name: Window(name, seconds, pane)
            for (name, seconds), pane in zip(self._timing.windows.items(), self._ladder.windows(), strict=False)
        }

    def _refuse_other_metrics(self, batch: EventBatch) -> tuple[EventBatch, list[EventError]]:
        unlike = batch.metric != self._metric_code
        if np.count_nonzero(unlike) == 0:
            return batch, []
        carries = batch.metric >= 0
        if self._metric_code < 0:
            self._metric_code = int(batch.metric[carries][0])
            self._totals.similarity_metric = METRICS[self._metric_code]
        wrong = carries & (batch.metric != self._metric_code)
        if not wrong.any():
            return batch, []
        message = (
            f"this series measures {METRICS[self._metric_code].value} since its first scores; "
            "send one metric per series, another one under another model_version"
        )
        refused = [
            EventError(int(index), "similarity_metric", Reason.SIMILARITY_METRIC, message)
            for index in batch.index[wrong]
        ]
        return batch.take(np.flatnonzero(~wrong)), refused

    def _fold(self, now: float) -> None:
        """Move what is staged into totals, panes and samples."""
        if not self._staged:
            return
        batch = EventBatch.concatenate(self._staged)
        self._staged.clear()
        self._staged_events = 0
        self._staged_numbers = 0
        batch, vectors, rows = self._valid_vectors(batch)
        self._totals.add(batch, vectors=len(vectors))
        self._ladder.advance(now)
        # Dot products may be so large that their sum is infinite: no value then, as where there is none.
        with np.errstate(over="ignore", invalid="ignore"):
            columns = {signal.name: signal.extract(batch) for signal in SIGNALS}
        present = {name: np.isfinite(column) for name, column in columns.items()}
        positions = self._ladder.positions(batch.timestamp)
        for position in map(int, np.unique(positions)):
            members = positions == position
            count = int(np.count_nonzero(members))
            values = {name: column[members & present[name]] for name, column in columns.items()}
            # Nearly always all are of one pane: then without a copy of the vectors.
            chosen = vectors if count == len(batch) else vectors[members[rows]]
            self._ladder.pane(position, now).update(count, values, chosen)
            if self._learning is not None and self._ladder.has_left_first_rung(position, now):
                # Too late to come to the baseline with the pane of its time: a pane of its own.
                late = Pane()
                late.update(count, values, chosen)
                self._learning.add_pane(position, late)
        if len(vectors):
            times = batch.timestamp[rows]
            for recent in self._recent.values():
                recent.update(vectors, times, now)
            if self._learning is not None:
                self._learning.add_vectors(vectors, times)

    def _valid_vectors(self, batch: EventBatch) -> tuple[EventBatch, NDArray[np.float32], NDArray[np.intp]]:
        """The batch with vectors of another dimension marked, the matrix of the others, and their rows."""
        lengths = batch.vectors.lengths
        if self._votes is not None:
            self._vote(lengths[lengths > 0])
        dimension = self._totals.dimension
        if dimension is None:
            return batch, np.empty((0, 0), np.float32), np.empty(0, np.intp)
        fits = lengths == dimension
        rows = np.flatnonzero(fits)
        kept = batch.vectors
        wrong = (lengths > 0) & ~fits
        if len(rows) < len(batch) and wrong.any():
            batch = replace(
                batch,
                fault=np.where(wrong, _DIMENSION_FAULT, batch.fault).astype(np.int8),
                norm=np.where(wrong, np.nan, batch.norm),
            )
            kept = kept.take(rows)
        return batch, np.asarray(kept.values, np.float32).reshape(len(rows), dimension), rows

    def _vote(self, lengths: NDArray[np.intp]) -> None:
        """Count the first vectors' lengths; drop what was kept of the vectors if the majority turns."""
        if self._votes is None or lengths.size == 0:
            return
        room = DIMENSION_VOTES - self._votes.total()
        self._votes.update(int(length) for length in lengths[:room])
        winner, _ = self._votes.most_common(1)[0]
        if self._totals.dimension not in (None, winner):
            for pane in self._ladder.all_panes():
                pane.vectors = None
        self._totals.dimension = winner
        if self._votes.total() >= DIMENSION_VOTES:
            self._votes = None

    def _learn_pane(self, position: int, pane: Pane) -> None:
        if self._learning is not None:
            self._learning.add_pane(position, pane)
