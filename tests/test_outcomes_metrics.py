"""Families of labelled queries and outcomes: computed by hand, and as they are exported."""

import numpy as np

from app.metrics.family import SERIES_LABELS
from app.metrics.outcomes import OUTCOMES, RELEVANCE, UNMATCHED
from app.model import Ragged, SeriesKey
from app.outcomes import Outcome, OutcomeMemory, query_keys
from app.relevance import RelevanceSums, judge

SERIES = SeriesKey("e5", "2", "1", "query")


def samples(sources, state, key=SERIES):
    """Name and own labels -> value, of one state."""
    found = {}
    for source in sources:
        own = source.family.labels[: len(SERIES_LABELS)] == SERIES_LABELS
        readings = [((*(key if own else ()), *labels), value) for labels, value in source.read(state)]
        for sample in source.family.metric(readings).samples:
            values = [value for name, value in sample.labels.items() if name not in SERIES_LABELS]
            found[(sample.name, *values)] = sample.value
    return found


def test_labelled_queries_are_exported_as_sums():
    """Two queries by hand: the relevant document first of two; and one of two relevant documents second of three."""
    results = Ragged(np.array([1, 2, 3, 4, 5], np.uint64), np.array([0, 2, 5]))
    relevant = Ragged(np.array([1, 4, 9], np.uint64), np.array([0, 1, 3]))
    sums = RelevanceSums((1, 2))
    sums.add(judge(results, relevant, np.ones(3), sums.ks))

    found = samples(RELEVANCE, sums)

    best = 1 + 1 / np.log2(3)
    assert 2.0 == found.pop(("embedding_labelled_queries_total",))
    assert 1.5 == found.pop(("embedding_reciprocal_rank_total",))
    assert np.isclose(1 + (1 / np.log2(3)) / best, found.pop(("embedding_ndcg_total", "2")))
    assert {
        ("embedding_hit_queries_total", "1"): 1.0,
        ("embedding_hit_queries_total", "2"): 2.0,
        ("embedding_recall_total", "1"): 1.0,
        ("embedding_recall_total", "2"): 1.5,
        ("embedding_precision_queries_total", "1"): 2.0,
        ("embedding_precision_queries_total", "2"): 1.0,
        ("embedding_precision_total", "1"): 1.0,
        ("embedding_precision_total", "2"): 0.5,
        ("embedding_ndcg_total", "1"): 1.0,
    } == found


def test_outcomes_are_exported_by_name_value_and_band():
    """Zeros beside what was said, and unknown queries for themselves."""
    memory = OutcomeMemory()
    ids = query_keys(["q1", "q2", "q3"], b"secret")
    memory.remember(ids, SERIES, np.array([True, False, False]), now=0.0)
    memory.join([*ids.tolist(), 9], [Outcome(clicked=value) for value in (False, True, True, True)], now=1.0)
    totals = memory.totals()

    assert {
        ("embedding_outcomes_total", "clicked", "true", "normal"): 2.0,
        ("embedding_outcomes_total", "clicked", "true", "poor"): 0.0,
        ("embedding_outcomes_total", "clicked", "false", "normal"): 0.0,
        ("embedding_outcomes_total", "clicked", "false", "poor"): 1.0,
    } == samples(OUTCOMES, totals.series[SERIES])
    assert {("embedding_outcomes_unmatched_total",): 1.0} == samples(UNMATCHED, totals)


def test_a_full_series_adds_no_more_samples_than_the_budget_counts_on():
    """Twelve of labelled queries, sixteen of outcomes."""
    memory = OutcomeMemory()
    memory.count(SERIES, [Outcome(True, True, True, True)], [False])

    assert 12 == len(samples(RELEVANCE, RelevanceSums()))
    assert 16 == len(samples(OUTCOMES, memory.totals().series[SERIES]))
