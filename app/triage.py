"""The queries that matched worst: where a person begins to look, without a text or a vector among them."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.model import Floats
from app.tree import Tree

CAPACITY: Final = 50
"""Queries that are kept of one span of time."""

SPAN_SECONDS: Final = 300.0

MAX_RESULTS: Final = 10
"""Results that are told of each query."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is told of one query beside its similarity and its input, as its sender named it; None where it did not."""

    timestamp: float
    query_id: str | None
    trace_id: str | None
    ids: tuple[str, ...]
    """Of the results, best first."""
    scores: tuple[float, ...]
    """Similarities of the results."""


@dataclass(frozen=True, slots=True)
class LowMatch:
    """A query with a low similarity of its best result; all that is told of it."""

    similarity: float
    timestamp: float
    query_id: str | None
    trace_id: str | None
    input_hash: str | None
    """The keyed hash of its input, as 16 hexadecimal digits: equal for equal inputs."""
    ids: tuple[str, ...]
    """Of the first ten results."""
    scores: tuple[float, ...]
    """Of the first ten results."""


class LowestSimilarity:
    """The 50 queries with the lowest similarity in the current span of five minutes, and those of the span before.

    An input comes once in a span, with the first of its queries that was low enough: one query that is asked all day
    would else be all there is to see. Once 50 are there, a batch costs one comparison an event, and only those below
    the highest of the 50 are looked at.

    At most 100 rows, some 1.2 KiB each with ten ids: 120 KiB, or 400 KiB where all ids have 256 bytes.

    >>> lowest = LowestSimilarity(capacity=2)
    >>> query = Query(0.0, "q1", None, ("doc-1",), (0.3,))
    >>> lowest.update(np.array([0.5, 0.3, np.nan, 0.4]), None, lambda position: query, now=0.0)
    >>> [row.similarity for row in lowest.rows(now=1.0)]
    [0.3, 0.4]
    """

    def __init__(self, capacity: int = CAPACITY, span_seconds: float = SPAN_SECONDS) -> None:
        self._capacity = capacity
        self._span_seconds = span_seconds
        self._span = -math.inf
        self._rows: list[LowMatch] = []
        """By similarity, the lowest first."""
        self._inputs: set[int] = set()
        self._before: list[LowMatch] = []

    def update(
        self, similarity: Floats, inputs: NDArray[np.uint64] | None, describe: Callable[[int], Query], now: float
    ) -> None:
        """Add queries: the similarity of each best result (NaN where there is none) and the keyed hash of its input.

        Shapes (n,); 0 is no input, None where no query has one. `describe` is asked for the few that are kept, by their
        position.
        """
        self._turn(now)
        if len(self._rows) == self._capacity:
            low = np.flatnonzero(similarity < self._rows[-1].similarity)
        else:
            low = np.flatnonzero(np.isfinite(similarity))
        if low.size:
            low = low[np.argsort(similarity[low], kind="stable")]
            self._enter(low.tolist(), similarity, inputs, describe)

    def rows(self, now: float) -> list[LowMatch]:
        """The rows of the current span and the one before, the lowest similarity first; an input may be in both."""
        self._turn(now)
        return sorted([*self._rows, *self._before], key=attrgetter("similarity"))

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {
            "span": self._span,
            "rows": [_listed(row) for row in self._rows],
            "before": list(map(_listed, self._before)),
        }

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen."""
        self._span = tree["span"]
        self._rows, self._before = list(map(_from_list, tree["rows"])), list(map(_from_list, tree["before"]))
        self._inputs = {int(row.input_hash, 16) for row in self._rows if row.input_hash is not None}

    def _enter(
        self,
        positions: list[int],
        similarity: Floats,
        inputs: NDArray[np.uint64] | None,
        describe: Callable[[int], Query],
    ) -> None:
        for position in positions:
            value = float(similarity[position])
            if len(self._rows) == self._capacity and value >= self._rows[-1].similarity:
                return
            key = 0 if inputs is None else int(inputs[position])
            if key in self._inputs:
                continue
            input_hash = f"{key:016x}" if key else None
            insort(self._rows, _row(value, input_hash, describe(position)), key=attrgetter("similarity"))
            if key:
                self._inputs.add(key)
            if len(self._rows) > self._capacity:
                gone = self._rows.pop().input_hash
                if gone is not None:
                    self._inputs.discard(int(gone, 16))

    def _turn(self, now: float) -> None:
        span = now // self._span_seconds
        if span > self._span:
            self._before = self._rows if span == self._span + 1 else []
            self._span, self._rows, self._inputs = span, [], set()


def _listed(row: LowMatch) -> list[object]:
    return [
        row.similarity,
        row.timestamp,
        row.query_id,
        row.trace_id,
        row.input_hash,
        list(row.ids),
        list(row.scores),
    ]


def _from_list(listed: list[Any]) -> LowMatch:
    similarity, timestamp, query_id, trace_id, input_hash, ids, scores = listed
    return LowMatch(similarity, timestamp, query_id, trace_id, input_hash, tuple(ids), tuple(scores))


def _row(similarity: float, input_hash: str | None, query: Query) -> LowMatch:
    return LowMatch(
        similarity,
        query.timestamp,
        query.query_id,
        query.trace_id,
        input_hash,
        query.ids[:MAX_RESULTS],
        query.scores[:MAX_RESULTS],
    )
