"""What came of queries, told after them."""

import threading

import numpy as np
import pytest
from embedding_drift_client.outcome import encode_outcome
from embedding_drift_client.sampling import Sampler

PATIENCE_SECONDS = 10.0


def test_an_outcome_is_posted_after_its_query(exporter, make_client):
    """In one batch the query goes first, whatever was told first: the exporter joins only what it knows."""
    client = make_client()

    client.outcome("q-0", success=False, escalated=True)
    client.record(query_id="q-1")
    client.outcome(query_id="q-1", clicked=np.bool_(True), no_answer=None)

    assert client.flush(PATIENCE_SECONDS)
    assert ["/v1/events", "/v1/outcomes"] == exporter.paths
    assert {
        "events": [{"query_id": "q-0", "success": False, "escalated": True}, {"query_id": "q-1", "clicked": True}]
    } == exporter.batches[1]
    assert (1, 2) == (client.stats.accepted, client.outcome_stats.accepted)


@pytest.mark.parametrize("rate", [0.05, 0.5, 1.0])
def test_the_outcomes_of_a_sample_are_those_of_its_queries(exporter, make_client, rate):
    """Another service at the same rate tells the outcomes of exactly the queries that this one recorded."""
    searching, clicking = make_client(rate), make_client(rate)
    expected = [f"q-{i}" for i in range(200) if Sampler(rate).takes(f"q-{i}")]

    for i in range(200):
        searching.record(query_id=f"q-{i}")
        clicking.outcome(f"q-{i}", clicked=True)

    assert searching.flush(PATIENCE_SECONDS)
    assert clicking.flush(PATIENCE_SECONDS)
    told = [outcome["query_id"] for outcome in exporter.taken("/v1/outcomes")]
    assert expected == told == [event["query_id"] for event in exporter.events]
    assert (200, 200 - len(expected)) == (clicking.outcome_stats.recorded, clicking.outcome_stats.sampled_out)
    assert 0 == clicking.stats.recorded


def test_outcomes_of_unknown_queries_are_counted(exporter, make_client):
    """The reply tells them apart."""
    exporter.script.append(exporter.status(202, body={"accepted": 1, "duplicates": 1, "unmatched": 1, "rejected": 0}))
    client = make_client()
    for i in range(3):
        client.outcome(f"q-{i}", clicked=True)

    assert client.flush(PATIENCE_SECONDS)
    stats = client.outcome_stats
    assert (1, 1, 1, 3) == (stats.accepted, stats.duplicates, stats.unmatched, stats.sent)


@pytest.mark.parametrize(
    ("query_id", "outcome"),
    [
        (None, {"clicked": True}),
        (7, {"clicked": True}),
        ([], {"clicked": True}),
        ("q-1", {}),
        ("q-1", {"clicked": None}),
        ("q-1", {"clickd": True}),
        ("q-1", {"clicked": object}),
    ],
    ids=str,
)
def test_silly_outcomes_are_counted_and_never_raise(exporter, make_client, query_id, outcome):
    """The outcome is lost and is counted; the next one arrives."""
    client = make_client()

    client.outcome(query_id, **outcome)
    client.outcome("q-2", success=True)

    assert client.flush(PATIENCE_SECONDS)
    stats = client.outcome_stats
    assert (2, 1, 1) == (stats.recorded, stats.errors, stats.accepted)
    assert [{"query_id": "q-2", "success": True}] == exporter.taken("/v1/outcomes")


def test_what_an_outcome_may_say_is_told_without_its_values(make_client, caplog):
    """A misspelt name would otherwise be lost without a word."""
    make_client().outcome("secret", clickd=True)

    (message,) = caplog.messages
    assert message.endswith("an outcome says at least one of clicked, escalated, no_answer, success, and nothing else")


def test_a_queue_full_of_events_has_room_for_outcomes(exporter, make_client, gate):
    """Each has `queue_size` places of its own, and drops and counts past them."""
    exporter.script.append(exporter.hold(gate))
    client = make_client(batch_size=4, queue_size=10)

    for i in range(15):
        client.record(query_id=f"q-{i}")
    for i in range(12):
        client.outcome(f"q-{i}", clicked=True)

    assert (10, 5) == (client.stats.pending, client.stats.dropped)
    assert (10, 2) == (client.outcome_stats.pending, client.outcome_stats.dropped)
    assert client.close(0.0) is False
    gate.set()


def test_every_outcome_is_accounted_for_under_threads(exporter, make_client):
    """recorded = sampled_out + errors + dropped + pending + sent + failed, for each route by itself."""
    client = make_client(0.5, queue_size=100, flush_interval_seconds=0.001)

    def work(name):
        for i in range(300):
            client.record(query_id=f"{name}-{i}")
            client.outcome(f"{name}-{i}", clicked=True)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.close(PATIENCE_SECONDS)

    for stats, route in ((client.stats, "/v1/events"), (client.outcome_stats, "/v1/outcomes")):
        assert 900 == stats.recorded == stats.sampled_out + stats.dropped + stats.accepted
        assert stats.accepted == len(exporter.taken(route))


@pytest.mark.usefixtures("no_pauses")
def test_outcomes_are_tried_again_and_hold_up_no_count(exporter, make_client):
    """A 503 is tried again; what another route refuses is its own affair."""
    exporter.script.extend([exporter.status(404), exporter.status(503)])
    client = make_client()
    client.record()
    client.outcome("q-1", success=True)

    assert client.flush(PATIENCE_SECONDS)
    assert ["/v1/events", "/v1/outcomes", "/v1/outcomes"] == exporter.paths
    assert (1, 0) == (client.stats.rejected, client.stats.accepted)
    assert (1, 1) == (client.outcome_stats.accepted, client.outcome_stats.retried)


def test_nothing_is_said_by_none():
    """As in events."""
    assert b'{"query_id":"q","success":false}' == encode_outcome("q", {"success": False, "clicked": None})
