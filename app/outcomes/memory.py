"""Which series and band a query was of, for outcomes that come later; and the outcomes counted by them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import groupby
from threading import Lock
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.decode.id_digests import as_numbers, id_digests
from app.model import Outcome, SeriesKey
from app.outcomes.totals import OutcomeCounts, OutcomeTotals, OutcomeValue, complete
from app.tree import Piece, Pieces, Tree, new_stamp

MAX_IDS: Final = 100_000
MEMORY_SECONDS: Final = 3600.0

STAGED_QUERIES: Final = 256
"""Of single events; until then the ids stand in memory as they were sent."""


class Joined(StrEnum):
    """What became of an outcome."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    """The query is known, and all that the outcome says had been said of it before."""
    UNMATCHED = "unmatched"
    """No query of this id is known: never seen, or forgotten."""


class StagedQueries(NamedTuple):
    """Queries of one series as they came."""

    query_ids: Sequence[str | bytes | None]
    """As they were sent, or their digests."""
    secret: bytes
    """What they are to be hashed with."""
    key: SeriesKey
    poor: NDArray[np.bool_]
    now: float


_NAMES: Final = Outcome._fields
_POOR: Final = 1 << len(_NAMES)
"""In a query's state: below it a bit for each of `_NAMES` that was said, above it the number of its series."""

_PURPOSE: Final = b"query_id"

_SPANS: Final = 1024
"""Times are told apart to this share of the memory's length."""


class OutcomeMemory:
    """The queries of the last hour, at most 100,000 of them, as keyed hashes; counts of what came of them.

    Each query counts once for each name of an outcome, whoever says it how often. The oldest query goes first, after
    an hour at the latest and not before 1/1024 of an hour less; so what was said of it may then count anew only if the
    query itself comes anew. A query that comes twice (its vector from one service, its scores from another) stays in
    the series that it came in first, and is poor if it was poor once.

    15 MiB when full and 18 with an outcome for each query, over 1,000,000 ids as over 100,000; ten more for the moment
    in which the table is built anew. 0.2 us an id in batches of hundreds, 1.5 us an outcome. Safe from any thread.

    >>> memory = OutcomeMemory()
    >>> series, ids = SeriesKey("e5", "2", "1", "query"), query_keys(["q1", "q2", None], b"secret")
    >>> memory.remember(ids, series, poor=np.array([True, False, False]), now=0.0)
    >>> memory.join(ids[:1].tolist() * 2 + [5], [Outcome(clicked=True)] * 3, now=60.0)
    [<Joined.COUNTED: 'counted'>, <Joined.DUPLICATE: 'duplicate'>, <Joined.UNMATCHED: 'unmatched'>]
    >>> memory.totals().series[series][OutcomeValue("clicked", True, "poor")]
    1
    """

    def __init__(self, seconds: float = MEMORY_SECONDS, capacity: int = MAX_IDS) -> None:
        self._seconds = seconds
        self._capacity = capacity
        self._lock = Lock()
        self._staged: list[StagedQueries] = []
        self._staged_queries = 0
        self._states: dict[int, int] = {}
        self._order: deque[int] = deque()
        """The keys of `_states`, the oldest first."""
        self._spans: deque[tuple[float, int]] = deque()
        """When the oldest came, and how many of them then; and so on."""
        self._numbers: dict[SeriesKey, int] = {}
        self._series: dict[int, SeriesKey] = {}
        self._next_number = 0
        self._counts: dict[SeriesKey, Counter[OutcomeValue]] = {}
        self._told: dict[SeriesKey, OutcomeCounts] = {}
        """What `totals` says of those of which nothing was counted since."""
        self._unmatched = 0
        self._duplicates = 0
        self._stamp = new_stamp()

    def __len__(self) -> int:
        with self._lock:
            self._catch_up()
            return len(self._states)

    def remember(self, ids: NDArray[np.uint64], key: SeriesKey, poor: NDArray[np.bool_], now: float) -> None:
        """Keep queries of one series, shapes (n,): their `query_keys`, 0 where they have none, and their band."""
        with self._lock:
            self._catch_up()
            self._stamp = new_stamp()
            self._remember(ids, key, poor, now)

    def stage(self, queries: StagedQueries) -> None:
        """Keep queries of one series by their ids as they were sent; hashed some hundred at a time, or when asked for.

        One at a time would cost ten times as much: a hash, and some reads of memory that nothing else needs.
        """
        with self._lock:
            self._staged.append(queries)
            self._staged_queries += len(queries.query_ids)
            if self._staged_queries >= STAGED_QUERIES:
                self._catch_up()

    def join(self, ids: Iterable[int], outcomes: Sequence[Outcome], now: float) -> list[Joined]:
        """Count outcomes by the `query_keys` of their queries, and say what became of each."""
        with self._lock:
            self._catch_up()
            self._stamp = new_stamp()
            self._forget(now)
            return [self._join(identifier, outcome) for identifier, outcome in zip(ids, outcomes, strict=True)]

    def count(self, key: SeriesKey, outcomes: Iterable[Outcome], poor: Iterable[bool]) -> None:
        """Count outcomes that came with their queries, where those have no id to tell duplicates by."""
        with self._lock:
            self._stamp = new_stamp()
            for outcome, is_poor in zip(outcomes, poor, strict=True):
                for name, value in zip(_NAMES, outcome, strict=True):
                    if value is not None:
                        self._add(key, OutcomeValue(name, value, "poor" if is_poor else "normal"))

    def retain(self, is_live: Callable[[SeriesKey], bool]) -> None:
        """Drop the counts of all other series, which are no more: their queries are forgotten.

        It is asked under the lock: a series that has just come is live before its first query is remembered.
        """
        with self._lock:
            self._catch_up()
            for key in [key for key in self._numbers.keys() | self._counts.keys() if not is_live(key)]:
                self._stamp = new_stamp()
                self._counts.pop(key, None)
                self._told.pop(key, None)
                number = self._numbers.pop(key, None)
                if number is not None:
                    del self._series[number]

    def totals(self) -> OutcomeTotals:
        """What was counted so far. A series has every value and band of each outcome that it has one of.

        The counts of a series are the same object as before while nothing was added to them.
        """
        with self._lock:
            for key in self._counts.keys() - self._told.keys():
                self._told[key] = complete(self._counts[key])
            return OutcomeTotals(self._told.copy(), self._unmatched, self._duplicates)

    def freeze(self, pieces: Pieces) -> Tree:
        """What `thaw` takes. Holds the memory for 3 ms where it is full, and has changed."""
        with self._lock:
            self._catch_up()
            if pieces.is_written(self._stamp):
                return {"memory": Piece(self._stamp, None)}
            stamp, states, order = self._stamp, self._states.copy(), self._order.copy()
            tree: Tree = {
                "spans": [list(span) for span in self._spans],
                "series": [[number, list(key)] for number, key in self._series.items()],
                "next_number": self._next_number,
                "counts": [
                    [list(key), [[*value, count] for value, count in counts.items()]]
                    for key, counts in self._counts.items()
                ],
                "totals": [self._unmatched, self._duplicates],
            }
        tree["keys"] = np.fromiter(order, np.uint64, len(order))
        tree["states"] = np.fromiter((states[key] for key in order), np.int64, len(order))
        return {"memory": Piece(stamp, tree)}

    def thaw(self, tree: Tree, *, counters: bool) -> None:
        """Go on, as a memory just made, from what was frozen; without `counters` every count begins at 0."""
        piece: Piece = tree["memory"]
        if piece.tree is None:
            return
        with self._lock:
            self._stamp, tree = piece.stamp, piece.tree
            keys = tree["keys"].tolist()
            self._order.extend(keys)
            self._states.update(zip(keys, tree["states"].tolist(), strict=True))
            self._spans.extend((begun, count) for begun, count in tree["spans"])
            self._series = {number: SeriesKey(*key) for number, key in tree["series"]}
            self._numbers = {key: number for number, key in self._series.items()}
            self._next_number = tree["next_number"]
            for key, counts in tree["counts"]:
                self._counts[SeriesKey(*key)] = Counter(
                    {OutcomeValue(*value): count if counters else 0 for *value, count in counts}
                )
            if counters:
                self._unmatched, self._duplicates = tree["totals"]

    def _catch_up(self) -> None:
        if self._staged:
            self._stamp = new_stamp()
        staged, self._staged, self._staged_queries = self._staged, [], 0
        for (key, secret), group in groupby(staged, key=lambda each: (each.key, each.secret)):
            parts = list(group)
            ids = query_keys([query_id for part in parts for query_id in part.query_ids], secret)
            self._remember(ids, key, np.concatenate([part.poor for part in parts]), parts[-1].now)

    def _remember(self, ids: NDArray[np.uint64], key: SeriesKey, poor: NDArray[np.bool_], now: float) -> None:
        self._forget(now)  # before, or a query that comes again after an hour would go with its own past
        normal, states = self._number(key) * 2 * _POOR, self._states
        bands = [normal + _POOR if is_poor else normal for is_poor in poor.tolist()]
        fresh = dict(zip(ids.tolist(), bands, strict=True))
        if len(fresh) == len(bands) and 0 not in fresh and states.keys().isdisjoint(fresh.keys()):
            # As nearly all are: each asked for once, and not in Python.
            states.update(fresh)
        else:
            fresh = {}
            for identifier, band in zip(ids.tolist(), bands, strict=True):
                if identifier not in states:
                    if identifier:
                        states[identifier] = fresh[identifier] = band
                elif band != normal:
                    states[identifier] |= _POOR
        self._order.extend(fresh)
        self._note(len(fresh), now)
        self._forget(now)

    def _number(self, key: SeriesKey) -> int:
        if key not in self._numbers:
            self._numbers[key], self._series[self._next_number] = self._next_number, key
            self._next_number += 1
        return self._numbers[key]

    def _join(self, identifier: int, outcome: Outcome) -> Joined:
        state = self._states.get(identifier)
        key = None if state is None else self._series.get(state // (2 * _POOR))
        said = [(bit, value) for bit, value in enumerate(outcome) if value is not None]
        if state is None or key is None:
            self._unmatched += len(said)
            return Joined.UNMATCHED
        fresh = [(bit, value) for bit, value in said if not state >> bit & 1]
        self._duplicates += len(said) - len(fresh)
        for bit, value in fresh:
            self._add(key, OutcomeValue(_NAMES[bit], value, "poor" if state & _POOR else "normal"))
            state |= 1 << bit
        self._states[identifier] = state
        return Joined.COUNTED if fresh else Joined.DUPLICATE

    def _add(self, key: SeriesKey, value: OutcomeValue) -> None:
        if key not in self._counts:
            self._counts[key] = Counter()
        self._counts[key][value] += 1
        self._told.pop(key, None)

    def _note(self, count: int, now: float) -> None:
        if self._spans and now - self._spans[-1][0] < self._seconds / _SPANS:
            begun, before = self._spans[-1]
            self._spans[-1] = (begun, before + count)
        elif count:
            self._spans.append((now, count))

    def _forget(self, now: float) -> None:
        spans, order, states = self._spans, self._order, self._states
        while spans:
            begun, count = spans[0]
            going = count if begun + self._seconds <= now else min(count, len(order) - self._capacity)
            if going <= 0:
                return
            for _ in range(going):
                del states[order.popleft()]
            if going == count:
                spans.popleft()
            else:
                spans[0] = (begun, count - going)


def query_digests(query_ids: Sequence[str | bytes | None], secret: bytes) -> list[bytes]:
    """What stands for each query's id: `id_digests`, 0.4 us an id.

    >>> first, none, again = query_digests(["q1", None, "q1"], b"secret")
    >>> first == again != none
    True
    """
    return id_digests(query_ids, secret, _PURPOSE)


def query_keys(query_ids: Sequence[str | bytes | None], secret: bytes) -> NDArray[np.uint64]:
    """`query_digests` as numbers, shape (n,); 0 where there is no id, or an empty one. 0.5 us an id.

    >>> keys = query_keys(["q1", None, "q1", ""], b"secret")
    >>> bool(keys[0] == keys[2] != 0), keys[1], keys[3]
    (True, np.uint64(0), np.uint64(0))
    """
    return as_numbers(query_digests(query_ids, secret))
