"""One series: events are staged, folded into panes a hundred at a time, and read as windows."""

from __future__ import annotations

import secrets
from threading import Lock

import numpy as np
import structlog

from app.model import (
    EventBatch,
    EventError,
    SeriesKey,
    SimilarityMetric,
    Timing,
)
from app.series.dimension import Dimension
from app.series.downtime import Downtime
from app.series.ladder import Ladder
from app.series.learning import Block, Learned, Learning, Material
from app.series.measuring import MeasuredBefore, Measuring, Yardstick
from app.series.metric import Metric
from app.series.pane import Pane, Rows
from app.series.recent_sample import RecentSample
from app.series.retrieval import WINDOW, Retrieval, RetrievalWindow
from app.series.rows import NO_KEYS, Memory, Vectors, rows_of_panes
from app.series.slices import UNUSUAL, Slices
from app.series.totals import Totals
from app.series.trailing import Past, TrailingSpans
from app.series.window import Window
from app.sketch import RecentInputs, VectorSample
from app.tree import Pieces, Tree
from app.triage import LowMatch

log = structlog.get_logger(__name__)

STAGED_EVENTS = 128
"""Folding costs little more for 128 events than for one; more would only hold vectors longer."""

STAGED_NUMBERS = STAGED_EVENTS * 768
"""Staged numbers of vectors at most: 0.4 MB, whatever the length of the vectors that a sender tries."""

STAGED_IDS = 4096
"""Staged ids of documents at most, found or relevant: 1.5 MB of the longest, and the usual 128 events of ten."""

WINDOW_SAMPLE_ROWS = {"1h": 128, "24h": 256}
"""Vectors kept of windows: for the picture and the statistics that need rows, and for the frame of a pinned window."""


class Series:
    """Panes, totals, vector samples and the baseline that is being learned, of one key. Safe from any thread."""

    def __init__(
        self,
        key: SeriesKey,
        now: float,
        timing: Timing,
        rng: np.random.Generator,
        dimension: int | None = None,
        *,
        slices: Slices | None = None,
        secret: bytes | None = None,
    ) -> None:
        """`secret` is what ids of documents are hashed with, at most 64 bytes; a random one unless given."""
        self.key = key
        self._timing = timing
        self._rng = rng
        self._lock = Lock()
        self._last_arrival = now
        self._retired = False
        self._staged: list[EventBatch] = []
        self._staged_events = 0
        self._staged_numbers = 0
        self._staged_ids = 0
        self._totals = Totals(key, first_seen=now)
        self._told: Totals | None = None
        """The totals as they were told last; None once something came."""
        self._slices = Slices(timing.windows["1h"]) if slices is None else slices
        self._dimension = Dimension(dimension, self._forget_vectors)
        self._metric = Metric()
        self._ladder = Ladder(timing, self._learn_pane)
        self._recent = {
            name: RecentSample(timing.windows[name], rows, rng) for name, rows in WINDOW_SAMPLE_ROWS.items()
        }
        self._retrieval = Retrieval(timing, secrets.token_bytes(32) if secret is None else secret, rng)
        self._space = self._default_space = key.default_space
        self._yardstick: Yardstick | None = None
        self._measuring: Measuring | None = None
        self._measured_before: MeasuredBefore | None = None
        self._downtime = Downtime(timing)
        self._trailing = TrailingSpans()
        self._recent_inputs: RecentInputs | None = None
        self._learning: Learning | None = Learning(timing, now, rng)

    def append(self, batch: EventBatch, now: float) -> list[EventError] | None:
        """Add the events of a batch that is all of this series; return those refused, None if it has retired.

        An event is refused if it measures similarity otherwise than the series does.
        """
        with self._lock:
            if self._retired:
                return None
            self._last_arrival = now
            if batch.spaces[0] != self._default_space:
                self._space = batch.spaces[0]
            batch, refused = self._metric.refuse_others(batch)
            if len(batch):
                self._told = None
                self._staged.append(batch)
                self._staged_events += len(batch)
                self._staged_numbers += batch.vectors.values.size
                self._staged_ids += _ids_of(batch)
                if (
                    self._staged_events >= STAGED_EVENTS
                    or self._staged_numbers >= STAGED_NUMBERS
                    or self._staged_ids >= STAGED_IDS
                    # While there are votes, request by request: what they judge must not hang on who reads when.
                    or (not self._dimension.settled and batch.vectors.offsets[-1] > 0)
                ):
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
        return self._metric.name

    @property
    def space(self) -> str:
        """The vector space of its vectors."""
        return self._space

    @property
    def poor_match_limit(self) -> float | None:
        """What a match is poor below; None while that is not known."""
        return self._totals.poor_match_limit

    @property
    def first_seen(self) -> float:
        """When it began, in unix seconds."""
        return self._totals.first_seen

    def is_full(self, seconds: float, now: float) -> bool:
        """Whether it is as old as a window of so many seconds, and somebody was there to see nearly all of that."""
        return now - self.first_seen >= seconds and self._downtime.leaves_full(seconds, now)

    @property
    def dimension(self) -> int | None:
        """Length of its vectors; None before the first."""
        return self._dimension.numbers

    @property
    def dimension_settled(self) -> bool:
        """Whether the vectors' length is known for good."""
        return self._dimension.settled

    def totals(self, now: float) -> Totals:
        """What was counted so far, for reading alone; the very object of the last call while nothing came."""
        with self._lock:
            if self._told is None:
                self._fold(now)
                self._totals.dimension = self._dimension.numbers
                self._totals.similarity_metric = self._metric.name
                self._told = self._totals.copy()
            return self._told

    def windows(self, now: float) -> dict[str, Window]:
        """Each window by its name; they are the caller's own."""
        with self._lock:
            self._catch_up(now)
            return self._windows()

    def past(self, seconds: float, now: float) -> Past:
        """The whole days before the last one, within these seconds; for reading alone."""
        with self._lock:
            self._catch_up(now)
            return self._trailing.past(self._ladder.panes(len(self._timing.rungs) - 1), seconds, now)

    def sample(self, window: str, now: float) -> VectorSample | None:
        """Sampled vectors of a window that keeps some; None where it saw none."""
        with self._lock:
            self._fold(now)
            recent = self._recent.get(window)
            return None if recent is None else recent.sample(now)

    def retrieval(self, now: float) -> RetrievalWindow:
        """The last hour's queries and results; the caller's own."""
        with self._lock:
            self._fold(now)
            return self._retrieval.window(now)

    def lowest_matches(self, now: float) -> list[LowMatch]:
        """The queries with the lowest similarities of the last five to ten minutes, the lowest first."""
        with self._lock:
            self._fold(now)
            return self._retrieval.lowest(now)

    def window_material(self, window: str, now: float) -> Material:
        """The window as what a baseline is made of; its blocks are the panes of its rung of the ladder."""
        with self._lock:
            self._catch_up(now)
            windows = self._windows()
            level = list(windows).index(window)
            recent = self._recent.get(window)
            return Material(
                started=max(now - windows[window].seconds, self._totals.first_seen),
                whole=windows[window].pane,
                block_seconds=self._timing.rungs[level].pane_seconds,
                blocks=tuple(Block.of(start, pane) for start, pane in self._ladder.panes(level)),
                sample=None if recent is None else recent.sample(now),
                results=self._retrieval.window(now).results if window == WINDOW else None,
            )

    def measure_with(self, yardstick: Yardstick, now: float) -> None:
        """Measure vectors by this baseline from now on; what another one measured is forgotten."""
        with self._lock:
            if self._yardstick is not None and self._yardstick.id == yardstick.id:
                return
            before, self._measured_before = self._measured_before, None
            self._catch_up(now)
            if before is None or before.yardstick != yardstick.id:
                for pane in self._ladder.all_panes():
                    pane.forget_frame()
                self._ladder.changed()
            self._yardstick = yardstick
            self._measuring = None if yardstick.frame is None else Measuring(yardstick.frame, now)
            if self._measuring is not None and before is not None and before.yardstick == yardstick.id:
                self._measuring.resume(before.began, before.measured, before.offered)

    @property
    def measured_since(self) -> float | None:
        """When its vectors began to be measured in the frame that they are measured in now; None without one."""
        measuring = self._measuring
        return None if measuring is None else measuring.began

    @property
    def measured(self) -> tuple[int, int]:
        """How many vectors were measured in the frame, of how many that came."""
        with self._lock:
            return (0, 0) if self._measuring is None else (self._measuring.measured, self._measuring.offered)

    def learned(self) -> Learned | None:
        """How far the learning of a baseline has come; None once it has stopped."""
        with self._lock:
            each = self._learning
            if each is None:
                return None
            return Learned(each.started + each.paused_seconds, each.whole.events, len(each.blocks))

    def learned_material(self, now: float) -> Material | None:
        """What was learned so far, as the caller's own; None once learning has stopped."""
        with self._lock:
            self._catch_up(now)
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
        """Judge matches from now on by this limit; what came before is judged by the one that was in force."""
        with self._lock:
            if limit != self._totals.poor_match_limit:
                self._fold(self._last_arrival)
                self._told = None
                self._totals.set_poor_match_limit(limit)

    def restart_counters(self) -> None:
        """Begin every count at 0."""
        with self._lock:
            self._fold(self._last_arrival)
            self._totals, self._told = self._totals.restarted(), None

    def freeze(self, pieces: Pieces, now: float) -> Tree:
        """What `thaw` takes.

        Holds a full series for 2.1 ms where all its panes are to be written, and 0.4 ms where 256 events came since
        they were (`make bench ARGS=state`).

        Not of it: the vectors of inputs that came in the last minutes, which a few minutes bring again.
        """
        with self._lock:
            self._catch_up(now)
            learning = self._learning
            if learning is not None:
                # Without its vectors a frame could not be fitted to it: it begins anew.
                learning_tree = learning.freeze(pieces) if pieces.vectors else {}
            return {
                "saved": now,
                "last_arrival": self._last_arrival,
                "space": self._space,
                "totals": self._totals.freeze(),
                "dimension": self._dimension.freeze(),
                "metric": self._metric.freeze(),
                "ladder": self._ladder.freeze(pieces),
                "recent": {name: each.freeze(pieces) for name, each in self._recent.items()},
                "retrieval": self._retrieval.freeze(),
                "downtime": self._downtime.freeze(),
                "measured": self._measured_until_now(),
                "learning": None if learning is None else learning_tree,
            }

    def thaw(self, tree: Tree, now: float, *, counters: bool) -> int:
        """Go on, as a series just made, from what was frozen; how many panes of it are lost.

        `counters` says whether what is counted for ever goes on, or begins at 0; see `Totals.thaw`. Until
        `measure_with` is told of the same baseline nothing is measured.
        """
        with self._lock:
            away = max(0.0, now - tree["saved"])
            # That nobody was there to see its traffic does not make a series idle.
            self._last_arrival = tree["last_arrival"] + away
            self._space = tree["space"]
            self._totals.thaw(tree["totals"], counters=counters)
            lost = self._ladder.thaw(tree["ladder"])
            self._metric.thaw(tree["metric"])
            for name, recent in self._recent.items():
                recent.thaw(tree["recent"][name])
            self._retrieval.thaw(tree["retrieval"])
            self._downtime.thaw(tree["downtime"])
            self._downtime.add(tree["saved"], now)
            self._measured_before = None if tree["measured"] is None else MeasuredBefore(*tree["measured"])
            if tree["learning"] is None:
                self._learning = None
            elif tree["learning"]:
                try:
                    self._learning = Learning.thawed(tree["learning"], self._timing, self._rng, away)
                except ValueError:
                    log.warning("what was learned of a baseline is damaged: learning anew", **self.key._asdict())
            self._dimension.thaw(tree["dimension"])
            return lost

    def _measured_until_now(self) -> list[object] | None:
        """What `MeasuredBefore` is to hold after a restart."""
        if self._yardstick is None:
            before = self._measured_before
            return None if before is None else list(before)
        measuring = self._measuring
        if measuring is None:
            return [self._yardstick.id, 0.0, 0, 0]
        return [self._yardstick.id, measuring.began, measuring.measured, measuring.offered]

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
                "sketches of ids": self._retrieval.nbytes,
                "recent inputs": 0 if self._recent_inputs is None else self._recent_inputs.nbytes,
                "staged for the frame": 0 if self._measuring is None else self._measuring.nbytes,
                "baseline being learned": 0 if learning is None else sum(learning.nbytes.values()),
            }

    def _catch_up(self, now: float) -> None:
        """All that came is in its pane, and every pane on its rung."""
        self._fold(now)
        self._ladder.advance(now)
        self._measure(now)

    def _windows(self) -> dict[str, Window]:
        return {
            name: Window(name, seconds, pane)
            for (name, seconds), pane in zip(
                self._timing.windows.items(), self._ladder.windows(len(self._timing.windows)), strict=True
            )
        }

    def _fold(self, now: float) -> None:
        """Move what is staged into totals, panes and samples."""
        if not self._staged:
            return
        batch = EventBatch.concatenate(self._staged)
        self._staged.clear()
        self._staged_events = 0
        self._staged_numbers = 0
        self._staged_ids = 0
        self._ladder.advance(now)
        self._totals.accept(batch)
        if batch.probe is not None and batch.probe.any():
            self._fold_probes(batch.take(np.flatnonzero(batch.probe)), now)
            batch = batch.take(np.flatnonzero(~batch.probe))
        if len(batch):
            self._fold_traffic(batch, now)

    def _fold_probes(self, batch: EventBatch, now: float) -> None:
        """Probes are no traffic: they feed the same-input check."""
        batch, vectors = self._dimension.valid_vectors(batch)
        if not len(vectors.matrix):
            return
        if self._learning is not None and vectors.inputs is not None:
            self._learning.add_inputs(vectors.inputs, vectors.matrix, np.ones(len(vectors.inputs), np.bool_))
        same_input, cosines = self._memory(vectors, now).check(vectors.inputs, vectors.matrix)
        position = int(self._ladder.positions(batch.timestamp).max())
        nothing = np.empty((0, vectors.matrix.shape[1]), np.float32)
        self._ladder.pane(position, now).update(Rows(0, 0, {}, nothing, NO_KEYS, same_input, cosines))

    def _fold_traffic(self, batch: EventBatch, now: float) -> None:
        batch, vectors = self._dimension.valid_vectors(batch)
        labelled = self._totals.add(batch, vectors.count)
        self._slices.add(batch, self._totals.poor_match_limit, now)
        self._keep_results(batch, now)
        positions = self._ladder.positions(batch.timestamp)
        for position, rows in rows_of_panes(batch, vectors, positions, self._memory(vectors, now), labelled):
            self._ladder.pane(position, now).update(rows)
            if self._learning is not None and self._ladder.has_left_first_rung(position, now):
                # Too late to come to the baseline with the pane of its time: a pane of its own.
                late = Pane()
                late.update(rows)
                self._learning.add_pane(position, late)
        if not len(vectors.matrix):
            return
        times = batch.timestamp[vectors.events]
        for recent in self._recent.values():
            recent.update(vectors.matrix, times, now)
        if self._learning is not None:
            self._learning.add_vectors(vectors.matrix, times)
            if vectors.inputs is not None:
                self._learning.add_inputs(vectors.inputs, vectors.matrix)
        measuring = self._measuring
        if measuring is not None and measuring.frame.dimension == vectors.matrix.shape[1]:
            labels = None if batch.labels is None else [batch.labels[event] for event in vectors.events]
            if measuring.offer(vectors.matrix, positions[vectors.events], now, labels):
                self._measure(now)

    def _keep_results(self, batch: EventBatch, now: float) -> None:
        if self.key.kind == "query":
            results = self._retrieval.add(batch, now)
            if results.size and self._learning is not None:
                self._learning.add_results(results, self._retrieval.mark)

    def _measure(self, now: float) -> None:
        """Add what the staged vectors measure to the panes they came in."""
        if self._measuring is not None:
            for each in self._measuring.take():
                pane = self._ladder.pane(each.position, now)
                pane.add_measured(self._measuring.frame, each.vectors, each.measured)
                if each.labels is not None:
                    limit = self._measuring.frame.novelty_quantiles[UNUSUAL]
                    self._slices.add_measured(each.labels, each.measured.novelty < limit, now)

    def _memory(self, vectors: Vectors, now: float) -> Memory:
        """What the inputs of a batch are looked up in."""
        dimension = vectors.matrix.shape[1]
        if vectors.inputs is not None and (self._recent_inputs is None or self._recent_inputs.dimension != dimension):
            self._recent_inputs = RecentInputs(dimension=dimension, seconds=self._timing.windows["5m"])
        return Memory(None if self._yardstick is None else self._yardstick.known, self._recent_inputs, now)

    def _forget_vectors(self) -> None:
        for pane in self._ladder.all_panes():
            pane.forget_vectors()
            pane.forget_frame()
        self._ladder.changed()
        if self._learning is not None:
            self._learning.forget_vectors()

    def _learn_pane(self, position: int, pane: Pane) -> None:
        if self._learning is not None:
            self._learning.add_pane(position, pane)


def _ids_of(batch: EventBatch) -> int:
    """Ids of documents in a batch."""
    found = 0 if batch.ids is None else sum(map(len, filter(None, batch.ids)))
    return found + (0 if batch.relevant is None else sum(map(len, filter(None, batch.relevant))))
