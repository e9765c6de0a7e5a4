"""Labelled queries: each measure against its definition written out, and sums that add up."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model import Ragged
from app.relevance import RelevanceSums, judge

KS = (1, 3, 10)


def ragged(rows):
    offsets = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.intp)
    return Ragged(np.array([each for row in rows for each in row], np.uint64), offsets)


def judged(results, labels, ks=KS):
    """`labels` holds for each query pairs of an id and its grade."""
    grades = np.array([grade for row in labels for _, grade in row], np.float64)
    return judge(ragged(results), ragged([[each for each, _ in row] for row in labels]), grades, ks)


def by_hand(result, label, ks=KS):
    """The measures of one query from their definitions, None where it is not labelled."""
    graded = {}
    for document, grade in label:
        if grade > 0:
            graded[document] = max(grade, graded.get(document, 0))
    if not graded:
        return None
    ranked = list(dict.fromkeys(result))
    ranks = [rank for rank, document in enumerate(ranked, 1) if document in graded]
    best = sorted(graded.values(), reverse=True)
    rows = []
    for k in ks:
        top = [document for document in ranked[:k] if document in graded]
        gained = sum((2 ** graded[d] - 1) / math.log2(r + 1) for r, d in enumerate(ranked[:k], 1) if d in graded)
        ideal = sum((2**grade - 1) / math.log2(r + 1) for r, grade in enumerate(best[:k], 1))
        precision = len(top) / k if len(graded) >= k else math.nan
        rows.append((float(bool(top)), len(top) / len(graded), precision, gained / ideal))
    return rows, 1 / ranks[0] if ranks else 0.0


documents = st.integers(1, 15)
queries = st.lists(
    st.tuples(
        st.lists(documents, max_size=14),
        st.lists(st.tuples(documents, st.sampled_from([0.0, -1.0, 0.5, 1.0, 2.0, 3.0])), max_size=14),
    ),
    max_size=6,
)


@given(queries)
def test_every_measure_is_what_its_definition_says(stream):
    """Rankings and labels with repeated ids, grades of 0 and less, empty rows, more and fewer than k of both."""
    expected = [found for found in (by_hand(result, label) for result, label in stream) if found is not None]
    measured = judged([result for result, _ in stream], [label for _, label in stream])

    assert len(expected) == len(measured.reciprocal_rank)
    for i, (rows, reciprocal_rank) in enumerate(expected):
        assert pytest.approx(reciprocal_rank) == measured.reciprocal_rank[i]
        for j, row in enumerate(rows):
            of_query = (measured.hit[i, j], measured.recall[i, j], measured.precision[i, j], measured.ndcg[i, j])
            assert pytest.approx(row, nan_ok=True) == of_query


@given(queries, queries)
def test_sums_of_parts_are_the_sums_of_the_whole(first, second):
    """Added batch by batch, merged, or all at once."""

    def summed(*parts):
        sums = RelevanceSums(KS)
        for part in parts:
            sums.add(judged([result for result, _ in part], [label for _, label in part]))
        return sums

    merged = summed(first)
    merged.merge(summed(second))

    for sums in (merged, summed(first, second)):
        whole = summed(first + second)
        assert (whole.queries, whole.precision_queries.tolist()) == (sums.queries, sums.precision_queries.tolist())
        assert pytest.approx(whole.reciprocal_rank) == sums.reciprocal_rank
        for name in ("hits", "recall", "precision", "ndcg"):
            assert pytest.approx(getattr(whole, name)) == getattr(sums, name)


def test_precision_counts_only_queries_that_could_have_it():
    """With one relevant document precision at 10 could not pass 0.1: the query is left out of it, and only of it."""
    sums = RelevanceSums((1, 10))
    sums.add(judged([[1, 2, 3], list(range(1, 11))], [[(2, 1)], [(d, 1) for d in range(3, 14)]], (1, 10)))

    assert 2 == sums.queries
    assert [2, 1] == sums.precision_queries.tolist()
    assert [0.0, 0.8] == sums.precision.tolist()
    assert pytest.approx([0, 1 + 8 / 11]) == sums.recall.tolist()


def test_a_document_twice_in_a_ranking_counts_once():
    """At its first place; the ranks after it close up, so a ranking of one document repeated has one hit."""
    measured = judged([[4, 4, 9]], [[(4, 1), (9, 1)]], (2,))

    assert [1.0] == measured.recall[0].tolist()
    assert [1.0] == measured.ndcg[0].tolist()


def test_the_best_order_of_grades_has_an_ndcg_of_one_and_any_other_less():
    """Burges et al. 2005: gains 2^grade - 1, discounts 1 / log2(rank + 1)."""
    labels = [[(1, 3), (2, 2), (3, 1)]] * 2
    measured = judged([[1, 2, 3], [3, 2, 1]], labels, (3,))

    assert pytest.approx(1.0) == measured.ndcg[0, 0]
    assert pytest.approx((1 + 3 / math.log2(3) + 7 / 2) / (7 + 3 / math.log2(3) + 1 / 2)) == measured.ndcg[1, 0]


def test_grades_of_thousands_do_not_overflow():
    """A sender may grade from 0 to 5000: the lesser document's gain is next to nothing, and nothing is NaN."""
    measured = judged([[2, 1]], [[(1, 5000.0), (2, 4000.0)]], (1, 2))

    assert pytest.approx([0.0, 1 / math.log2(3)]) == measured.ndcg[0].tolist()


def test_an_empty_result_finds_nothing_and_is_labelled():
    """Recall falls when a search finds nothing at all."""
    measured = judged([[]], [[(1, 1)]])

    assert [0.0] * 3 == measured.recall[0].tolist() == measured.hit[0].tolist() == measured.ndcg[0].tolist()
    assert [0.0] == measured.reciprocal_rank.tolist()


def test_a_batch_without_labels_adds_nothing():
    """Nor does a batch of no events."""
    sums = RelevanceSums()
    sums.add(judged([[1, 2], [3]], [[], []], sums.ks))
    sums.add(judged([], [], sums.ks))

    assert (0, 0.0, [0.0, 0.0]) == (sums.queries, sums.reciprocal_rank, sums.ndcg.tolist())


def test_hashes_above_the_range_of_signed_integers_are_told_apart():
    """Keyed hashes use all 64 bits: float64 would take neighbours for one another."""
    high = 2**64 - 2
    measured = judged([[high, high + 1]], [[(high + 1, 1)]], (1, 2))

    assert [0.0, 1.0] == measured.hit[0].tolist()
