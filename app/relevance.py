"""How well results match what is known to be relevant: the measures of labelled queries, as sums that add up."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.model import Floats, Ragged, add_in_order
from app.tree import Tree

RELEVANCE_K: Final = (1, 10)
"""The ranks down to which measures look."""


class Judged(NamedTuple):
    """The measures of each labelled query, q of them, at each k of `ks`, c of them; all from 0 to 1."""

    hit: Floats
    """1 where a relevant document is among the first k, else 0; shape (q, c)."""
    recall: Floats
    """Share of the relevant documents that is among the first k; shape (q, c)."""
    precision: Floats
    """Share of the first k that is relevant; NaN where fewer than k documents are relevant at all; shape (q, c)."""
    ndcg: Floats
    """Discounted gain of the first k over that of the best possible order; shape (q, c)."""
    reciprocal_rank: Floats
    """1 / rank of the first relevant document, 0 where there is none; shape (q,)."""


def judge(results: Ragged, relevant: Ragged, grades: Floats, ks: tuple[int, ...] = RELEVANCE_K) -> Judged:
    """The measures of the labelled queries among n queries, in their order.

    `results` holds the ids of each query's results, best first, and `relevant` those of its relevant documents, both as
    hashes (uint64); `grades` says beside `relevant.values` how relevant each is: finite, 1 where senders tell none.
    A document of grade 0 or less is not relevant, and a query without a relevant document is not labelled. A document
    twice among the results counts at its first place, and the ranks after it close up; twice among the relevant ones it
    has its higher grade.

    nDCG takes gains of 2^grade - 1 and discounts of 1 / log2(rank + 1) (Burges et al. 2005, after Jarvelin and
    Kekalainen 2002, doi 10.1145/582415.582418); the best possible order is that of all relevant documents.
    O(m log m) for m ids: 1 us a query of ten results in batches of hundreds, 0.1 ms for any batch.

    >>> results = Ragged(np.array([5, 7, 9, 3], np.uint64), np.array([0, 3, 4]))
    >>> relevant = Ragged(np.array([7, 8], np.uint64), np.array([0, 2, 2]))
    >>> judged = judge(results, relevant, np.array([1.0, 1.0]))
    >>> judged.hit.tolist(), judged.recall.tolist(), judged.precision.tolist(), judged.reciprocal_rank.tolist()
    ([[0.0, 1.0]], [[0.0, 0.5]], [[0.0, nan]], [0.5])
    >>> judged.ndcg.round(3).tolist()
    [[0.0, 0.387]]
    """
    labelled = np.flatnonzero(np.bincount(_rows(relevant)[grades > 0], minlength=relevant.lengths.size))
    results, relevant, grades = (
        results.take(labelled),
        relevant.take(labelled),
        np.asarray(Ragged(grades, relevant.offsets).take(labelled).values, np.float64),
    )
    of_relevant, of_results = _pairs(relevant, results)
    wanted = _wanted(of_relevant, _rows(relevant), grades)
    found = _found(wanted, of_results, results)
    return _measures(wanted, found, labelled.size, np.array(ks))


class _Documents(NamedTuple):
    """Documents that count for their query, each once a query; columns of one length."""

    row: NDArray[np.intp]
    """The query."""
    gain: Floats
    """2^grade - 1, over 2^(highest grade of the query): grades of thousands would overflow, and only ratios matter."""
    rank: NDArray[np.intp]
    """From 1: among the results, or in the best possible order."""


class _Wanted(NamedTuple):
    """The relevant documents in the best possible order, and how to find them."""

    best: _Documents
    pairs: NDArray[np.intp]
    """Which document of which query, ascending."""
    position: NDArray[np.intp]
    """Of each of `pairs`, where it stands in `best`."""


def _rows(ragged: Ragged) -> NDArray[np.intp]:
    return np.repeat(np.arange(ragged.lengths.size), ragged.lengths)


def _pairs(relevant: Ragged, results: Ragged) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """A number for each query and document, the same on both sides."""
    ids = np.concatenate((np.asarray(relevant.values, np.uint64), np.asarray(results.values, np.uint64)))
    distinct, document = np.unique(ids, return_inverse=True)
    pairs = np.concatenate((_rows(relevant), _rows(results))) * distinct.size + document
    return pairs[: relevant.values.size], pairs[relevant.values.size :]


def _wanted(pairs: NDArray[np.intp], rows: NDArray[np.intp], grades: Floats) -> _Wanted:
    """The relevant documents: grades above 0, of repeated ones the highest."""
    order = np.lexsort((pairs, -grades, rows))
    order = order[grades[order] > 0]
    _, first = np.unique(pairs[order], return_index=True)
    order = order[np.sort(first)]
    pairs, rows, grades = pairs[order], rows[order], grades[order]
    rank = _ranks(rows)
    highest = grades[rank == 1][rows]
    gain = -np.expm1(-grades * np.log(2)) * np.exp2(grades - highest)
    position = np.argsort(pairs)
    return _Wanted(_Documents(rows, gain, rank), pairs[position], position)


def _found(wanted: _Wanted, pairs: NDArray[np.intp], results: Ragged) -> _Documents:
    """The relevant documents among the results, at their first places."""
    first = np.sort(np.unique(pairs, return_index=True)[1])
    pairs, rank = pairs[first], _ranks(_rows(results)[first])
    at = np.searchsorted(wanted.pairs, pairs)
    at[at == wanted.pairs.size] = 0
    there = np.flatnonzero(wanted.pairs[at] == pairs) if wanted.pairs.size else np.empty(0, np.intp)
    best = wanted.position[at[there]]
    return _Documents(wanted.best.row[best], wanted.best.gain[best], rank[there])


def _ranks(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """1, 2, 3 ... within each row, for ascending rows."""
    return np.arange(1, rows.size + 1) - np.searchsorted(rows, rows)


def _measures(wanted: _Wanted, found: _Documents, queries: int, ks: NDArray[np.intp]) -> Judged:
    hits = _sums(found, np.ones(found.row.size), queries, ks)
    relevant = np.bincount(wanted.best.row, minlength=queries)[:, None]
    first = np.full(queries, np.inf)
    np.minimum.at(first, found.row, found.rank)
    best = wanted.best
    return Judged(
        hit=(hits > 0).astype(np.float64),
        recall=hits / relevant,
        precision=np.where(relevant >= ks, hits / ks, np.nan),
        ndcg=_sums(found, _discounted(found), queries, ks) / _sums(best, _discounted(best), queries, ks),
        reciprocal_rank=1 / first,
    )


def _discounted(documents: _Documents) -> Floats:
    return documents.gain / np.log2(documents.rank + 1)


def _sums(documents: _Documents, values: Floats, queries: int, ks: NDArray[np.intp]) -> Floats:
    """The sums of the values for each query down to each k."""
    return np.stack([np.bincount(documents.row, values * (documents.rank <= k), minlength=queries) for k in ks], axis=1)


def _add_rows(totals: Floats, rows: Floats) -> Floats:
    """Sums of columns, row after row, as `add_in_order`; shapes (c,) and (n, c)."""
    return np.asarray(np.add.accumulate(np.vstack((totals, rows)), axis=0)[-1])


@dataclass(slots=True)
class RelevanceSums:
    """The measures of labelled queries, summed: sums of parts, of replicas and of spans of time add up to the whole's.

    The mean of a measure is its sum over the labelled queries; for precision, over `precision_queries`.

    >>> results = Ragged(np.array([5, 7], np.uint64), np.array([0, 2]))
    >>> relevant = Ragged(np.array([7], np.uint64), np.array([0, 1]))
    >>> sums = RelevanceSums()
    >>> sums.add(judge(results, relevant, np.ones(1)))
    >>> sums.add(judge(results, results, np.ones(2)))
    >>> sums.queries, sums.hits.tolist(), sums.recall.tolist(), sums.precision_queries.tolist(), sums.reciprocal_rank
    (2, [1.0, 2.0], [0.5, 2.0], [2, 0], 1.5)
    """

    ks: tuple[int, ...] = RELEVANCE_K
    queries: int = 0
    """Labelled ones."""
    reciprocal_rank: float = 0.0
    hits: Floats = field(init=False)
    """Like the rest one number for each of `ks`."""
    recall: Floats = field(init=False)
    precision: Floats = field(init=False)
    precision_queries: NDArray[np.int64] = field(init=False)
    """Labelled queries with at least k relevant documents."""
    ndcg: Floats = field(init=False)

    def __post_init__(self) -> None:
        zeros = np.zeros(len(self.ks))
        self.hits, self.recall, self.precision, self.ndcg = zeros, zeros, zeros, zeros
        self.precision_queries = np.zeros(len(self.ks), np.int64)

    def add(self, judged: Judged) -> None:
        """Count the labelled queries of a batch, judged at the same `ks`."""
        counted = np.isfinite(judged.precision)
        # Not in place: who holds an array of before keeps what it read.
        self.queries += judged.reciprocal_rank.size
        self.reciprocal_rank = add_in_order(self.reciprocal_rank, judged.reciprocal_rank)
        self.hits = self.hits + judged.hit.sum(axis=0)
        self.recall = _add_rows(self.recall, judged.recall)
        self.precision = _add_rows(self.precision, np.where(counted, judged.precision, 0.0))
        self.precision_queries = self.precision_queries + np.count_nonzero(counted, axis=0)
        self.ndcg = _add_rows(self.ndcg, judged.ndcg)

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "ks"}

    @classmethod
    def thaw(cls, tree: Tree) -> Self:
        """The sums that were frozen, at the same `ks`."""
        thawed = cls()
        for name, value in tree.items():
            setattr(thawed, name, value)
        return thawed

    def merge(self, other: Self) -> None:
        """Add the sums of `other`, of the same `ks`."""
        self.queries += other.queries
        self.reciprocal_rank += other.reciprocal_rank
        self.hits = self.hits + other.hits
        self.recall = self.recall + other.recall
        self.precision = self.precision + other.precision
        self.precision_queries = self.precision_queries + other.precision_queries
        self.ndcg = self.ndcg + other.ndcg
