"""Admission to ingest: bounded in requests and bytes, in turns of the loop, one large body at a time."""

import asyncio
import gc
import json
import threading
import weakref

import pytest

from app.api.admission import TURN_SECONDS, Admission, Overloaded
from app.model import Shed
from tests.service import JSON, event, service

MIB = 1024 * 1024


def gather(admission, works, *, beside=False):
    """What each piece of work gave, or the exception that it ended with; all are asked for at once."""

    async def go():
        return await asyncio.gather(*(admission.run(work, beside=beside) for work in works), return_exceptions=True)

    return asyncio.run(go())


def spend(monkeypatch, seconds):
    """Work that takes so long, on a clock that nothing else moves."""
    clock = [0.0]
    monkeypatch.setattr("app.api.admission.time.perf_counter", lambda: clock[0])

    def work():
        clock[0] += seconds
        return clock[0]

    return work


def test_work_that_fits_into_a_turn_is_done_at_once(monkeypatch):
    """Without a task in between: most requests never wait."""
    work = spend(monkeypatch, TURN_SECONDS / 4)

    assert [TURN_SECONDS / 4 * n for n in (1, 2, 3)] == gather(Admission(1, MIB), [work] * 3)


def test_past_a_turn_it_waits_and_past_the_places_it_is_refused(monkeypatch):
    """In the order in which it came; what was refused was not begun."""
    work = spend(monkeypatch, TURN_SECONDS)

    results = gather(Admission(2, MIB), [work] * 5)

    assert [TURN_SECONDS * n for n in (1, 2, 3)] == pytest.approx(results[:3])
    assert [Shed.REQUESTS] * 2 == [each.shed for each in results[3:]]


def test_other_callbacks_of_the_loop_have_their_turn_between(monkeypatch):
    """A scrape needs the loop a few times; it gets it after each turn of ingest."""
    work = spend(monkeypatch, TURN_SECONDS)
    admission = Admission(64, MIB)
    done = []

    async def go():
        loop = asyncio.get_running_loop()

        async def one():
            await admission.run(work, beside=False)
            done.append("work")

        def probe():
            done.append("probe")
            if done.count("work") < 20:
                loop.call_soon(probe)

        loop.call_soon(probe)
        await asyncio.gather(*(one() for _ in range(20)))

    asyncio.run(go())

    longest = max(len(run) for run in "".join(each[0] for each in done).split("p"))
    assert longest <= 2


def test_what_fails_fails_its_own_request():
    """And the next is done."""

    def fail():
        raise ValueError("broken")

    results = gather(Admission(8, MIB), [fail, lambda: 1, fail, lambda: 2])

    assert [ValueError, int, ValueError, int] == [type(each) for each in results]


@pytest.mark.parametrize("beside", [False, True])
def test_what_a_refused_request_held_is_let_go_at_once(monkeypatch, beside):
    """Future, exception and frame held each other, and the body, until the next collection: 43 MiB for each bomb."""

    class Body:
        def refuse(self):
            raise ValueError("too large")

    left = []

    async def go():
        admission = Admission(8, MIB)

        async def ask():
            body = Body()
            left.append(weakref.ref(body))
            with pytest.raises(ValueError, match="too large"):
                await admission.run(body.refuse, beside=beside)

        await admission.run(spend(monkeypatch, TURN_SECONDS), beside=False)  # so they have to wait
        await asyncio.gather(*(ask() for _ in range(3)))
        await admission.run(lambda: None, beside=beside)  # the thread has let go of what was before
        return [ref() is None for ref in left]

    gc.disable()
    try:
        assert [True] * 3 == asyncio.run(go())
    finally:
        gc.enable()


def test_work_whose_request_was_given_up_is_left_undone(monkeypatch):
    """A stop does not take in what it answers with 503."""
    work = spend(monkeypatch, TURN_SECONDS)
    admission = Admission(8, MIB)
    begun = []

    async def go():
        first = asyncio.create_task(admission.run(work, beside=False))
        waiting = asyncio.create_task(admission.run(lambda: begun.append("given up"), beside=False))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(first, waiting, return_exceptions=True)
        await admission.run(lambda: begun.append("next"), beside=False)

    asyncio.run(go())

    assert ["next"] == begun
    assert 0 == admission.waiting


def test_large_bodies_are_taken_one_after_the_other():
    """Each may need many times its size for a moment."""
    admission = Admission(8, MIB)
    at_work, most = [0], [0]
    lock = threading.Lock()

    def work():
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        with lock:
            at_work[0] -= 1

    results = gather(admission, [work] * 8, beside=True)
    refused = gather(Admission(2, MIB), [work] * 3, beside=True)
    admission.close()

    assert [None] * 8 == results
    assert 1 == most[0]
    assert [Shed.REQUESTS] == [each.shed for each in refused if isinstance(each, Overloaded)]
    assert 0 == admission.waiting


def test_bytes_are_held_until_they_are_released():
    """What would pass the bound is not counted."""
    admission = Admission(8, 100)
    admission.hold(60)
    with pytest.raises(Overloaded) as refused:
        admission.hold(41)
    assert (Shed.BYTES, 60) == (refused.value.shed, admission.held_bytes)

    admission.release(60)
    admission.hold(100)
    assert 100 == admission.held_bytes


def shed(served):
    """How many requests were shed, by reason."""
    return {
        labels[0][1]: value
        for (name, *labels), value in served.samples().items()
        if name == "embedding_exporter_shed_requests_total"
    }


@pytest.mark.parametrize("path", ["/v1/events", "/v1/outcomes", "/v1/lifecycle"])
def test_a_body_past_the_bytes_that_may_be_under_way_is_told_to_come_again(path):
    """429 with Retry-After on a connection that stays; the one under way is taken, and then there is room again."""
    with service(max_body_mib=1, max_inflight_mib=1) as served:
        body = json.dumps([event(x="." * (MIB * 3 // 4))]).encode()

        async def go():
            other = None

            async def meanwhile():
                nonlocal other
                other = await served.asked("POST", path, [body[: MIB // 2], body[MIB // 2 :]], JSON)
                return {"type": "http.request", "body": body[MIB // 2 :], "more_body": False}

            return await served.asked("POST", "/v1/events", body[: MIB // 2], JSON, after=meanwhile), other

        first, other = served.run(go())

        assert (202, 429) == (first.status, other.status)
        assert "1" == other.headers["retry-after"]
        assert "connection" not in other.headers
        assert "error" in other.json()
        assert {"requests": 0, "bytes": 1} == shed(served)
        assert 202 == served.send(body).status
        assert 0 == served.services.admission.held_bytes


def test_requests_past_the_places_are_told_to_come_again(monkeypatch):
    """Exactly as many are taken as were answered with 202, and scrapes are answered meanwhile."""
    with service(max_waiting_requests=4) as served:
        # Any work takes a whole turn.
        clock = iter(range(10**9))
        monkeypatch.setattr("app.api.admission.time.perf_counter", lambda: float(next(clock)))

        async def go():
            body = json.dumps(event()).encode()
            posts = [served.asked("POST", "/v1/events", body, JSON) for _ in range(20)]
            *replies, scrape = await asyncio.gather(*posts, served.asked("GET", "/metrics"))
            return replies, scrape

        replies, scrape = served.run(go())

        assert 200 == scrape.status
        assert {202: 5, 429: 15} == {status: [r.status for r in replies].count(status) for status in (202, 429)}
        assert {"requests": 15, "bytes": 0} == shed(served)
        key = ("kind", "query"), ("model", "e5"), ("model_version", "2"), ("tokenizer_version", "1")
        assert 5 == served.samples()["embedding_events_total", *key]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"x" * (2 * MIB), {}),
        (b"[", {}),
        (b"no gzip", {"content-encoding": "gzip"}),
        (b"{}", {"content-type": "text/plain"}),
    ],
    ids=["too_large", "malformed", "encoding", "type"],
)
def test_a_refused_body_is_held_no_longer(body, headers):
    """Or the exporter would in the end refuse everything."""
    with service(max_body_mib=1, max_inflight_mib=2) as served:
        halves = [body[: len(body) // 2], body[len(body) // 2 :]]
        assert served.send(halves, headers).status in {400, 413, 415}
        assert 0 == served.services.admission.held_bytes


def test_a_body_whose_sender_leaves_is_held_no_longer():
    """Nor one that is given up."""
    with service() as served:

        async def leave():
            return {"type": "http.disconnect"}

        reply = served.run(served.asked("POST", "/v1/events", b"{", JSON, after=leave))

        assert 400 == reply.status
        assert 0 == served.services.admission.held_bytes
