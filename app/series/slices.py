"""Slices of the traffic, beside the series that hold all of it: what is cheap to keep of each value of a label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.distribution import Distribution
from app.drift.sums import NOVELTY_LEVELS
from app.model import EventBatch
from app.signals import top1_similarity
from app.sketch import QuantileSketch
from app.sketch.label_counts import MAX_VALUES, OTHER_VALUE
from app.tree import Tree

MINIMUM_EVENTS: Final = 100
"""A slice with fewer in the last hour has no median and no shares."""

UNUSUAL_LEVEL: Final = 0.05
"""Share of a baseline's own vectors that are called unusual: those below its novelty quantile of that level."""
UNUSUAL: Final = NOVELTY_LEVELS.index(UNUSUAL_LEVEL)

_SLICE_NBYTES: Final = 1000
"""Objects and numbers of one slice without its sketches."""

Labels = Sequence[Mapping[str, str] | None]
Pair = tuple[str, str]
"""Label and value."""


@dataclass(frozen=True, slots=True)
class SliceView:
    """One slice of the traffic of a model, over all its versions."""

    label: str
    value: str
    events: int
    queries: int | None
    """Whose match was judged: they did not fail, and it was known what is poor. None until then, as below."""
    poor_matches: int | None
    recent_queries: int
    """The same of the last one to two hours, as all below."""
    recent_poor_matches: int
    top1: Distribution | None
    measured: int
    unusual: int
    """Of the measured vectors."""

    @property
    def top1_median(self) -> float | None:
        """None of fewer than `MINIMUM_EVENTS`."""
        return None if self.top1 is None or self.top1.n < MINIMUM_EVENTS else float(self.top1.quantile(0.5))

    @property
    def poor_match_ratio(self) -> float | None:
        """Share of the judged queries of the last hours; None of fewer than `MINIMUM_EVENTS`."""
        enough = self.recent_queries >= MINIMUM_EVENTS
        return self.recent_poor_matches / self.recent_queries if enough else None

    @property
    def ood_excess_ratio(self) -> float | None:
        """Share of unusual vectors less the baseline's 5 %; None of fewer than `MINIMUM_EVENTS` measured ones."""
        return self.unusual / self.measured - UNUSUAL_LEVEL if self.measured >= MINIMUM_EVENTS else None


class _Block:
    """What came within one hour."""

    __slots__ = ("measured", "poor", "queries", "top1", "unusual")

    def __init__(self) -> None:
        self.queries = 0
        self.poor = 0
        self.measured = 0
        self.unusual = 0
        self.top1 = QuantileSketch()

    def freeze(self) -> Tree:
        return {"counts": [self.queries, self.poor, self.measured, self.unusual], "top1": self.top1.freeze()}

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        thawed = cls()
        thawed.queries, thawed.poor, thawed.measured, thawed.unusual = tree["counts"]
        thawed.top1 = QuantileSketch.thaw(tree["top1"])
        return thawed


class _Slice:
    """One value of a label: counts for ever, and the present hour and the one before."""

    __slots__ = ("_before", "_hour", "_present", "events", "poor", "queries")

    def __init__(self) -> None:
        self.events = 0
        self.queries: int | None = None
        self.poor: int | None = None
        self._hour = 0
        self._present, self._before = _Block(), _Block()

    def block(self, hour: int) -> _Block:
        """The block of the present hour; those that are over go."""
        if hour > self._hour:
            self._before = self._present if hour == self._hour + 1 else _Block()
            self._present, self._hour = _Block(), hour
        return self._present

    def judge(self, queries: int, poor: int, block: _Block) -> None:
        """Count queries whose match was judged."""
        self.queries = (self.queries or 0) + queries
        self.poor = (self.poor or 0) + poor
        block.queries += queries
        block.poor += poor

    def view(self, pair: Pair, hour: int) -> SliceView:
        """As of this hour."""
        parts = (self.block(hour), self._before)
        top1 = QuantileSketch()
        for part in parts:
            if part.top1.n:
                top1.merge(part.top1)
        return SliceView(
            *pair,
            events=self.events,
            queries=self.queries,
            poor_matches=self.poor,
            recent_queries=sum(part.queries for part in parts),
            recent_poor_matches=sum(part.poor for part in parts),
            top1=top1.distribution() if top1.n else None,
            measured=sum(part.measured for part in parts),
            unusual=sum(part.unusual for part in parts),
        )

    def freeze(self) -> Tree:
        return {
            "counts": [self.events, self.queries, self.poor],
            "hour": self._hour,
            "blocks": [self._before.freeze(), self._present.freeze()],
        }

    @classmethod
    def thaw(cls, tree: Tree, *, counters: bool) -> Self:
        thawed = cls()
        if counters:
            thawed.events, thawed.queries, thawed.poor = tree["counts"]
        else:
            _, queries, poor = tree["counts"]
            thawed.queries, thawed.poor = None if queries is None else 0, None if poor is None else 0
        thawed._hour = tree["hour"]
        thawed._before, thawed._present = (_Block.thaw(each) for each in tree["blocks"])
        return thawed

    @property
    def nbytes(self) -> int:
        """Bytes, rather too many."""
        return _SLICE_NBYTES + self._present.top1.nbytes + self._before.top1.nbytes


class Slices:
    """The slices of one model and kind, fed by the series of all its versions. Safe from any thread.

    The first 31 values of a label that come are told apart, all others are its value `other`: 6 kB a value.
    """

    def __init__(self, hour_seconds: float) -> None:
        self._hour_seconds = hour_seconds
        self._lock = Lock()
        self._slices: dict[Pair, _Slice] = {}
        self._values: Counter[str] = Counter()

    def add(self, batch: EventBatch, poor_match_limit: float | None, now: float) -> None:
        """Count the events of a batch by their slice labels. Some 15 us a value in it."""
        if batch.labels is None:
            return
        top1 = top1_similarity(batch)
        judged = batch.query & ~batch.failed
        poor = batch.empty if poor_match_limit is None else batch.empty | (judged & (top1 < poor_match_limit))
        scored = np.isfinite(top1)
        with self._lock:
            for pair, rows in self._by_slice(batch.labels):
                each = self._slices[pair]
                block = each.block(self._hour(now))
                each.events += len(rows)
                if poor_match_limit is not None:
                    each.judge(int(np.count_nonzero(judged[rows])), int(np.count_nonzero(poor[rows])), block)
                block.top1.update(top1[rows[scored[rows]]])

    def add_measured(self, labels: Labels, unusual: NDArray[np.bool_], now: float) -> None:
        """Count vectors that were measured in the frame of their series, by the labels of each; shape (n,)."""
        with self._lock:
            for pair, rows in self._by_slice(labels):
                block = self._slices[pair].block(self._hour(now))
                block.measured += len(rows)
                block.unusual += int(np.count_nonzero(unusual[rows]))

    def views(self, now: float) -> list[SliceView]:
        """Every slice, by label and value."""
        with self._lock:
            return [each.view(pair, self._hour(now)) for pair, each in sorted(self._slices.items())]

    def freeze(self) -> Tree:
        """What `thaw` takes. 1.3 us a slice."""
        with self._lock:
            return {"slices": [[*pair, each.freeze()] for pair, each in self._slices.items()]}

    def thaw(self, tree: Tree, *, counters: bool) -> None:
        """Go on from what was frozen; without `counters` what is counted for ever begins at 0."""
        for name, value, frozen in tree["slices"]:
            self._slices[name, value] = _Slice.thaw(frozen, counters=counters)
            self._values[name] += 1

    @property
    def nbytes(self) -> int:
        """Bytes, rather too many."""
        with self._lock:
            return sum(each.nbytes for each in self._slices.values())

    def _hour(self, now: float) -> int:
        return int(now // self._hour_seconds)

    def _by_slice(self, labels: Labels) -> Iterator[tuple[Pair, NDArray[np.intp]]]:
        """Yield each slice of the events, which is there from now on, with their positions."""
        members: dict[Pair, list[int]] = defaultdict(list)
        for position, each in enumerate(labels):
            for pair in each.items() if each else ():
                members[self._place(pair)].append(position)
        for pair, positions in members.items():
            yield pair, np.array(positions, np.intp)

    def _place(self, pair: Pair) -> Pair:
        if pair in self._slices:
            return pair
        name, value = pair
        if value != OTHER_VALUE and self._values[name] >= MAX_VALUES - 1:
            return self._place((name, OTHER_VALUE))
        self._slices[pair] = _Slice()
        self._values[name] += 1
        return pair
