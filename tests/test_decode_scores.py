"""Scores: similarities in their metric's range and order, or refused with what would be right."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decode import Limits, decode
from app.decode.number_rows import ragged
from app.decode.scores import SCALES, similarities
from app.model import METRICS, Reason, SimilarityMetric

LIMITS = Limits()


def side_by_side(rows):
    rows = [np.array(row, np.float64) for row in rows]
    return ragged(np.concatenate([np.empty(0), *rows]), [len(row) for row in rows])


def run(*events, limits=LIMITS):
    body = json.dumps([{"model": "e5"} | event for event in events]).encode()
    return decode("application/json", None, body, limits, 0.0)


def refusal(**fields):
    decoded = run(fields, {"scores": [0.9, 0.1]})
    assert [1] == decoded.batch.index.tolist()
    assert [0.9, 0.1] == decoded.batch.scores.values.tolist()
    (error,) = decoded.errors
    assert ("scores", Reason.SCORES) == (error.field, error.reason)
    return error.message


every = pytest.mark.parametrize("metric", SimilarityMetric)


def test_every_metric_has_its_scale():
    """A new metric needs an entry."""
    assert set(SimilarityMetric) == set(SCALES)


@pytest.mark.parametrize(
    ("metric", "scores", "expected"),
    [
        ("cosine", [1.0005, 0.5, -1.0005], [1.0, 0.5, -1.0]),
        ("dot", [310.5, 2, -7], [310.5, 2, -7]),
        ("l2", [0, 1, math.sqrt(2), 2], [1, 0.5, 0, -1]),
        ("l2_squared", [0, 1, 2, 4], [1, 0.5, 0, -1]),
        ("other", [1, 5, -3], [1, 5, -3]),
    ],
)
def test_scores_become_similarities(metric, scores, expected):
    """Distances of unit vectors become their cosines; the rest is kept."""
    batch = run({"scores": scores, "similarity_metric": metric}).batch

    assert expected == pytest.approx(batch.scores.values.tolist())
    assert [metric] == [METRICS[i] for i in batch.metric]


def test_distances_of_unit_vectors_become_their_cosines():
    """Against the vectors themselves."""
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(20, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = np.sort(np.linalg.norm(vectors - vectors[0], axis=1))

    cosines = np.sort(vectors @ vectors[0])[::-1]
    for metric, scores in (("l2", distances), ("l2_squared", distances**2)):
        values = run({"scores": scores.tolist(), "similarity_metric": metric}).batch.scores.values
        np.testing.assert_allclose(values, cosines, atol=1e-12)


@pytest.mark.parametrize(
    ("metric", "scores", "hint"),
    [
        ("cosine", [1.01], "between -1 and 1"),
        ("cosine", [0.5, -1.01], "between -1 and 1"),
        ("cosine", [87.0, 12.5], "set similarity_metric to dot"),
        ("l2", [-0.1, 0.3], "not negative"),
        ("l2_squared", [-0.1, 0.3], "not negative"),
        ("cosine", [0.1, 0.9], "for cosine the highest similarity first"),
        ("dot", [1, 5], "for dot the highest product first"),
        ("l2", [0.9, 0.1], "for l2 the smallest distance first"),
        ("l2_squared", [0.9, 0.1], "for l2_squared the smallest distance first"),
        *((metric, [value], "must") for metric in SimilarityMetric for value in (math.nan, math.inf, -math.inf, 1e200)),
        *((metric, [0.5, math.nan, 0.5], "must") for metric in SimilarityMetric),
    ],
)
def test_scores_out_of_range_or_order_are_refused_with_what_would_be_right(metric, scores, hint):
    """A swapped order or a forgotten metric would else look like drift."""
    assert hint in refusal(scores=scores, similarity_metric=metric)


def test_ties_and_rounding_do_not_break_the_order():
    """Engines sort by more digits than they print."""
    assert () == run({"scores": [0.5, 0.5, 0.50009, 0.4]}).errors
    assert "best first" in refusal(scores=[0.5, 0.5002])


def test_other_scores_have_no_known_order():
    """So none is asked for."""
    assert () == run({"scores": [1, 9, 2], "similarity_metric": "other"}).errors


@pytest.mark.parametrize("scores", ["0.5", [None], ["0.5"], [True], [[0.5]], {"a": 1}, 0.5])
def test_scores_of_another_type_are_refused(scores):
    """A list of numbers is wanted."""
    assert "list of finite numbers" in refusal(scores=scores)


@pytest.mark.parametrize("top_k", [[{"id": 1}], [0.5], [{"id": "a", "score": "x"}], {"score": 1}])
def test_top_k_of_another_shape_is_refused(top_k):
    """Objects with a score are wanted."""
    (error,) = run({"top_k": top_k}).errors

    assert ("top_k", Reason.SCORES) == (error.field, error.reason)


def test_top_k_is_another_form_of_scores():
    """The ids may be anything; where both are there, scores go first."""
    top_k = [{"id": "a", "score": 0.9}, {"id": 7, "score": 0.5}, {"score": 0.1}]

    batch = run({"top_k": top_k}, {"top_k": top_k, "scores": [0.3]}, {"top_k": []}, {"scores": [0.2]}, {}).batch

    assert [0.9, 0.5, 0.1, 0.3, 0.2] == batch.scores.values.tolist()
    assert [3, 1, 0, 1, 0] == batch.scores.lengths.tolist()
    assert [True, True, True, True, False] == batch.query.tolist()
    assert [False, False, True, False, False] == batch.empty.tolist()


def test_more_scores_than_the_limit_are_refused():
    """The limit itself is allowed."""
    limits = Limits(top_k=3)

    decoded = run({"scores": [0.5] * 3}, {"scores": [0.5] * 4}, {"top_k": [{"score": 0.5}] * 4}, limits=limits)

    assert [0] == decoded.batch.index.tolist()
    assert all("at most 3" in error.message for error in decoded.errors)


@pytest.mark.parametrize(
    ("fields", "query", "empty", "failed"),
    [
        ({}, False, False, False),
        ({"similarity_metric": "dot"}, False, False, False),
        ({"latency_seconds": 1}, False, False, False),
        ({"scores": [0.5]}, True, False, False),
        ({"scores": []}, True, True, False),
        ({"result_count": 0}, True, True, False),
        ({"result_count": 3}, True, False, False),
        ({"scores": [], "result_count": 0}, True, True, False),
        ({"scores": [0.5], "result_count": 0}, True, False, False),
        ({"scores": [], "result_count": 3}, True, False, False),
        ({"error": "timeout"}, True, False, True),
        ({"error": "timeout", "scores": []}, True, False, True),
        ({"error": "timeout", "result_count": 0}, True, False, True),
        ({"error": ""}, False, False, False),
    ],
)
def test_what_tells_of_a_retrieval(fields, query, empty, failed):
    """Scores, a count or an error do; a failed retrieval is never an empty one. Alone and among others."""
    for neighbours in ([], [{"scores": [0.5]}, {"error": "x"}, {"result_count": 1}]):
        batch = run(fields, *neighbours).batch
        assert (query, empty, failed) == (batch.query[0], batch.empty[0], batch.failed[0])


def test_a_metric_without_scores_says_nothing():
    """-1 in the column, also for an empty result."""
    assert [-1, -1, 1] == run(
        {"similarity_metric": "dot"}, {"scores": []}, {"scores": [5], "similarity_metric": "dot"}
    ).batch.metric.tolist()


rows = st.lists(
    st.tuples(st.sampled_from(SimilarityMetric), st.lists(st.floats(0, 1), max_size=4).map(sorted)), max_size=6
)


@given(rows)
def test_a_mixed_batch_is_converted_row_by_row(pairs):
    """Every row as if it had come alone, refused ones included."""
    found, refused = similarities(side_by_side(row for _, row in pairs), [metric for metric, _ in pairs])

    for i, (metric, row) in enumerate(pairs):
        alone, alone_refused = similarities(side_by_side([row]), [metric])
        assert (i in refused) == (0 in alone_refused)
        assert alone.values.tolist() == found.values[found.offsets[i] : found.offsets[i + 1]].tolist()


@given(
    st.lists(
        st.sampled_from(
            [[0.5, 0.25], [1.0, 1.0], [0.25, 0.5], [0.5, 0.50005], [1.0005, 0], [2, 0], [0, -1.0005], [1], []]
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_batch_is_judged_row_by_row(rows):
    """Rows of one length are looked at all at once: none is better or worse for its neighbours."""
    together = run(*({"scores": row} for row in rows))

    alone = [run({"scores": row}) for row in rows]
    assert [i for i, each in enumerate(alone) if each.errors] == [error.index for error in together.errors]
    assert [each.batch.scores.values.tolist() for each in alone if not each.errors] == [
        together.batch.scores.values[a:b].tolist() for a, b in itertools.pairwise(together.batch.scores.offsets)
    ]
