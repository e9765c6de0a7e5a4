"""Totals of a series are exact: against plain Python, over any stream of events."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model import MAX_ERROR_TYPES, METRICS, Reason, SimilarityMetric, Timing, VectorFault
from app.series import Series
from app.signals import BUCKETED_SIGNALS
from tests.builders import KEY, events, traffic

NOW = 1_800_000_000.0

cosines = st.floats(-1, 1, allow_subnormal=False)
one_event = st.fixed_dictionaries(
    {
        "age": st.floats(0, 3600),
        "vector": st.sampled_from([None, None, [1.0, 0.0], [3.0, 4.0], [0.0, 0.5, 0.0], [1.0, 1.0, 1.0, 1.0]]),
        "fault": st.sampled_from([VectorFault.ZERO, VectorFault.NON_FINITE, None]),
        "scores": st.none() | st.lists(cosines, min_size=1, max_size=3).map(lambda x: sorted(x, reverse=True)),
        "end": st.sampled_from(["answered", "answered", "empty", "timeout", "quota"]),
        "latency": st.floats(0, 20) | st.just(np.nan),
        "weight": st.sampled_from([1.0, 4.0, 10.0]),
    }
)
streams = st.lists(st.lists(one_event, min_size=1, max_size=30), max_size=6)


def to_batch(drawn):
    """The batch of these events: a vector is either there or at fault, an empty or failed query has no scores."""
    answered = [each["end"] == "answered" for each in drawn]
    return events(
        [NOW - each["age"] for each in drawn],
        vectors=[each["vector"] for each in drawn],
        faults=[each["fault"] if each["vector"] is None else None for each in drawn],
        scores=[each["scores"] if ok else None for each, ok in zip(drawn, answered, strict=True)],
        empty=[each["end"] == "empty" for each in drawn],
        errors=[each["end"] if each["end"] in {"timeout", "quota"} else None for each in drawn],
        latencies=[each["latency"] for each in drawn],
        weights=[each["weight"] for each in drawn],
    )


class Oracle:
    """What a series should have counted, one event at a time."""

    def __init__(self, dimension=None, poor_below=None):
        self.dimension = dimension
        self.votes = Counter()
        self.vote_is_open = dimension is None
        self.poor_below = poor_below
        self.counts = Counter()
        self.represented = 0.0
        self.invalid = Counter()
        self.failed = Counter()
        self.values = {each.name: [] for each in BUCKETED_SIGNALS}

    def add(self, drawn):
        if self.vote_is_open:
            for each in drawn:
                if each["vector"] is not None and self.votes.total() < 100:
                    self.votes[len(each["vector"])] += 1
            if self.votes:
                self.dimension = self.votes.most_common(1)[0][0]
            self.vote_is_open = self.votes.total() < 100
        for each in drawn:
            self.add_one(**each)

    def add_one(self, *, age, vector, fault, scores, end, latency, weight):
        self.counts["events"] += 1
        self.represented += weight
        if vector is None:
            if fault is not None:
                self.invalid[fault] += 1
        elif len(vector) == self.dimension:
            self.counts["vectors"] += 1
            self.values["norm"].append(float(np.linalg.norm(vector)))
        else:
            self.invalid[VectorFault.DIMENSION] += 1
        scores = scores if end == "answered" else None
        if scores or end != "answered":
            self.counts["queries"] += 1
        if end in {"timeout", "quota"}:
            self.failed[end] += 1
        self.counts["empty"] += end == "empty"
        if self.poor_below is not None:
            self.counts["poor"] += end == "empty" or (scores is not None and scores[0] < self.poor_below)
        if scores:
            self.values["top1_similarity"].append(scores[0])
            self.values["result_similarity"] += scores
        if latency == latency:
            self.values["query_latency_seconds"].append(latency)

    def check(self, totals):
        assert self.counts["events"] == totals.events
        assert self.represented == totals.represented_events
        assert self.counts["vectors"] == totals.vectors
        assert {fault: self.invalid[fault] for fault in VectorFault} == totals.invalid_vectors
        assert self.counts["queries"] == totals.queries
        assert self.counts["empty"] == totals.empty_queries
        assert self.failed == totals.failed_queries
        assert self.dimension == totals.dimension
        assert (None if self.poor_below is None else self.counts["poor"]) == totals.poor_match_queries
        for signal in BUCKETED_SIGNALS:
            values = np.array(self.values[signal.name])
            if signal.name not in totals.buckets:
                assert 0 == values.size
                continue
            found = totals.buckets[signal.name]
            expected = [int(np.count_nonzero(values <= bound)) for bound in signal.bounds]
            assert [*expected, values.size] == found.cumulative.tolist()
            assert pytest.approx(values.sum(), abs=1e-9) == found.sum


def new_series(dimension=None, **timing):
    return Series(KEY, NOW, Timing(**timing), np.random.default_rng(7), dimension)


@given(streams)
def test_totals_are_those_counted_by_hand(batches):
    """Every counter and histogram, whatever comes; read after each batch, so that the vote is of known events."""
    series, oracle = new_series(), Oracle()

    for drawn in batches:
        assert [] == series.append(to_batch(drawn), NOW)
        oracle.add(drawn)
        oracle.check(series.totals(NOW))


@given(streams, st.floats(-1, 1))
def test_reading_totals_changes_nothing(batches, poor_below):
    """A series that is read once at the end has counted the same, with its dimension set beforehand."""
    series, oracle = new_series(dimension=3), Oracle(dimension=3, poor_below=poor_below)
    series.set_poor_match_limit(poor_below)

    for drawn in batches:
        series.append(to_batch(drawn), NOW)
        oracle.add(drawn)

    oracle.check(series.totals(NOW))


@given(streams)
def test_windows_hold_the_events_of_their_time(batches):
    """Events are placed by their own time: what is younger than a window is in it, with each of its signals."""
    timing = Timing()
    series = new_series(dimension=2)
    drawn = [each for batch in batches for each in batch]

    for batch in batches:
        series.append(to_batch(batch), NOW)

    for (name, window), rung in zip(series.windows(NOW).items(), timing.rungs, strict=False):
        span = timing.windows[name]
        inside = [each for each in drawn if each["age"] < span]
        reach = [each for each in drawn if each["age"] <= span + rung.pane_seconds]
        assert len(inside) <= window.pane.events <= len(reach)
        top1 = window.distribution("top1_similarity")
        answered = sum(bool(each["scores"]) and each["end"] == "answered" for each in inside)
        assert answered <= (0 if top1 is None else top1.n)
        vectors = 0 if window.pane.vectors is None else window.pane.vectors.n
        assert sum(len(each["vector"] or ()) == 2 for each in inside) <= vectors
        assert vectors <= sum(len(each["vector"] or ()) == 2 for each in reach)


def test_the_dimension_is_that_of_most_of_the_first_hundred_vectors():
    """Strays at the start, however early, are outvoted, counted, and gone from the windows."""
    series = new_series()
    series.append(events([NOW] * 30, vectors=[[1.0, 0.0, 0.0]] * 30), NOW)
    assert 3 == series.totals(NOW).dimension

    series.append(events([NOW] * 70, vectors=[[1.0, 0.0]] * 70), NOW)

    totals = series.totals(NOW)
    assert 2 == totals.dimension
    assert series.dimension_settled
    assert 2 == series.windows(NOW)["24h"].pane.vectors.dimension
    assert 70 == series.windows(NOW)["24h"].pane.vectors.n
    assert 2 == series.learned_material(NOW).sample.directions.shape[1]


def test_the_dimension_stays_after_the_vote():
    """A flood of other vectors later is a fault of theirs, by reason."""
    series = new_series()
    series.append(events([NOW] * 100, vectors=[[1.0, 0.0]] * 100), NOW)

    series.append(events([NOW] * 500, vectors=[[1.0, 0.0, 0.0]] * 500), NOW)

    totals = series.totals(NOW)
    assert 2 == totals.dimension
    assert 100 == totals.vectors
    assert 500 == totals.invalid_vectors[VectorFault.DIMENSION]
    assert 100 == totals.buckets["norm"].cumulative[-1]


def test_a_configured_dimension_is_not_voted_on():
    """Known beforehand, it holds for the first vector too."""
    series = new_series(dimension=4)
    series.append(events([NOW] * 5, vectors=[[1.0, 0.0]] * 5), NOW)

    assert (4, 0, 5) == (
        series.dimension,
        series.totals(NOW).vectors,
        series.totals(NOW).invalid_vectors[VectorFault.DIMENSION],
    )


def test_another_similarity_metric_is_refused_by_index():
    """One series keeps one metric: the rest of the batch is taken, the refused are named by their position."""
    series = new_series()
    series.append(events([NOW], scores=[[0.5]], metrics=SimilarityMetric.COSINE), NOW)
    mixed = [SimilarityMetric.COSINE, SimilarityMetric.DOT, SimilarityMetric.COSINE, SimilarityMetric.L2]
    batch = events([NOW] * 4, scores=[[0.5], [7.0], None, [0.1]], metrics=mixed)

    refused = series.append(batch, NOW)

    assert [1, 3] == [error.index for error in refused]
    assert {Reason.SIMILARITY_METRIC} == {error.reason for error in refused}
    assert all("cosine" in error.message for error in refused)
    assert 3 == series.totals(NOW).events
    assert SimilarityMetric.COSINE == series.similarity_metric


@pytest.mark.parametrize("metric", METRICS)
def test_the_first_scores_settle_the_metric(metric):
    """Events without scores leave it open."""
    series = new_series()

    series.append(events([NOW] * 2, vectors=[[1.0, 0.0]] * 2), NOW)
    assert series.similarity_metric is None
    series.append(events([NOW] * 2, scores=[None, [0.5]], metrics=metric), NOW)

    assert metric == series.similarity_metric == series.totals(NOW).similarity_metric


def test_error_types_past_the_limit_count_as_other():
    """A client that sends a new error type each time makes 32 label values, not a thousand."""
    series = new_series()

    for number in range(100):
        series.append(events([NOW], errors=[f"error {number}"]), NOW)

    failed = series.totals(NOW).failed_queries
    assert MAX_ERROR_TYPES == len(failed)
    assert 100 == failed.total()
    assert 100 - MAX_ERROR_TYPES + 1 == failed["other"]


def test_poor_matches_are_unknown_until_there_is_a_limit():
    """No limit, no number: 0 would read as perfect. After it, empty results count, failed queries do not."""
    series = new_series()
    series.append(events([NOW] * 2, scores=[[0.1], None], empty=[False, True]), NOW)
    assert series.totals(NOW).poor_match_queries is None

    series.set_poor_match_limit(0.5)
    assert 0 == series.totals(NOW).poor_match_queries
    batch = events(
        [NOW] * 5,
        scores=[[0.4], [0.5], None, None, [0.1]],
        empty=[False, False, True, False, False],
        errors=[None, None, None, "timeout", "timeout"],
    )
    series.append(batch, NOW)

    totals = series.totals(NOW)
    assert 2 == totals.poor_match_queries
    assert 0.5 == totals.poor_match_limit


def test_totals_are_the_readers_own():
    """Later events do not change what was read, nor the reader the series."""
    series = new_series()
    series.append(traffic(np.random.default_rng(7), [NOW]), NOW)
    first = series.totals(NOW)

    series.append(traffic(np.random.default_rng(8), [NOW]), NOW)
    first.buckets["norm"].update(np.ones(5))
    first.invalid_vectors[VectorFault.ZERO] += 5

    assert 1 == first.events
    assert 2 == series.totals(NOW).buckets["norm"].cumulative[-1]
    assert 0 == series.totals(NOW).invalid_vectors[VectorFault.ZERO]


def test_huge_scores_reach_no_sketch_as_infinity():
    """Dot products whose mean or margin overflows have no such signal, and the rest of the event counts."""
    series = new_series()
    batch = events([NOW] * 2, scores=[[1.7e308, -1.7e308], [1.7e308, 1.7e308]], metrics=SimilarityMetric.DOT)

    series.append(batch, NOW)

    for name, window in series.windows(NOW).items():
        for signal in window.pane.quantiles:
            assert np.isfinite(window.distribution(signal).values).all(), (name, signal)
    assert 2 == series.totals(NOW).events
