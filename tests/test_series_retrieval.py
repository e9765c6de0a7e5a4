"""What a series keeps of queries and the documents that they found: right, a sample where it must be, and bounded."""

import numpy as np
import pytest

from app.model import EventBatch, Outcome, SeriesKey, SimilarityMetric, Timing
from app.series import ResultKeys, Series, Totals
from app.series.labelled import judge_labelled
from app.series.retrieval import Retrieval
from app.series.traced import Exemplar
from app.sketch import DistinctKeys
from tests.builders import KEY, events

START = 1_800_000_000.0 // 3600 * 3600
SECRET = b"secret of these tests"


def series(key=KEY, secret=SECRET):
    return Series(key, START, Timing(), np.random.default_rng(7), secret=secret)


def found(documents, now=START, **columns):
    """Queries that found these documents."""
    scores = [[0.9 - 0.01 * rank for rank in range(len(row or ()))] for row in documents]
    return events(np.full(len(documents), now), scores=scores, documents=documents, **columns)


# Sets


def test_distinct_queries_and_results_are_those_of_the_last_hour():
    """Inputs by their hashes, documents by their ids: 7 and "7" are one. What is older is forgotten."""
    kept = series()
    for now, documents, inputs in (START, [["a", 7], ["b"]], [5, 6]), (START + 3000, [["7", "c"], []], [5, 0]):
        kept.append(found(documents, now, inputs=inputs), now)
        kept.totals(now)

    early, late = kept.retrieval(START + 3500), kept.retrieval(START + 5000)

    assert (2.0, 4.0, 3) == (early.distinct_queries, early.results.distinct.count, early.sampled_queries)
    assert (1.0, 2.0) == (late.distinct_queries, late.results.distinct.count)


def test_what_no_query_tells_is_not_known():
    """Neither a number of inputs nor of documents."""
    kept = series()
    kept.append(events([START], scores=[[0.5]]), START)

    window = kept.retrieval(START)
    assert (None, None, None) == (window.distinct_queries, window.results, window.top_share)


def test_the_share_of_hubs_is_that_of_the_ten_most_frequent_documents():
    """A document in every result list of ten takes a tenth; the rest are all different."""
    rows = [["hub", *(f"{number}-{rank}" for rank in range(9))] for number in range(200)]
    kept = series()
    kept.append(found(rows), START)

    assert pytest.approx(0.1, abs=0.006) == kept.retrieval(START).top_share


def test_of_much_traffic_fifty_queries_a_second_are_looked_at():
    """After ten seconds' worth at once; they are spread over each batch, and all of little traffic is looked at."""
    retrieval = Retrieval(Timing(), SECRET, np.random.default_rng(7))
    sampled = set()
    for second in range(100):
        rows = [[f"{second}-{number}"] for number in range(500)]
        retrieval.add(found(rows), START + second)
    hubs = retrieval.window(START + 100)
    assert 500 + 99 * 50 == hubs.sampled_queries

    retrieval = Retrieval(Timing(), SECRET, np.random.default_rng(7))
    retrieval.add(found([["first"]] * 500), START)
    for turn in range(200):
        keys = retrieval.add(found([[position] for position in range(100)]), START + 1 + turn)
        sampled |= set(keys.tolist())
    assert sampled == {int(key) for key in _keys(range(100))}


def _keys(ids):
    return Retrieval(Timing(), SECRET, np.random.default_rng(7)).add(found([[each] for each in ids]), START)


def test_a_time_scaled_exporter_samples_as_many_of_its_hours():
    """Sixty times as many a second, of hours that are sixty times as short."""
    retrieval = Retrieval(Timing().scaled(60), SECRET, np.random.default_rng(7))
    retrieval.add(found([["a"]] * 500), START)

    assert 375 == retrieval.add(found([["a"]] * 1000), START + 0.125).size


def test_the_baseline_keeps_the_documents_found_while_it_is_learned():
    """The share of the present ones that it saw is known; of a baseline learned under another secret it is not."""
    kept = series()
    kept.append(found([["a", "b"], ["c"]]), START)
    learned = kept.learned_material(START).results
    kept.append(found([["a", "x"], ["c"]]), START)

    now = kept.retrieval(START).results
    assert 0.75 == now.overlap(learned)
    assert 3.0 == learned.distinct.count
    other = series(secret=b"another")
    other.append(found([["a", "b"], ["c"]]), START)
    assert now.overlap(other.learned_material(START).results) is None


def test_a_baseline_of_the_last_hour_has_its_documents():
    """Those of other windows are not known."""
    kept = series()
    kept.append(found([["a", "b"]]), START)

    assert 2.0 == kept.window_material("1h", START).results.distinct.count
    assert kept.window_material("24h", START).results is None


def test_documents_that_are_embedded_are_no_queries():
    """A series of documents keeps nothing of the kind."""
    kept = series(SeriesKey("e5", "2", "1", "document"))
    kept.append(found([["a"]], key=SeriesKey("e5", "2", "1", "document"), inputs=[5]), START)

    window = kept.retrieval(START)
    assert (None, None) == (window.distinct_queries, window.results)
    assert [] == kept.lowest_matches(START)


def test_memory_stays_bounded_whatever_is_found():
    """200,000 different documents, inputs and ids of queries: 56 KiB of sketches, and a hundred rows."""
    rng = np.random.default_rng(7)
    retrieval = Retrieval(Timing(), SECRET, rng)
    for block in range(40):
        numbers = range(5000 * block, 5000 * block + 5000)
        inputs = rng.integers(1, 2**64, 5000, dtype=np.uint64)
        batch = found([[str(number)] for number in numbers], inputs=inputs, query_ids=[f"q{each}" for each in numbers])
        retrieval.add(batch, START + 150 * block)

    assert 56 * 1024 >= retrieval.nbytes
    assert 100 == len(retrieval.lowest(START + 150 * 39))
    assert retrieval.window(START + 150 * 39).distinct_queries == pytest.approx(125_000, rel=0.16)


def test_staged_ids_are_bounded():
    """Long lists are folded as they come: no more than some thousand ids wait for a reader."""
    kept = series()
    for _ in range(5):
        kept.append(found([[str(number) for number in range(1000)]]), START)

    assert 0 == len(kept._staged)
    kept.append(found([None], relevant=[dict.fromkeys(range(4096), 1.0)]), START)
    assert 0 == len(kept._staged)


# Lowest matches


def test_the_lowest_matches_are_told_with_what_their_sender_named():
    """Failed queries matched nothing, and scores of an unknown order have no lowest."""
    kept = series()
    batch = events(
        [START] * 3,
        scores=[[0.5, 0.4], [0.3], [0.1]],
        documents=[["a", 7], None, ["b"]],
        query_ids=["q1", None, "q3"],
        trace_ids=["t1", None, None],
        errors=[None, None, "timeout"],
    )
    kept.append(batch, START)

    rows = kept.lowest_matches(START)
    assert [(0.3, None, None, ()), (0.5, "q1", "t1", ("a", "7"))] == [
        (row.similarity, row.query_id, row.trace_id, row.ids) for row in rows
    ]
    unordered = series()
    unordered.append(events([START], scores=[[0.1]], metrics=SimilarityMetric.OTHER), START)
    assert [] == unordered.lowest_matches(START)


# Labelled queries, withdrawn documents and traces


def test_only_labelled_queries_that_say_what_they_found_are_judged():
    """Of six: one found it, one found nothing and said so; one failed, two do not say, one wants nothing."""
    batch = events(
        [START] * 6,
        scores=[[0.9, 0.8], [], [0.9], [0.9], [0.9], [0.9]],
        empty=[False, True, False, False, False, False],
        errors=[None, None, "timeout", None, None, None],
        documents=[["x", 7], None, ["a"], None, ["a"], ["a"]],
        relevant=[{"7": 1.0}, {"a": 1.0}, {"a": 1.0}, {"a": 1.0}, None, {"a": 0.0}],
    )

    labelled = judge_labelled(batch)
    judged = labelled.judged

    assert [0, 1] == labelled.events.tolist()
    assert [0.5, 0.0] == judged.reciprocal_rank.tolist()
    assert [[0.0, 1.0], [0.0, 0.0]] == judged.recall.tolist()
    assert judge_labelled(batch.take(np.array([2, 3, 4, 5]))) is None


def test_a_window_has_the_recall_of_its_own_labelled_queries():
    """Each in the pane of its time, though they are judged together; and the windows add up to what is counted."""
    watched = series()
    times = [START - 900, START - 900, START - 10, START - 10, START - 10]
    wanted = [{"a": 1.0}, None, {"x": 1.0, "b": 1.0}, {"z": 1.0}, {"a": 0.0}]
    watched.append(
        events(times, scores=[[0.9]] * 5, documents=[["a"], ["a"], ["x"], ["x"], ["a"]], relevant=wanted), START
    )
    windows = watched.windows(START)

    assert (2, 0.5) == (windows["5m"].pane.queries.labelled, windows["5m"].pane.queries.recall)
    assert (3, 1.5) == (windows["1h"].pane.queries.labelled, windows["1h"].pane.queries.recall)
    sums = watched.totals(START).relevance
    assert (3, 1.5) == (sums.queries, sums.recall[1])


def test_totals_wait_for_what_they_are_of():
    """No label, no document: nothing to count; then zero, and sums that a copy keeps."""
    totals = Totals(KEY, START)
    totals.add(events([START], scores=[[0.5]]), 0)
    assert (None, None) == (totals.relevance, totals.withdrawn_results)

    totals.add(found([["a"]], relevant=[{"a": 1.0}], trace_ids=["t"]), 0)
    copied = totals.copy()
    totals.add(found([["a"]], relevant=[{"a": 1.0}], withdrawn=[2], trace_ids=["u"]), 0)

    assert (1, 0, 2, 2) == (
        copied.relevance.queries,
        copied.withdrawn_results,
        totals.relevance.queries,
        totals.withdrawn_results,
    )
    assert ["t", "u"] == [each.traced.exemplars[max(each.traced.exemplars)].trace_id for each in (copied, totals)]


def test_the_newest_trace_of_each_bucket_is_kept():
    """Not one that could not stand in an exemplar."""
    totals = Totals(KEY, START)
    scores = [[0.32], [0.33], [0.35], [0.9], [0.9]]
    traces = ["a", "b", "c", "x" * 65, 'quo"te']
    totals.add(events(START + np.arange(5.0), scores=scores, trace_ids=traces), 0)

    assert [Exemplar("c", 0.35, START + 2)] == list(totals.traced.exemplars.values())


def test_a_batch_forgets_its_outcomes_once_it_is_staged():
    """They were counted as it came: joined they would be counted twice."""
    batch = found([["a"]], outcomes=[Outcome(clicked=True)])

    assert EventBatch.concatenate([batch, batch]).outcomes is None


def test_overlap_asks_for_one_secret():
    """Whatever the keys."""
    keys = DistinctKeys.of(np.array([1, 2], np.uint64), 2**64 - 1)

    assert 1.0 == ResultKeys(keys, 5).overlap(ResultKeys(keys, 5))
    assert ResultKeys(keys, 5).overlap(ResultKeys(keys, 6)) is None
