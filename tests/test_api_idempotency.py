"""Idempotency-Key: a batch that is sent again counts once, whatever became of the answer before."""

import asyncio
import json

import pytest

from app.intake import Answer, Claim, OtherBody, Repeats
from app.model import Reason
from tests.service import JSON, event, service

REPLAYED = "idempotent-replayed"

BATCHES = {
    "/v1/events": [event(), event(scores=[2.0]), event(query_id="q1")],
    "/v1/outcomes": [{"query_id": "q1", "clicked": True}, {"query_id": "unknown", "success": False}],
    "/v1/lifecycle": [{"type": "documents", "status": "ingested", "model": "e5", "count": 7}],
}
"""Of each route, with something refused or unmatched where it can be."""


@pytest.fixture
def served():
    with service() as made:
        yield made


def send(served, content, key, path="/v1/events"):
    return served.post(content, {"idempotency-key": key}, path)


def counters(served):
    """All that was counted, but for the requests themselves."""
    return {
        name: value
        for name, value in served.samples().items()
        if name[0].startswith(("embedding_events", "embedding_documents", "embedding_outcomes", "embedding_queries"))
    }


@pytest.mark.parametrize("path", BATCHES)
def test_a_batch_sent_again_is_answered_as_before_and_counts_once(served, path):
    """On every route that takes batches; the reply says that it is the old one."""
    served.post(BATCHES["/v1/events"])
    first = send(served, BATCHES[path], "k1", path)
    counted = counters(served)
    again = [send(served, BATCHES[path], "k1", path) for _ in range(3)]

    assert 202 == first.status
    assert REPLAYED not in first.headers
    assert [(202, first.body, "true")] * 3 == [(each.status, each.body, each.headers[REPLAYED]) for each in again]
    assert counted == counters(served)


def test_without_a_key_every_request_counts(served):
    """And so does the same body under another key."""
    for key in ("k1", "k2"):
        send(served, event(), key)
    served.post(event())

    assert 3 == next(value for name, value in counters(served).items() if name[0] == "embedding_events_total")


def test_the_same_key_on_another_route_is_another_key(served):
    """A sender may count its batches from 1 on each."""
    send(served, BATCHES["/v1/events"], "1")
    reply = send(served, BATCHES["/v1/outcomes"], "1", "/v1/outcomes")

    assert 202 == reply.status
    assert REPLAYED not in reply.headers


def test_a_key_that_comes_with_another_body_is_refused(served):
    """A sender mixed up its batches: nothing is counted, and it is told."""
    send(served, event(), "k1")
    reply = send(served, event(scores=[0.1]), "k1")

    assert 422 == reply.status
    assert "another body" in reply.json()["error"]
    assert {"idempotency_key": 1} == served.failures()


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "ключ".encode().decode("latin-1"), "tab\there"])
def test_a_key_that_is_none_is_refused(served, key):
    """Before anything is counted."""
    reply = send(served, event(), key)

    assert 400 == reply.status
    assert "Idempotency-Key" in reply.json()["error"]
    assert {"idempotency_key": 1} == served.failures()


def test_a_refusal_of_all_events_is_an_answer_too(served):
    """Its failures are counted once."""
    first, again = (send(served, event(scores=[2.0]), "k1") for _ in range(2))

    assert (422, 422) == (first.status, again.status)
    assert first.body == again.body
    assert {"scores": 1} == served.failures()


def test_after_a_malformed_body_the_next_attempt_is_a_first_one(served):
    """Nothing of it was taken."""
    broken = served.send(b"{", {"idempotency-key": "k1"})
    reply = send(served, event(), "k1")

    assert (400, 202) == (broken.status, reply.status)
    assert REPLAYED not in reply.headers


def test_it_is_forgotten_after_ten_minutes(served):
    """Of the exporter's time."""
    send(served, event(), "k1")
    served.clock.advance(599)
    assert "true" == send(served, event(), "k1").headers[REPLAYED]
    served.clock.advance(1)

    assert REPLAYED not in send(served, event(), "k1").headers


def test_time_scale_divides_the_ten_minutes():
    """As every duration."""
    with service(time_scale=10.0) as served:
        send(served, event(), "k1")
        served.clock.advance(60)

        assert REPLAYED not in send(served, event(), "k1").headers


def test_two_at_the_same_time_are_one(served):
    """The second waits for the first, whose body is decoded beside the loop; one of another body is refused."""
    batch = json.dumps([event(norm=1.0) for _ in range(50)]).encode()
    headers = JSON | {"idempotency-key": "k1", "content-encoding": "identity"}

    async def both():
        return await asyncio.gather(
            *(served.asked("POST", "/v1/events", body, headers) for body in (batch, batch, batch, batch + b" "))
        )

    replies = served.run(both())

    assert [202, 202, 202, 422] == [each.status for each in replies]
    assert [False, True, True] == [REPLAYED in each.headers for each in replies[:3]]
    assert 50 == next(value for name, value in counters(served).items() if name[0] == "embedding_events_total")


def test_if_the_first_of_two_fails_the_second_is_taken():
    """Who waits for an answer that never comes is the next to try."""
    repeats, claim = Repeats(), Claim.of("/v1/events", "k1", b"body")

    async def both():
        assert await repeats.begin(claim, 0.0) is None
        second = asyncio.ensure_future(repeats.begin(claim, 0.0))
        await asyncio.sleep(0)
        assert not second.done()
        repeats.end(claim)
        return await second

    assert asyncio.run(both()) is None


def test_who_stops_waiting_takes_nothing_from_the_others():
    """A second request that is cancelled leaves the first one, and the third, alone."""
    repeats, claim = Repeats(), Claim.of("/v1/events", "k1", b"body")
    answer = Answer(202, b"{}", {})

    async def three():
        await repeats.begin(claim, 0.0)
        second, third = (asyncio.ensure_future(repeats.begin(claim, 0.0)) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        repeats.keep(claim, answer, 0.0)
        repeats.end(claim)
        return await third

    assert answer == asyncio.run(three())


def test_answers_are_bounded():
    """The oldest goes first."""
    repeats = Repeats(capacity=3)
    claims = [Claim.of("/v1/events", str(number), b"") for number in range(5)]
    for claim in claims:
        repeats.keep(claim, Answer(202, b"{}", {}), 0.0)

    assert [False, False, True, True, True] == [repeats.find(claim, 1.0) is not None for claim in claims]
    assert 3 == len(repeats)


def test_a_body_is_compared_by_its_hash():
    """Neither key nor body is kept."""
    repeats = Repeats()
    repeats.keep(Claim.of("/v1/events", "k1", b"one"), Answer(202, b"{}", {}), 0.0)
    with pytest.raises(OtherBody):
        repeats.find(Claim.of("/v1/events", "k1", b"two"), 0.0)

    assert "idempotency_key" == Reason.IDEMPOTENCY_KEY
