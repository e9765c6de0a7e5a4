"""Retrieval as its users see it: events, labels and outcomes in, /metrics and /v1/samples out, equal by hand."""

import json
import re
import tracemalloc

import numpy as np
import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser

from tests.service import event, service

OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0"}
SERIES = {"model": "e5", "model_version": "2", "tokenizer_version": "1", "kind": "query"}


@pytest.fixture
def served():
    with service(poor_match_similarity=0.5, min_window_events=3) as made:
        yield made


def tell(served, *events):
    reply = served.post(list(events))
    assert (202, len(events)) == (reply.status, reply.json()["accepted"]), reply.text()


def outcomes(served, *sent):
    reply = served.post(list(sent), path="/v1/outcomes")
    assert 202 == reply.status
    return tuple(reply.json()[name] for name in ("accepted", "duplicates", "unmatched"))


def values(samples, name, *labels):
    """The samples of a family: values of these labels -> value; the value itself where there are no labels."""
    found = {}
    for (sample, *pairs), value in samples.items():
        if sample == f"embedding_{name}":
            found[tuple(dict(pairs)[label] for label in labels)] = value
    return found if labels else found.get(())


LABELLED = [
    # Found first of two.
    event(ids=["a", "b"], relevant=["a"]),
    # Found third of three, the better of two wanted not at all.
    event(scores=[0.8, 0.7, 0.6], ids=["x", "y", 7], relevant={"7": 1, "z": 2}),
    # Found nothing, and said so.
    event(scores=[], relevant=["a"]),
    # Not judged: it failed; it does not say what it found; nothing is known to be relevant.
    event(error="timeout", ids=["a"], relevant=["a"]),
    event(relevant=["a"]),
    event(ids=["a"]),
]


def test_m2_labelled_queries_by_hand(served):
    """Sums of the measures of three labelled queries among six."""
    tell(served, *LABELLED)

    found = served.samples()

    assert 3.0 == values(found, "labelled_queries_total")
    assert {("1",): 1.0, ("10",): 2.0} == values(found, "hit_queries_total", "k")
    assert {("1",): 1.0, ("10",): 1.5} == values(found, "recall_total", "k")
    assert {("1",): 3.0, ("10",): 0.0} == values(found, "precision_queries_total", "k")
    assert {("1",): 1.0, ("10",): 0.0} == values(found, "precision_total", "k")
    assert 1 + 1 / 3 == pytest.approx(values(found, "reciprocal_rank_total"))
    best = 3 + 1 / np.log2(3)
    assert {("1",): 1.0, ("10",): pytest.approx(1 + (1 / 2) / best)} == values(found, "ndcg_total", "k")


def test_m7_outcomes_by_hand(served):
    """Inline and later, by band; unknown queries apart; what was said before counts no more."""
    served.tick()
    tell(served, event(query_id="first"))
    served.tick()  # from here on the limit is in force
    tell(
        served,
        event(query_id="good", outcome={"clicked": True}),
        event(query_id=7, scores=[0.3]),
        event(query_id="empty", scores=[]),
        event(outcome={"success": False}),
        event(scores=[0.2], outcome={"success": False}),
    )

    assert (3, 1, 1) == outcomes(
        served,
        {"query_id": "good", "clicked": True},
        {"query_id": "7", "clicked": False, "no_answer": True},
        {"query_id": "empty", "clicked": False},
        {"query_id": "elsewhere", "clicked": True},
        {"query_id": "first", "clicked": True},
    )
    found = served.samples()
    counted = {key: n for key, n in values(found, "outcomes_total", "outcome", "value", "band").items() if n}
    assert {
        ("clicked", "true", "normal"): 2.0,
        ("clicked", "false", "poor"): 2.0,
        ("no_answer", "true", "poor"): 1.0,
        ("success", "false", "normal"): 1.0,
        ("success", "false", "poor"): 1.0,
    } == counted
    assert 1.0 == values(found, "outcomes_unmatched_total")


def test_an_event_that_comes_twice_has_one_outcome(served):
    """A retry of a request, of a query with an id and of one without."""
    for _ in range(2):
        served.post([event(event_id="e1", query_id="q", outcome={"clicked": True})])
        served.post([event(event_id="e2", outcome={"clicked": True})])

    counted = values(served.samples(), "outcomes_total", "outcome", "value", "band")
    assert 2.0 == counted["clicked", "true", "normal"]


def test_outcomes_count_for_the_series_that_events_fold_into():
    """Past the limit of series: under its labels, and exact."""
    with service(max_series=1) as served:
        tell(served, event(query_id="a"), event(model="other", query_id="b", ids=["x"], relevant=["x"]))
        assert (2, 0, 0) == outcomes(served, *({"query_id": each, "success": True} for each in "ab"))

        found = served.samples()
    counted = values(found, "outcomes_total", "model", "outcome", "value", "band")
    assert 1.0 == counted["e5", "success", "true", "normal"] == counted["__other__", "success", "true", "normal"]
    assert {("__other__",): 1.0} == values(found, "labelled_queries_total", "model")


def test_outcomes_of_a_series_that_has_gone_belong_to_nobody(served):
    """Its counters go with it."""
    tell(served, event(query_id="q"))
    assert (1, 0, 0) == outcomes(served, {"query_id": "q", "clicked": True})
    served.clock.advance(2 * 86400)
    served.tick()
    served.services.outcomes.retain(lambda key: served.store.find(key) is not None)

    assert {} == values(served.samples(), "outcomes_total", "model")


def test_withdrawn_documents_that_still_surface_are_counted(served):
    """Only those of the model, from the moment on that they are withdrawn."""
    tell(served, event(ids=["a", "b"]))
    assert 0.0 == values(served.samples(), "withdrawn_results_total")
    withdrawn = {"type": "documents", "status": "withdrawn", "model": "e5", "ids": ["a", 7]}
    assert 202 == served.post([withdrawn], path="/v1/lifecycle").status

    tell(served, event(ids=["a", "7"]), event(ids=["b"]), event(model="other", ids=["a"]))

    assert {("e5",): 2.0, ("other",): 0.0} == values(served.samples(), "withdrawn_results_total", "model")


def test_the_last_hour_as_sets(served):
    """Distinct inputs and documents, hubs; as of the last evaluation, and shares only of queries enough."""
    tell(served, event(input_hash="one", ids=["a", "b"]), event(input_hash="two", ids=["a", "c"]))
    served.tick()
    early = served.samples()
    tell(served, event(input_hash="two", ids=["a", "d"]))
    served.tick()
    found = served.samples()

    assert {("1h",): 2.0} == values(found, "distinct_queries", "window")
    assert {("1h",): 4.0} == values(found, "distinct_results", "window")
    assert {} == values(early, "top_documents_share", "window")
    assert {("1h",): pytest.approx(1.0)} == values(found, "top_documents_share", "window")
    assert {} == values(found, "result_overlap_ratio", "window")


def test_the_overlap_with_the_baseline_of_the_last_hour(served):
    """Half of the documents that are found now were found then."""
    with service(baseline_min_events=4, min_window_events=3) as served:
        tell(served, *(event(embedding=[1.0, float(number)], ids=["a", "b"]) for number in range(4)))
        pin = {**SERIES, "window": "1h"}
        assert 201 == served.post(pin, path="/v1/baselines").status
        served.clock.advance(3700)
        tell(served, *(event(ids=["a", "c"]) for _ in range(4)))
        served.tick()

        assert {("1h",): 0.5} == values(served.samples(), "result_overlap_ratio", "window")


def test_two_exporters_fed_halves_add_up(served):
    """Every counter of labels and outcomes is the sum of the two: rates over replicas are those of one."""
    events = [*LABELLED, event(query_id="a"), event(query_id="b", outcome={"success": True})] * 3
    said = [{"query_id": "a", "clicked": True}, {"query_id": "b", "clicked": False}]
    with service(poor_match_similarity=0.5) as one, service(poor_match_similarity=0.5) as other:
        for number, sent in enumerate(events):
            each = {key: f"{value}{number}" if key == "query_id" else value for key, value in sent.items()}
            tell(served, each)
            tell((one, other)[number % 2], each)
            if "query_id" in each:
                later = {**said[0], "query_id": each["query_id"]}
                outcomes(served, later)
                outcomes((one, other)[number % 2], later)
        whole, halves = served.samples(), (one.samples(), other.samples())

    names = re.compile(
        "embedding_(labelled|hit|precision|recall|ndcg|reciprocal|outcomes|withdrawn|queries|empty).*_total"
    )
    compared = {key: value for key, value in whole.items() if names.fullmatch(key[0])}
    assert len(compared) > 15
    for key, value in compared.items():
        assert value == pytest.approx(sum(half.get(key, 0.0) for half in halves)), key


def test_samples_are_the_lowest_matches_by_series(served):
    """With all that was named of them; filtered by the series' key, and as many as are asked for."""
    tell(
        served,
        event(query_id="low", trace_id="4bf9", scores=[0.2, 0.1], ids=["a", "b"], input_hash="h"),
        event(query_id="high", scores=[0.9]),
        event(model="other", scores=[0.5]),
    )

    everything = served.get("/v1/samples").json()["series"]
    one = served.get("/v1/samples", query="model=e5&kind=query&limit=1.0").json()["series"]

    assert [("e5", 2), ("other", 1)] == [(each["model"], len(each["queries"])) for each in everything]
    ((series,), (row,)) = one, one[0]["queries"]
    assert SERIES.items() <= series.items()
    assert (0.2, "low", "4bf9") == (row["similarity"], row["query_id"], row["trace_id"])
    assert (["a", "b"], [0.2, 0.1]) == (row["ids"], row["scores"])
    assert re.fullmatch("[0-9a-f]{16}", row["input_hash"])
    assert {"series": []} == service_without_series()


def service_without_series():
    with service() as empty:
        return empty.get("/v1/samples").json()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=101", 422),
        ("limit=ten", 422),
        ("limit=1.5", 422),
        ("window=1h", 400),
        ("model=nobody", 404),
    ],
)
def test_a_wrong_question_is_answered_with_what_would_be_right(served, query, status):
    """And not with a part of it."""
    tell(served, event())
    reply = served.get("/v1/samples", query=query)

    assert (status, ["error"]) == (reply.status, list(reply.json()))


def test_traces_stand_beside_the_similarities_in_openmetrics_alone(served):
    """One a bucket at most, the newest, read back by the client library's own parser; the text format is as before."""
    tell(
        served,
        event(scores=[0.81], trace_id="old"),
        event(scores=[0.82], trace_id="new"),
        event(scores=[0.83], trace_id='no"trace'),
        event(scores=[0.31], trace_id="low"),
        event(scores=[0.5]),
    )
    text, exact = served.get("/metrics").text(), served.get("/metrics", OPENMETRICS).text()

    exemplars = {
        (sample.name, sample.labels["le"]): sample.exemplar
        for family in openmetrics_parser.text_string_to_metric_families(exact)
        for sample in family.samples
        if sample.exemplar is not None
    }
    name = "embedding_top1_similarity_bucket"
    assert {(name, "0.85"): ({"trace_id": "new"}, 0.82), (name, "0.35"): ({"trace_id": "low"}, 0.31)} == {
        key: (each.labels, each.value) for key, each in exemplars.items()
    }
    assert served.clock.now() == float(exemplars[name, "0.35"].timestamp)
    assert "trace_id" not in text


def test_nothing_that_was_named_is_kept_but_of_the_lowest_matches(served):
    """Of good matches neither the ids of documents nor those of queries are anywhere in the replies."""
    named = {"query_id": "canary-query", "ids": ["canary-document", "b"], "relevant": ["canary-document"]}
    tell(served, *(event(scores=[0.1 + number / 1000]) for number in range(60)))
    served.samples()
    tell(served, event(scores=[0.9, 0.8], **named))

    pages = [served.get(path).text() for path in ("/v1/samples", "/v1/series", "/metrics", "/")]

    assert not any("canary" in page for page in pages)


def test_memory_stays_bounded_under_many_distinct_queries(served):
    """Past the 100,000 that are remembered: each that comes takes the place of one."""

    def send(first, count):
        for start in range(first, first + count, 1000):
            numbers = range(start, start + 1000)
            events = [{"query_id": f"q{n}", "ids": [f"d{n}"], "relevant": [f"d{n}"], "scores": [0.5]} for n in numbers]
            served.send(json.dumps({"model": "e5", "events": events}).encode())

    send(0, 100_000)
    served.samples()
    tracemalloc.start()
    send(100_000, 10_000)
    served.samples()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 100_000 == len(served.services.outcomes)
    # The keys of what is new are traced, those that are gone were not: 150 bytes a query, once.
    assert grown < 3 * 2**20
    assert 110_000.0 == values(served.samples(), "labelled_queries_total")
