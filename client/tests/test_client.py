"""DriftClient as its callers see it."""

import logging
import signal
import threading

import numpy as np
import pytest
from embedding_drift_client import DriftClient
from embedding_drift_client.sampling import Sampler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATIENCE_SECONDS = 10.0


def finished(stats):
    """The sum of all that can become of an event."""
    return stats.sampled_out + stats.errors + stats.dropped + stats.pending + stats.sent + stats.failed


def test_a_recorded_event_arrives_with_the_clients_fields_and_rate(exporter, make_client):
    """What holds for all events is sent once a batch, the rate with it."""
    client = make_client(0.5, model_version="2", labels={"locale": "en"})
    taken = next(f"q-{i}" for i in range(100) if Sampler(0.5).takes(f"q-{i}"))

    client.record(query_id=taken, embedding=np.ones(2, "f4"), scores=[0.9], ids=["a"], latency_seconds=None)

    assert client.flush(PATIENCE_SECONDS)
    (batch,) = exporter.batches
    (event,) = batch.pop("events")
    assert {"model": "e5", "model_version": "2", "labels": {"locale": "en"}, "sample_rate": 0.5} == batch
    assert event.pop("timestamp") > 1.7e9
    assert event.pop("event_id")
    assert {"query_id": taken, "embedding": "AACAPwAAgD8=", "scores": [0.9], "ids": ["a"]} == event
    assert (1, 1, 1, 0) == (client.stats.recorded, client.stats.sent, client.stats.accepted, client.stats.pending)


def test_an_event_left_out_of_the_sample_is_counted(exporter, make_client):
    """Two clients at one rate choose the same query ids; the rest is counted."""
    expected = {f"q-{i}" for i in range(500) if Sampler(0.2).takes(f"q-{i}")}
    client = make_client(0.2)

    for i in range(500):
        client.record(query_id=f"q-{i}")

    assert client.flush(PATIENCE_SECONDS)
    assert expected == {event["query_id"] for event in exporter.events}
    assert (500, 500 - len(expected)) == (client.stats.recorded, client.stats.sampled_out)


def test_a_full_batch_goes_out_without_being_asked(exporter, make_client):
    """The interval of this client is an hour: the count alone sends."""
    client = make_client(batch_size=4)
    for _ in range(4):
        client.record()

    exporter.wait_for_request()
    assert 4 == len(exporter.events)


def test_a_lone_event_goes_out_after_the_interval(exporter, make_client):
    """The batch of this client would hold 64: the interval alone sends."""
    make_client(flush_interval_seconds=0.001).record()

    exporter.wait_for_request()
    assert 1 == len(exporter.events)


def test_a_full_queue_drops_at_once_and_counts_exactly(exporter, make_client, gate):
    """While the exporter does not answer, `queue_size` events are held, those being sent included."""
    exporter.script.append(exporter.hold(gate))
    client = make_client(batch_size=4, queue_size=10)

    for _ in range(25):
        client.record()

    assert (25, 10, 15) == (client.stats.recorded, client.stats.pending, client.stats.dropped)
    gate.set()
    assert client.close(PATIENCE_SECONDS)
    assert (10, 0, 15) == (client.stats.accepted, client.stats.pending, client.stats.dropped)
    assert 10 == len({event["event_id"] for event in exporter.events})


@pytest.mark.parametrize(
    "event",
    [
        {"embedding": "text"},
        {"embedding": np.zeros((2, 2))},
        {"scores": 3},
        {"labels": 3},
        {"query_id": 5},
        {"no_such_field": 1},
        {"self": 1},
        {"norm": float("nan")},
        {"model": object},
    ],
    ids=str,
)
def test_silly_arguments_are_counted_and_never_raise(exporter, make_client, event):
    """The event is lost, is counted, and the others of its batch arrive."""
    client = make_client(0.999999)

    client.record(**event)
    client.record(query_id="q-1")

    assert client.flush(PATIENCE_SECONDS)
    assert (2, 1, 1) == (client.stats.recorded, client.stats.errors, client.stats.accepted)
    assert ["q-1"] == [sent["query_id"] for sent in exporter.events]


def test_trouble_is_logged_once_a_minute_for_each_kind_and_without_values(make_client, caplog):
    """A thousand bad events make one line, which names the field and not its value."""
    client = make_client()

    for _ in range(1000):
        client.record(scores="secret")

    assert ["an event cannot be used: scores: expected a sequence of numbers, got str"] == caplog.messages
    assert 1000 == client.stats.errors


def test_a_log_handler_that_raises_does_not_reach_the_caller(make_client):
    """Not even the log may raise."""

    def refuse(_):
        raise RuntimeError

    logger = logging.getLogger("embedding_drift_client")
    logger.addFilter(refuse)
    try:
        client = make_client()
        client.record(scores="abc")
    finally:
        logger.removeFilter(refuse)

    assert 1 == client.stats.errors


def test_what_the_exporter_rejects_is_counted_and_logged_on_one_line(exporter, make_client, caplog):
    """The first reason reaches the log, and a reply cannot write lines of its own there."""
    error = {"index": 0, "field": "scores", "reason": "not\nsorted"}
    exporter.script.append(exporter.status(202, body={"accepted": 1, "rejected": 1, "errors": [error]}))
    client = make_client()
    client.record()
    client.record()

    assert client.flush(PATIENCE_SECONDS)
    assert (1, 1) == (client.stats.accepted, client.stats.rejected)
    assert [
        r"the exporter rejected 1 of 2 events with status 202; the first: field 'scores', 'not\nsorted'"
    ] == caplog.messages


def test_a_batch_of_which_nothing_was_acceptable_says_why_in_the_log(exporter, make_client, caplog):
    """422 carries the reasons too: the usual case is a field that every event lacks."""
    error = {"index": 0, "field": "model", "reason": "model is required"}
    exporter.script.append(exporter.status(422, body={"accepted": 0, "rejected": 1, "errors": [error]}))
    client = make_client(model=None)
    client.record()

    assert client.flush(PATIENCE_SECONDS)
    assert (0, 1) == (client.stats.accepted, client.stats.rejected)
    assert [
        "the exporter rejected 1 of 1 events with status 422; the first: field 'model', 'model is required'"
    ] == caplog.messages


@pytest.mark.usefixtures("no_pauses")
def test_a_retry_sends_the_same_event_ids(exporter, make_client):
    """So the exporter can tell a second attempt from a second event. A kept connection that broke needs no pause."""
    exporter.script.extend([exporter.status(503, {"Retry-After": "1"}), exporter.reset])
    client = make_client()
    client.record()
    client.record()

    assert client.flush(PATIENCE_SECONDS)
    first, second, third = ([event["event_id"] for event in batch["events"]] for batch in exporter.batches)
    assert first == second == third
    assert 2 == len(set(first))
    assert (2, 1) == (client.stats.accepted, client.stats.retried)


def test_closing_does_not_wait_for_a_retry_that_would_come_too_late(exporter, make_client):
    """A batch that must wait a minute is given up at once, and what is still queued gets its one attempt."""
    exporter.script.append(exporter.status(503, {"Retry-After": "60"}))
    client = make_client(batch_size=2)
    for _ in range(3):
        client.record()
    exporter.wait_for_request()

    assert client.close(PATIENCE_SECONDS)
    assert (2, 1, 0) == (client.stats.failed, client.stats.accepted, client.stats.retried)


def test_closing_gives_up_in_time_when_the_exporter_hangs(exporter, make_client, gate):
    """The close returns; what hangs stays pending until its own timeout."""
    exporter.script.append(exporter.hold(gate))
    client = make_client()
    client.record()

    assert not client.flush(0.001)
    assert not client.close(0.001)
    assert 1 == client.stats.pending


def test_past_the_deadline_of_a_close_the_queue_is_given_up(exporter, make_client, gate):
    """Events queued behind a hanging batch are counted as failed, not forgotten."""
    exporter.script.append(exporter.hold(gate))
    client = make_client(batch_size=1, queue_size=3)
    for _ in range(3):
        client.record()
    exporter.wait_for_request()

    client.close(0.001)
    gate.set()
    client._thread.join(PATIENCE_SECONDS)

    assert (1, 2, 0) == (client.stats.accepted, client.stats.failed, client.stats.pending)


def test_the_end_of_a_with_block_sends_what_is_queued(exporter):
    """Afterwards the client is closed: what is recorded then is dropped and counted."""
    with DriftClient(exporter.url, model="e5") as client:
        client.record()
    client.record()

    assert 1 == len(exporter.events)
    assert (1, 1) == (client.stats.accepted, client.stats.dropped)


def test_no_thread_runs_before_the_first_event(make_client):
    """A client made before a server forks its workers costs nothing; one that is never used is closed at once."""
    before = threading.active_count()
    client = make_client()

    assert before == threading.active_count()
    assert client.flush(0.0)
    assert client.close(0.0)


def test_a_signal_handler_may_record_while_its_thread_holds_the_lock(make_client):
    """The handler runs in the thread that it interrupts, so it must not wait for that thread."""
    client = make_client()
    before = signal.signal(signal.SIGUSR1, lambda *_: client.record())
    try:
        with client._buffer._changed:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert 1 == client.stats.pending


def test_many_threads_lose_no_count(exporter, make_client):
    """Every call is counted once, and every accepted event arrived once."""
    client = make_client(0.5, queue_size=200, flush_interval_seconds=0.001)

    def work(name):
        for i in range(500):
            client.record(query_id=f"{name}-{i}", scores=[0.5])

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.close(PATIENCE_SECONDS)

    stats = client.stats
    assert 2000 == stats.recorded == finished(stats)
    assert stats.accepted == len({event["event_id"] for event in exporter.events})


@pytest.mark.usefixtures("no_pauses")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    replies=st.lists(
        st.sampled_from([202, 400, 413, 422, 429, 500, 503, "reset", "garbage", "accept_then_drop"]), max_size=12
    ),
    events=st.lists(st.sampled_from([{}, {"query_id": "q-1"}, {"query_id": 1}, {"norm": float("nan")}]), max_size=30),
)
def test_every_event_is_accounted_for_whatever_the_exporter_does(exporter, replies, events):
    """recorded = sampled_out + errors + dropped + pending + sent + failed, before and after."""
    exporter.script.clear()
    exporter.script.extend(
        exporter.status(reply) if isinstance(reply, int) else getattr(exporter, reply) for reply in replies
    )
    client = DriftClient(exporter.url, 0.7, batch_size=4, queue_size=16, flush_interval_seconds=3600.0)

    for event in events:
        client.record(**event)
    assert len(events) == client.stats.recorded == finished(client.stats)
    assert client.flush(PATIENCE_SECONDS)
    assert client.close(PATIENCE_SECONDS)

    assert len(events) == client.stats.recorded == finished(client.stats)
    assert 0 == client.stats.pending


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1001, "queue_size": 2000}, "batch_size"),
        ({"queue_size": 10}, "queue_size"),
        ({"flush_interval_seconds": 0}, "flush_interval_seconds"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds"),
        ({"modell": "e5"}, "unknown keyword; fields that hold for all events are deployment, .*model"),
        ({"embedding": [1.0]}, "unknown keyword"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_when_the_client_is_made(settings, message):
    """At the start of a service an error is seen; later it would only be counted."""
    with pytest.raises(ValueError, match=message):
        DriftClient("http://127.0.0.1:10877", **settings)
