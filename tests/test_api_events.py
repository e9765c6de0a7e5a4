"""POST /v1/events: every reply, what is counted, and that nothing of the input comes back."""

import asyncio
import gzip
import json
import logging
import threading
import time

import pytest

from app.api import events, intake
from app.decode import arrow
from tests.forms import ARROW, FORMS
from tests.service import JSON, event, service, zipped

CANARY = "canary-7f3a"


@pytest.fixture
def served():
    with service() as made:
        yield made


@pytest.fixture
def small():
    """A service whose limits are soon reached."""
    with service(max_body_mib=1, max_inflated_mib=1, request_timeout_seconds=0.05) as made:
        yield made


def test_good_events_beside_bad_ones_are_taken(served):
    """202 with counts and the position, field and reason of what was refused."""
    reply = served.post([event(), event(scores=[0.1, 0.9]), event(timestamp=served.clock.now() - 7200), event()])

    told = reply.json()
    assert 202 == reply.status
    assert "application/json" == reply.headers["content-type"]
    assert {"accepted": 2, "rejected": 1, "duplicates": 0, "late": 1} == {
        k: v for k, v in told.items() if k != "errors"
    }
    assert [{"index", "field", "reason"}] == [set(each) for each in told["errors"]]
    assert (1, "scores") == (told["errors"][0]["index"], told["errors"][0]["field"])
    assert {"scores": 1} == served.failures()


def test_ten_errors_are_told_and_all_are_counted(served):
    """The reply stays small, the counter does not."""
    reply = served.post([event(), *[event(norm=-1)] * 12])

    assert 202 == reply.status
    assert 12 == reply.json()["rejected"]
    assert list(range(1, 11)) == [each["index"] for each in reply.json()["errors"]]
    assert {"norm": 12} == served.failures()


def test_errors_of_the_decoder_and_of_the_store_come_in_the_order_of_the_request(served):
    """Another similarity metric than the series has is found only by the store."""
    served.post(event())

    reply = served.post([event(similarity_metric="dot"), event(norm=-1), event()])

    assert [(0, "similarity_metric"), (1, "norm")] == [(e["index"], e["field"]) for e in reply.json()["errors"]]


def test_a_batch_of_nothing_but_duplicates_is_accepted(served):
    """202: the sender tried again and did nothing wrong."""
    batch = [event(event_id="a"), event(event_id="b")]
    served.post(batch)

    reply = served.post(batch)

    assert 202 == reply.status
    assert (0, 2) == (reply.json()["accepted"], reply.json()["duplicates"])
    assert 2 == served.samples()[("embedding_events_ignored_total", ("reason", "duplicate"))]


def test_a_batch_of_which_nothing_is_acceptable_is_refused(served):
    """422 with the same body as 202."""
    reply = served.post([{"scores": [0.5]}, event(kind="picture")])

    assert 422 == reply.status
    assert (0, 2) == (reply.json()["accepted"], reply.json()["rejected"])
    assert {"missing_field": 1, "field_type": 1} == served.failures()


def test_no_events_are_accepted(served):
    """202: an empty list is well-formed, and nothing in it was refused."""
    assert 202 == served.post({"model": "e5", "events": []}).status


def test_a_chunked_body_is_put_together(served):
    """The pieces of a body may end anywhere."""
    whole = json.dumps([event()] * 3).encode()

    reply = served.send([whole[:7], b"", whole[7:40], whole[40:]])

    assert (202, 3) == (reply.status, reply.json()["accepted"])


@pytest.mark.parametrize("body", [b"", b"{", b"3", b"\xff\xfe", b'"text"', b"[1, 2"])
def test_what_is_not_json_is_malformed(served, body):
    """400, counted once."""
    reply = served.send(body)

    assert 400 == reply.status
    assert {"error"} == set(reply.json())
    assert {"malformed": 1} == served.failures()


def test_the_sender_that_leaves_is_counted(served):
    """The reply goes nowhere; the count tells of broken networks."""

    async def leave():
        return {"type": "http.disconnect"}

    reply = served.run(served.asked("POST", "/v1/events", b'{"model"', JSON, after=leave))

    assert 400 == reply.status
    assert {"disconnected": 1} == served.failures()


def test_a_body_that_stalls_times_out(small):
    """408, and the connection is given up."""
    reply = small.run(small.asked("POST", "/v1/events", b'{"model"', JSON, after=asyncio.Event().wait))

    assert 408 == reply.status
    assert "close" == reply.headers["connection"]
    assert "0.05 s" in reply.json()["error"]
    assert {"too_slow": 1} == small.failures()


def test_a_body_announced_too_large_is_not_read(small):
    """413 from the Content-Length alone."""

    async def never():
        pytest.fail("the body was read")

    reply = small.run(small.asked("POST", "/v1/events", [b""], JSON | {"content-length": "1048577"}, after=never))

    assert 413 == reply.status
    assert "close" == reply.headers["connection"]
    assert {"too_large": 1} == small.failures()


def test_a_chunked_body_is_cut_at_the_limit(small):
    """413 where no length was announced."""
    reply = small.send([b"x" * 2**19] * 3)

    assert 413 == reply.status
    assert {"too_large": 1} == small.failures()


def test_a_body_that_inflates_too_far_is_refused(small):
    """413 for two kilobytes that become two megabytes."""
    reply = small.send(gzip.compress(b" " * 2**21), {"content-encoding": "gzip"})

    assert 413 == reply.status
    assert {"too_large": 1} == small.failures()


def test_too_many_events_are_refused(served):
    """413 with the limit."""
    reply = served.post([event()] * 1001)

    assert 413 == reply.status
    assert "1000" in reply.json()["error"]


@pytest.mark.parametrize(
    ("headers", "supported"),
    [
        ({"content-type": CANARY}, ["application/json", "application/x-ndjson"]),
        ({"content-type": ""}, ["application/json", "application/x-ndjson"]),
        ({"content-type": "application/json", "content-encoding": CANARY}, ["gzip", "identity", "zstd"]),
    ],
    ids=["another type", "no type", "another encoding"],
)
def test_an_unsupported_type_or_encoding_is_answered_with_those_supported(served, headers, supported):
    """415 with the list."""
    reply = served.post(event(), headers)

    assert 415 == reply.status
    assert all(each in reply.json()["error"] for each in supported)
    assert CANARY not in reply.text()
    assert {"media_type": 1} == served.failures()


def test_header_values_may_be_written_in_any_case_and_with_parameters(served):
    """As the RFC has it."""
    headers = {"content-type": "Application/JSON; charset=utf-8", "content-encoding": "GZip"}

    assert 202 == served.send(zipped(event()), headers).status


class Held:
    """A function that, once it is called in a thread, waits until it is let go."""

    def __init__(self, function):
        self._function = function
        self._loop = asyncio.get_running_loop()
        self._called = asyncio.Event()
        self._let_go = threading.Event()

    def __call__(self, *arguments):
        self._loop.call_soon_threadsafe(self._called.set)
        assert self._let_go.wait(30)
        return self._function(*arguments)

    async def called(self):
        await asyncio.wait_for(self._called.wait(), 30)

    def let_go(self):
        self._let_go.set()


def test_a_large_body_is_decoded_beside_the_loop(served, monkeypatch):
    """While one is decoded, the next request is answered."""

    async def go():
        held = Held(events.decode)
        monkeypatch.setattr(events, "decode", held)
        body = json.dumps(event(note="x" * intake.OFF_LOOP_BYTES)).encode()
        large = asyncio.create_task(served.asked("POST", "/v1/events", body, JSON))
        await held.called()
        healthy = await served.asked("GET", "/-/healthy")
        held.let_go()
        return healthy, await large

    healthy, large = served.run(go())

    assert (200, 202) == (healthy.status, large.status)


def test_the_first_arrow_body_is_decoded_beside_the_loop(served, monkeypatch):
    """Its decoder imports pyarrow, which takes a fifth of a second; the next ones find it there."""
    arrow._pyarrow.cache_clear()
    decode, threads = events.decode, []

    def noted(*arguments):
        threads.append(threading.current_thread())
        return decode(*arguments)

    monkeypatch.setattr(events, "decode", noted)
    body = FORMS["arrow"].encode([event()])

    assert [202, 202] == [served.send(body, {"content-type": ARROW}).status for _ in range(2)]
    assert [False, True] == [each is threading.main_thread() for each in threads]


def test_ingest_goes_on_while_a_scrape_renders(served, monkeypatch):
    """However long a scrape takes, it holds no event up."""

    async def go():
        exposition = served.services.metrics.exposition
        held = Held(exposition.render)
        monkeypatch.setattr(exposition, "render", held)
        scrape = asyncio.create_task(served.asked("GET", "/metrics"))
        await held.called()
        taken = await served.asked("POST", "/v1/events", json.dumps(event()).encode(), JSON)
        held.let_go()
        return taken, await scrape

    taken, scrape = served.run(go())

    assert (202, 200) == (taken.status, scrape.status)


ERROR_PATHS = {
    "wrong type": [event(**{name: {CANARY: CANARY}})
                   for name in ("model", "timestamp", "sample_rate", "embedding", "norm", "scores", "top_k", "error",
                                "kind", "similarity_metric", "result_count", "latency_seconds", "event_id")],
    "wrong value": [
        event(model=CANARY * 40),
        event(model_version=CANARY + "\x00"),
        event(tokenizer_version=CANARY + "\ud800"),
        event(model=CANARY + "\u2028"),
        event(kind=CANARY),
        event(similarity_metric=CANARY),
        event(timestamp=CANARY),
        event(embedding=CANARY + "!"),
        event(embedding=[CANARY]),
        event(scores=[CANARY]),
        event(labels={CANARY: 3}),
        event(labels=CANARY),
    ],
    "no object": [CANARY, [CANARY], {CANARY: CANARY}],
}  # fmt: skip


@pytest.mark.parametrize("refused", ERROR_PATHS.values(), ids=ERROR_PATHS)
def test_no_refused_event_comes_back_in_a_reply_or_a_log(served, refused, caplog, capfd):
    """What was sent may be personal: neither reply nor log holds any of it."""
    caplog.set_level(logging.DEBUG)

    # One by one, since ten errors are told of each request.
    replies = [served.post([each]) for each in refused]

    assert {422} == {reply.status for reply in replies}
    assert CANARY not in "".join(reply.text() for reply in replies)
    assert CANARY not in caplog.text + str(capfd.readouterr())
    assert CANARY not in served.get("/metrics").text()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (CANARY.encode(), {}),
        (b'{"' + CANARY.encode(), {}),
        (b'"' + CANARY.encode() + b'"', {}),
        (CANARY.encode(), {"content-encoding": "gzip"}),
        (CANARY.encode(), {"content-encoding": "zstd"}),
        (CANARY.encode(), {"content-type": "application/x-ndjson"}),
        (CANARY.encode(), {"content-type": f"text/{CANARY}"}),
        (CANARY.encode(), {"content-encoding": CANARY}),
    ],
)
def test_no_refused_body_comes_back_in_a_reply_or_a_log(served, body, headers, caplog, capfd):
    """The same for requests refused as a whole."""
    caplog.set_level(logging.DEBUG)

    reply = served.send(body, headers)

    assert 400 <= reply.status < 500
    assert CANARY not in reply.text() + caplog.text + str(capfd.readouterr())


@pytest.mark.parametrize("path", [f"/{CANARY}", f"/v1/baselines/{CANARY}", f"/v1/events/{CANARY}"])
def test_no_wrong_address_comes_back(served, path):
    """404 says where the right ones are."""
    reply = served.get(path)

    assert 404 == reply.status
    assert CANARY not in reply.text() + str(reply.headers)
    assert {"error"} == set(reply.json())


def test_requests_are_timed_by_route_and_class_of_status(served):
    """The path is a template and never what was sent, which has no bound."""
    served.post(event())
    served.send(b"")
    served.get(f"/v1/baselines/{CANARY}")

    counts = {
        (dict(labels)["route"], dict(labels)["code"]): value
        for (name, *labels), value in served.samples().items()
        if name == "embedding_exporter_request_duration_seconds_count"
    }
    assert 1 == counts["/v1/events", "2xx"]
    assert 1 == counts["/v1/events", "4xx"]
    assert 1 == counts["/v1/baselines/{baseline_id}", "4xx"]


def test_a_request_cut_off_by_the_stop_is_told_to_try_again(served):
    """The server cancels what is left at the end of its patience: 503 with Retry-After, and no traceback."""

    async def go():
        stalled = asyncio.Event()

        async def stall():
            stalled.set()
            await asyncio.Event().wait()

        request = asyncio.create_task(served.asked("POST", "/v1/events", b"{", JSON, after=stall))
        await asyncio.wait_for(stalled.wait(), 30)
        request.cancel()
        return await request

    reply = served.run(go())

    assert 503 == reply.status
    assert "retry-after" in reply.headers
    assert "close" == reply.headers["connection"]


def test_refusing_many_wrong_items_is_quick(served):
    """A thousand wrong events, as many as a request may hold, cost no more than their decoding."""
    batch = [event(scores=[0.1, 0.9])] * 1000
    begun = time.process_time()

    reply = served.post(batch)

    assert 422 == reply.status
    assert len(reply.body) < 2000
    assert time.process_time() - begun < 2
