"""What a series holds of its events, and how they come in: their vectors first, their numbers hundreds at a time."""

from __future__ import annotations

import secrets
from typing import Final

import numpy as np
import structlog

from app.model import EventBatch, Floats, SeriesKey, Timing
from app.series.comparing import Comparing
from app.series.dimension import Dimension
from app.series.ladder import Ladder
from app.series.learning import Learning
from app.series.measuring import Yardstick
from app.series.pane import Pane, Rows
from app.series.recent_sample import RecentSample
from app.series.retrieval import Retrieval
from app.series.rows import Vectors, joined_rows, number_rows, vector_rows, without_vectors
from app.series.slices import UNUSUAL, Slices
from app.series.staging import Room, Staging
from app.series.totals import Totals
from app.tree import Pieces, Tree

log = structlog.get_logger(__name__)

WINDOW_SAMPLE_ROWS: Final = {"1h": 128, "24h": 256}
"""Vectors kept of windows: for the picture and the statistics that need rows, and for the frame of a pinned window."""

COUNTED: Final = Room(events=512, numbers=16_384)
"""Numbers without vectors are small, and counting them costs little more for 512 events than for 128."""


class Folding:
    """Totals, panes, samples and the baseline that is being learned, of one series. Not for two threads at once.

    Events come in by two steps. `take` does what needs their vectors or the ids of their documents, which then go.
    What is counted of them waits for more of their like, until `count`: every reader calls that before.
    """

    def __init__(
        self,
        key: SeriesKey,
        now: float,
        timing: Timing,
        rng: np.random.Generator,
        dimension: int | None,
        *,
        slices: Slices | None,
        secret: bytes | None,
    ) -> None:
        self.key = key
        self._timing = timing
        self._rng = rng
        self.totals = Totals(key, first_seen=now)
        self.slices = Slices(timing.windows["1h"]) if slices is None else slices
        self.dimension = Dimension(dimension, self._forget_vectors)
        self.ladder = Ladder(timing, self._learn_pane)
        self.recent = {name: RecentSample(timing.windows[name], rows, rng) for name, rows in WINDOW_SAMPLE_ROWS.items()}
        self.retrieval = Retrieval(timing, secrets.token_bytes(32) if secret is None else secret, rng)
        self.comparing = Comparing(timing)
        self.learning: Learning | None = Learning(timing, now, rng)
        self._uncounted = Staging(COUNTED)
        self._uncounted_vectors = 0
        self._taken_at = now

    def take(self, batch: EventBatch, now: float, *, joined: bool) -> None:
        """Take events in; `joined` says whether they come of several requests."""
        if now >= self.ladder.due:
            # Before their panes move up.
            self.count()
        self.ladder.advance(now)
        self._taken_at = now
        self.totals.accept(batch)
        if batch.probe is not None and batch.probe.any():
            self._take_probes(batch.take(np.flatnonzero(batch.probe)), now)
            batch = batch.take(np.flatnonzero(~batch.probe))
        if len(batch):
            self._take_traffic(batch, now)
        if self._uncounted.full or not joined:
            # What is of one request may be views of its whole body, which would stay.
            self.count()

    def count(self) -> None:
        """Count what is taken in and was not counted yet."""
        batch, vectors, now = self._uncounted.take(), self._uncounted_vectors, self._taken_at
        if batch is None:
            return
        self._uncounted_vectors = 0
        self._add_numbers(batch, vectors, now)
        for position, rows in number_rows(batch, self.ladder.positions(batch.timestamp)):
            self._enter(position, rows, now)

    def measure(self, now: float) -> None:
        """Add what the vectors staged for it measure to the panes they came in."""
        measuring = self.comparing.measuring
        if measuring is None:
            return
        for each in measuring.take():
            pane = self.ladder.pane(each.position, now)
            pane.add_measured(measuring.frame, each.vectors, each.measured)
            if each.labels is not None:
                limit = measuring.frame.novelty_quantiles[UNUSUAL]
                self.slices.add_measured(each.labels, each.measured.novelty < limit, now)

    def measure_with(self, yardstick: Yardstick, now: float) -> None:
        """Measure vectors by this baseline from now on; what another one measured is forgotten."""
        if not self.comparing.change(yardstick, now):
            for pane in self.ladder.all_panes():
                pane.forget_frame()
            self.ladder.changed()

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes."""
        learning = self.learning
        if learning is not None:
            # Without its vectors a frame could not be fitted to it: it begins anew.
            learning_tree = learning.freeze(pieces) if pieces.vectors else {}
        return {
            "totals": self.totals.freeze(),
            "dimension": self.dimension.freeze(),
            "ladder": self.ladder.freeze(pieces),
            "recent": {name: each.freeze(pieces) for name, each in self.recent.items()},
            "retrieval": self.retrieval.freeze(),
            "measured": self.comparing.freeze(),
            "learning": None if learning is None else learning_tree,
        }

    def thaw(self, tree: Tree, away: float, *, counters: bool) -> int:
        """Go on, as just made, from what was frozen so many seconds ago; how many panes of it are lost.

        `counters` is as for `Totals.thaw`. Until `measure_with` is told of the same baseline nothing is measured.
        """
        self.totals.thaw(tree["totals"], counters=counters)
        lost = self.ladder.thaw(tree["ladder"])
        for name, recent in self.recent.items():
            recent.thaw(tree["recent"][name])
        self.retrieval.thaw(tree["retrieval"])
        self.comparing.thaw(tree["measured"])
        if tree["learning"] is None:
            self.learning = None
        elif tree["learning"]:
            try:
                self.learning = Learning.thawed(tree["learning"], self._timing, self._rng, away)
            except ValueError:
                log.warning("what was learned of a baseline is damaged: learning anew", **self.key._asdict())
        self.dimension.thaw(tree["dimension"])
        return lost

    def learn(self, now: float) -> None:
        """Learn a baseline from now on."""
        self.learning = Learning(self._timing, now, self._rng)

    @property
    def nbytes(self) -> dict[str, int]:
        """Bytes by part."""
        panes = list(self.ladder.all_panes())
        return {
            "staged events": self._uncounted.nbytes,
            "quantile sketches of panes": sum(pane.sketch_nbytes for pane in panes),
            "vector sums of panes": sum(pane.vector_nbytes for pane in panes),
            "vector samples of windows": sum(recent.nbytes for recent in self.recent.values()),
            "sketches of ids": self.retrieval.nbytes,
            **self.comparing.nbytes,
            "baseline being learned": 0 if self.learning is None else sum(self.learning.nbytes.values()),
        }

    def _take_probes(self, batch: EventBatch, now: float) -> None:
        """Probes are no traffic: they feed the same-input check."""
        batch, vectors = self.dimension.valid_vectors(batch)
        if not len(vectors.matrix):
            return
        if self.learning is not None and vectors.inputs is not None:
            self.learning.add_inputs(vectors.inputs, vectors.matrix, np.ones(len(vectors.inputs), np.bool_))
        same_input, cosines = self.comparing.memory(vectors, now).check(vectors.inputs, vectors.matrix)
        position = int(self.ladder.positions(batch.timestamp).max())
        self.ladder.pane(position, now).update(Rows(same_input=same_input, same_input_cosines=cosines))

    def _take_traffic(self, batch: EventBatch, now: float) -> None:
        batch, vectors = self.dimension.valid_vectors(batch)
        labelled = self.totals.add_results(batch)
        if self.key.kind == "query":
            results = self.retrieval.add(batch, now)
            if results.size and self.learning is not None:
                self.learning.add_results(results, self.retrieval.mark)
        positions = self.ladder.positions(batch.timestamp)
        memory = self.comparing.memory(vectors, now)
        seen, numbers = vector_rows(vectors, positions, memory, labelled), without_vectors(batch, vectors)
        if self.ladder.has_left_first_rung(int(positions.min()), now):
            # A block of the baseline closes once a pane of the next one comes: all of each pane at once.
            self.count()
            self._add_numbers(numbers, vectors.count, now)
            seen = joined_rows(seen, number_rows(numbers, positions))
        else:
            self._uncounted.add(numbers)
            self._uncounted_vectors += vectors.count
        for position, rows in seen:
            self._enter(position, rows, now)
        if len(vectors.matrix):
            self._keep_vectors(batch, vectors, positions, now)

    def _add_numbers(self, batch: EventBatch, vectors: int, now: float) -> None:
        self.totals.add_numbers(batch, vectors)
        self.slices.add(batch, self.totals.poor_match_limit, now)

    def _enter(self, position: int, rows: Rows, now: float) -> None:
        """Add rows to the pane of this number in the first rung."""
        self.ladder.pane(position, now).update(rows)
        if self.learning is not None and self.ladder.has_left_first_rung(position, now):
            # Too late to come to the baseline with the pane of its time: a pane of its own.
            late = Pane()
            late.update(rows)
            self.learning.add_pane(position, late)

    def _keep_vectors(self, batch: EventBatch, vectors: Vectors, positions: Floats, now: float) -> None:
        """Offer vectors to all that keeps some of them, or measures some."""
        times = batch.timestamp[vectors.events]
        for recent in self.recent.values():
            recent.update(vectors.matrix, times, now)
        if self.learning is not None:
            self.learning.add_vectors(vectors.matrix, times)
            if vectors.inputs is not None:
                self.learning.add_inputs(vectors.inputs, vectors.matrix)
        measuring = self.comparing.measuring
        if measuring is not None and measuring.frame.dimension == vectors.matrix.shape[1]:
            labels = None if batch.labels is None else [batch.labels[event] for event in vectors.events]
            if measuring.offer(vectors.matrix, positions[vectors.events], now, labels):
                self.measure(now)

    def _forget_vectors(self) -> None:
        for pane in self.ladder.all_panes():
            pane.forget_vectors()
            pane.forget_frame()
        self.ladder.changed()
        if self.learning is not None:
            self.learning.forget_vectors()

    def _learn_pane(self, position: int, pane: Pane) -> None:
        if self.learning is not None:
            self.learning.add_pane(position, pane)
