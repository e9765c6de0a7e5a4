"""Requests that are refused by their head: answered before their body is read, whatever way it comes."""

import asyncio

import pytest
from fastapi import Response

from app.api import INGEST_PATHS, Admission, Doorstep
from app.api.admission import TURN_SECONDS
from app.metrics import OwnMetrics
from app.model import Closed, Shed
from tests.test_server import HALF_SENT, HEAD, on_a_line

BODY = b" " * 99
REPLY = Response(b"later", 503, {"Retry-After": "1"})
TURNED_AWAY, SERVED = b"HTTP/1.1 503 Service Unavailable\r\n", b"HTTP/1.1 429 Too Many Requests\r\n"
"""The second one is said by the application of these tests."""


def turn_away(method, target):
    return REPLY if (method, target) == (b"POST", b"/v1/events") else None


def test_it_is_answered_by_its_head_and_what_follows_is_served():
    """The body is dropped as it comes; the connection stays, and takes the next request."""

    async def talk(line):
        await line.send(HALF_SENT)
        assert line.transport.written.startswith(TURNED_AWAY)
        assert line.transport.written.endswith(b"retry-after: 1\r\ncontent-length: 5\r\n\r\nlater")
        await line.send(BODY + HALF_SENT + BODY)
        await line.send(HEAD + b"\r\n")

        assert 2 == line.transport.written.count(TURNED_AWAY)
        assert 1 == line.transport.written.count(SERVED)
        assert not line.transport.closing

    on_a_line(talk, turn_away=turn_away)


def test_a_body_that_does_not_come_is_overdue_and_a_whole_one_leaves_an_idle_connection():
    """uvicorn's timer of idle connections is on once the body is there, also where it came in pieces."""

    async def talk(line):
        await line.send(HALF_SENT)
        assert Closed.SLOW_REQUEST == line.overdue(11.0)
        await line.send(BODY[:50])
        assert line.protocol.timeout_keep_alive_task is None
        await line.send(BODY[50:])

        assert line.overdue(11.0) is None
        assert line.protocol.timeout_keep_alive_task is not None
        assert line.protocol.waiting_since() is not None

    on_a_line(talk, turn_away=turn_away)


def test_a_reply_of_the_application_before_the_body_is_whole_leaves_an_idle_connection_too():
    """Its timer ended with the rest of the body, and the connection stayed for ever."""

    async def talk(line):
        await line.send(HALF_SENT)
        await line.send(BODY)

        assert line.transport.written.startswith(SERVED)
        assert line.protocol.timeout_keep_alive_task is not None

    on_a_line(talk)


@pytest.mark.parametrize(
    "sent",
    [
        HALF_SENT.replace(b"HTTP/1.1", b"HTTP/1.0"),
        HALF_SENT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        HALF_SENT.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"),
        HEAD.replace(b"GET /-/healthy", b"POST /v1/outcomes") + b"\r\n",
        HEAD.replace(b"/-/healthy", b"/v1/events") + b"\r\n",
    ],
    ids=["HTTP/1.0", "close", "expect", "another path", "another method"],
)
def test_what_is_unusual_goes_the_usual_way(sent):
    """There its connection is closed as it must be, and it is refused all the same."""

    async def talk(line):
        await line.send(sent)

        assert line.transport.written.startswith((SERVED, SERVED.replace(b"1.1", b"1.0")))

    on_a_line(talk, turn_away=turn_away)


def test_behind_a_request_that_is_under_way_nothing_is_turned_away():
    """Its reply would come before that of the other."""

    async def talk(line):
        await line.send(HEAD + b"\r\n" + HALF_SENT)

        assert b"" == line.transport.written

    on_a_line(talk, answers=False, turn_away=turn_away)


def test_the_doorstep_turns_ingest_away_while_admission_is_full(monkeypatch):
    """Counted as what is refused later; a scrape is never turned away."""
    clock = [0.0]
    monkeypatch.setattr("app.api.admission.time.perf_counter", lambda: clock[0])
    admission, own = Admission(0, 1000), OwnMetrics()
    doorstep = Doorstep(admission, own, INGEST_PATHS)

    def spend():
        clock[0] += TURN_SECONDS

    async def go():
        before = doorstep.reply(b"POST", b"/v1/events")
        await admission.run(spend, beside=False)
        others = [doorstep.reply(*each) for each in ((b"GET", b"/metrics"), (b"POST", b"/v1/lifecycle"))]
        refused = doorstep.reply(b"POST", b"/v1/events")
        await asyncio.sleep(0)  # its turn is over
        return [before, *others, doorstep.reply(b"POST", b"/v1/events")], refused

    taken, refused = asyncio.run(go())

    assert [None] * 4 == taken
    assert (429, "1") == (refused.status_code, refused.headers["retry-after"])
    totals = own.totals()
    assert 1 == totals.shed[Shed.REQUESTS]
    assert {("/v1/events", "4xx"): 1} == {each: int(sum(of.counts)) for each, of in totals.requests.items()}


def test_a_client_that_does_not_read_is_read_from_no_more():
    """Replies by the head alone knew no bound: a client that only sent was held tens of megabytes of them."""

    async def talk(line):
        line.protocol.pause_writing()
        await line.send((HALF_SENT + BODY) * 3)
        assert b"" == line.transport.written
        assert line.protocol.flow.read_paused

        line.protocol.resume_writing()
        await line.send(b"")
        await line.send(HALF_SENT + BODY)

        assert 3 == line.transport.written.count(SERVED)
        assert 1 == line.transport.written.count(TURNED_AWAY)

    on_a_line(talk, turn_away=turn_away)
