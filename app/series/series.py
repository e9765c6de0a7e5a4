"""One series: events are staged, folded into panes a hundred at a time, and read as windows."""

from __future__ import annotations

from threading import Lock
from typing import Final

import numpy as np

from app.model import EventBatch, EventError, SeriesKey, SimilarityMetric, Timing
from app.series.block import Block
from app.series.downtime import Downtime
from app.series.folding import Folding
from app.series.learning import Learned, Material
from app.series.measuring import Yardstick
from app.series.metric import Metric
from app.series.retrieval import WINDOW, RetrievalWindow
from app.series.slices import Slices
from app.series.staging import Room, Staging
from app.series.totals import Totals
from app.series.trailing import Past, TrailingSpans
from app.series.window import Window
from app.sketch import VectorSample
from app.tree import Pieces, Tree
from app.triage import LowMatch

STAGED_EVENTS: Final = 128
"""Folding costs little more for 128 events than for one; more would only hold vectors longer."""

STAGED_NUMBERS: Final = STAGED_EVENTS * 768
"""Staged numbers of vectors at most: 0.4 MB, whatever the length of the vectors that a sender tries."""


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
        self._lock = Lock()
        self._last_arrival = now
        self._retired = False
        self._staged = Staging(Room(STAGED_EVENTS, STAGED_NUMBERS))
        self._folding = Folding(key, now, timing, rng, dimension, slices=slices, secret=secret)
        self._told: Totals | None = None
        """The totals as they were told last; None once something came."""
        self._metric = Metric()
        self._space = self._default_space = key.default_space
        self._downtime = Downtime(timing)
        self._trailing = TrailingSpans()

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
                self._staged.add(batch)
                # While there are votes, request by request: what they judge must not hang on who reads when.
                if self._staged.full or (not self._folding.dimension.settled and batch.vectors.offsets[-1] > 0):
                    self._take(now)
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
        return self._folding.totals.poor_match_limit

    @property
    def first_seen(self) -> float:
        """When it began, in unix seconds."""
        return self._folding.totals.first_seen

    def is_full(self, seconds: float, now: float) -> bool:
        """Whether it is as old as a window of so many seconds, and somebody was there to see nearly all of that."""
        return now - self.first_seen >= seconds and self._downtime.leaves_full(seconds, now)

    @property
    def dimension(self) -> int | None:
        """Length of its vectors; None before the first."""
        return self._folding.dimension.numbers

    @property
    def dimension_settled(self) -> bool:
        """Whether the vectors' length is known for good."""
        return self._folding.dimension.settled

    def totals(self, now: float) -> Totals:
        """What was counted so far, for reading alone; the very object of the last call while nothing came."""
        with self._lock:
            if self._told is None:
                self._fold(now)
                self._folding.totals.dimension = self._folding.dimension.numbers
                self._folding.totals.similarity_metric = self._metric.name
                self._told = self._folding.totals.copy()
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
            return self._trailing.past(self._folding.ladder.panes(len(self._timing.rungs) - 1), seconds, now)

    def sample(self, window: str, now: float) -> VectorSample | None:
        """Sampled vectors of a window that keeps some; None where it saw none."""
        with self._lock:
            self._fold(now)
            recent = self._folding.recent.get(window)
            return None if recent is None else recent.sample(now)

    def retrieval(self, now: float) -> RetrievalWindow:
        """The last hour's queries and results; the caller's own."""
        with self._lock:
            self._fold(now)
            return self._folding.retrieval.window(now)

    def lowest_matches(self, now: float) -> list[LowMatch]:
        """The queries with the lowest similarities of the last five to ten minutes, the lowest first."""
        with self._lock:
            self._fold(now)
            return self._folding.retrieval.lowest(now)

    def window_material(self, window: str, now: float) -> Material:
        """The window as what a baseline is made of; its blocks are the panes of its rung of the ladder."""
        with self._lock:
            self._catch_up(now)
            windows = self._windows()
            level = list(windows).index(window)
            recent = self._folding.recent.get(window)
            return Material(
                started=max(now - windows[window].seconds, self._folding.totals.first_seen),
                whole=windows[window].pane,
                block_seconds=self._timing.rungs[level].pane_seconds,
                blocks=tuple(Block.of(start, pane) for start, pane in self._folding.ladder.panes(level)),
                sample=None if recent is None else recent.sample(now),
                results=self._folding.retrieval.window(now).results if window == WINDOW else None,
            )

    def measure_with(self, yardstick: Yardstick, now: float) -> None:
        """Measure vectors by this baseline from now on; what another one measured is forgotten."""
        with self._lock:
            if not self._folding.comparing.holds(yardstick):
                self._catch_up(now)
                self._folding.measure_with(yardstick, now)

    @property
    def measured_since(self) -> float | None:
        """When its vectors began to be measured in the frame that they are measured in now; None without one."""
        measuring = self._folding.comparing.measuring
        return None if measuring is None else measuring.began

    @property
    def measured(self) -> tuple[int, int]:
        """How many vectors were measured in the frame, of how many that came."""
        with self._lock:
            return self._folding.comparing.measured

    def learned(self) -> Learned | None:
        """How far the learning of a baseline has come; None once it has stopped."""
        with self._lock:
            each = self._folding.learning
            if each is None:
                return None
            return Learned(each.started + each.paused_seconds, each.whole.events, len(each.blocks))

    def learned_material(self, now: float) -> Material | None:
        """What was learned so far, as the caller's own; None once learning has stopped."""
        with self._lock:
            self._catch_up(now)
            return None if self._folding.learning is None else self._folding.learning.material()

    def stop_learning(self) -> None:
        """Free what was kept for learning: the series has its baseline."""
        with self._lock:
            self._folding.learning = None

    def restart_learning(self, now: float) -> None:
        """Learn a baseline from now on."""
        with self._lock:
            self._fold(now)
            self._folding.learn(now)

    def set_poor_match_limit(self, limit: float | None) -> None:
        """Judge matches from now on by this limit; what came before is judged by the one that was in force."""
        with self._lock:
            if limit != self._folding.totals.poor_match_limit:
                self._fold(self._last_arrival)
                self._told = None
                self._folding.totals.set_poor_match_limit(limit)

    def restart_counters(self) -> None:
        """Begin every count at 0."""
        with self._lock:
            self._fold(self._last_arrival)
            self._folding.totals, self._told = self._folding.totals.restarted(), None

    def freeze(self, pieces: Pieces, now: float) -> Tree:
        """What `thaw` takes.

        Holds a full series for 2.1 ms where all its panes are to be written, and 0.4 ms where 256 events came since
        they were (`make bench ARGS=state`).

        Not of it: the vectors of inputs that came in the last minutes, which a few minutes bring again.
        """
        with self._lock:
            self._catch_up(now)
            return {
                "saved": now,
                "last_arrival": self._last_arrival,
                "space": self._space,
                "metric": self._metric.freeze(),
                "downtime": self._downtime.freeze(),
                **self._folding.freeze(pieces),
            }

    def thaw(self, tree: Tree, now: float, *, counters: bool) -> int:
        """Go on, as a series just made, from what was frozen; how many panes of it are lost.

        `counters` is as for `Totals.thaw`. Until `measure_with` is told of the same baseline nothing is measured.
        """
        with self._lock:
            away = max(0.0, now - tree["saved"])
            # That nobody was there to see its traffic does not make a series idle.
            self._last_arrival = tree["last_arrival"] + away
            self._space = tree["space"]
            self._metric.thaw(tree["metric"])
            self._downtime.thaw(tree["downtime"])
            self._downtime.add(tree["saved"], now)
            return self._folding.thaw(tree, away, counters=counters)

    def nbytes(self) -> dict[str, int]:
        """Bytes by part, as the tables of docs/performance.md have them."""
        with self._lock:
            parts = self._folding.nbytes
            return parts | {"staged events": parts["staged events"] + self._staged.nbytes}

    def _catch_up(self, now: float) -> None:
        """All that came is in its pane, and every pane on its rung."""
        self._fold(now)
        self._folding.ladder.advance(now)
        self._folding.measure(now)

    def _windows(self) -> dict[str, Window]:
        panes = self._folding.ladder.windows(len(self._timing.windows))
        return {
            name: Window(name, seconds, pane)
            for (name, seconds), pane in zip(self._timing.windows.items(), panes, strict=True)
        }

    def _fold(self, now: float) -> None:
        """All that came is in totals, panes and samples."""
        self._take(now)
        self._folding.count()

    def _take(self, now: float) -> None:
        joined = self._staged.batches > 1
        batch = self._staged.take()
        if batch is not None:
            self._folding.take(batch, now, joined=joined)
