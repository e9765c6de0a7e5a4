"""Listeners and connections: what a slow, silent or talkative client may hold, and for how long."""

import asyncio
import json
import socket
import time
from contextlib import ExitStack

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.model import Closed
from app.server.connections import REPLY_SECONDS, Connections
from app.server.protocol import MAX_HEAD_BYTES, DoorProtocol
from app.server.server import OTHER_DESCRIPTORS, enough_descriptors
from tests.process import HALF_SENT, process, read_to_end
from tests.service import event

HEAD = b"GET /-/healthy HTTP/1.1\r\nHost: test\r\n"
MAX_CONNECTIONS = 20


class Conversation:
    """One that says what it is told to."""

    def __init__(self, since=None, reason=None):
        self.since, self.reason, self.closed = since, reason, []

    def waiting_since(self):
        return self.since

    def overdue(self, now, request_seconds, reply_seconds):
        return self.reason

    def close(self, reason):
        self.closed.append(reason)

    def shutdown(self):
        pass


class Accepted:
    """A socket that is only shut down."""

    def shutdown(self, how):
        pass


class Room:
    """Connections whose sockets nobody looks at."""

    def __init__(self, limit):
        self.counted = []
        self.connections = Connections(limit, 10.0, self.counted.append)

    def enter(self, conversation=None, now=0.0):
        place = self.connections.enter(Accepted(), now)
        if place is not None:
            place.conversation = conversation
        return place


def test_a_connection_past_the_limit_takes_the_place_of_the_one_that_waited_longest():
    """Not of one that the exporter is at work for, however old."""
    room = Room(3)
    conversations = [Conversation(since=None), Conversation(since=5.0), Conversation(since=3.0)]
    for each in conversations:
        room.enter(each)

    assert room.enter() is not None

    assert [[], [], [Closed.CROWDED]] == [each.closed for each in conversations]
    assert 3 == len(room.connections)
    assert [Closed.CROWDED] == room.counted


def test_where_all_are_at_work_a_connection_is_not_let_in():
    """Nothing is taken from a request under way."""
    room = Room(2)
    for _ in range(2):
        room.enter(Conversation())

    assert room.enter() is None
    assert 2 == len(room.connections)


def test_a_handshake_waits_too_and_is_ended_at_its_socket():
    """It has no conversation yet that could be asked."""
    room = Room(1)
    one, other = socket.socketpair()
    with other:
        room.connections.enter(one, 0.0)
        room.enter()

        assert b"" == other.recv(1)
        one.close()


def test_what_is_overdue_is_closed_and_counted():
    """By the sweep; the others stay."""
    room = Room(3)
    late, fine = Conversation(reason=Closed.SLOW_READER), Conversation()
    for each in (late, fine, None):
        room.enter(each)

    room.connections.sweep(now=1.0)

    assert [[Closed.SLOW_READER], []] == [late.closed, fine.closed]
    assert [Closed.SLOW_READER] == room.counted


class Transport(asyncio.Transport):
    """Keeps what was written; `unread` of it has not left."""

    def __init__(self):
        super().__init__()
        self.written, self.unread, self.closing, self.aborted = b"", 0, False, False

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return self.unread

    def is_closing(self):
        return self.closing

    def close(self):
        self.closing = True

    def abort(self):
        self.closing = self.aborted = True

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


class Line:
    """A conversation on a loop's own clock, with an application that answers before it reads, or when it is told."""

    def __init__(self, loop, *, answers=True, turn_away=None):
        async def app(scope, receive, send):
            if not answers:
                await self.answer.wait()
            await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        self.room = Room(4)
        self.answer = asyncio.Event()
        self.transport = Transport()
        self.began = loop.time()
        config = uvicorn.Config(app, loop="none", lifespan="off", log_config=None)
        self.protocol = DoorProtocol(
            config,
            ServerState(),
            {},
            connections=self.room.connections,
            place=self.room.enter(),
            admitted=lambda certificate: True,
            turn_away=turn_away,
        )
        self.protocol.connection_made(self.transport)

    async def send(self, data):
        self.protocol.data_received(data)
        for _ in range(5):
            await asyncio.sleep(0)

    def overdue(self, seconds):
        """Why it would be closed so many seconds from now."""
        now = asyncio.get_running_loop().time() + seconds
        return self.protocol.overdue(now, 10.0, REPLY_SECONDS)


def on_a_line(talk, **options):
    async def go():
        await talk(Line(asyncio.get_running_loop(), **options))

    asyncio.run(go())


@pytest.mark.parametrize(
    ("sent", "late"),
    [
        (b"", True),
        (b"GET / HT", True),
        (HEAD, True),
        (HEAD + b"\r\n", False),
        (HEAD + b"\r\n" + b"GET", True),
        (HALF_SENT, True),
        (HALF_SENT + b" " * 99, False),
    ],
    ids=["silent", "half a line", "half a head", "idle", "half of the next", "half a body", "whole"],
)
def test_an_answered_client_owes_a_whole_request_or_silence(sent, late):
    """Half a request is late after its time, an answered one too; an idle connection is uvicorn's affair."""

    async def talk(line):
        await line.send(sent)

        assert line.overdue(9.0) is None
        assert (Closed.SLOW_REQUEST if late else None) == line.overdue(11.0)

    on_a_line(talk)


def test_line_ends_between_requests_do_not_keep_a_connection_open():
    """Each of them ends uvicorn's timer of idle connections, and none begins a request."""

    async def talk(line):
        await line.send(HEAD + b"\r\n")
        for _ in range(3):
            await line.send(b"\r\n")

        assert Closed.SLOW_REQUEST == line.overdue(11.0)

    on_a_line(talk)


def test_the_time_of_a_head_begins_with_its_first_byte():
    """A connection may be kept for hours."""

    async def talk(line):
        line.protocol._since -= 3600
        await line.send(HEAD + b"\r\n")
        await line.send(b"G")

        assert line.overdue(9.0) is None

    on_a_line(talk)


def test_a_request_under_way_is_never_overdue():
    """However long the exporter takes, and whatever comes behind it; a body has its deadline where it is read."""

    async def talk(line):
        await line.send(HEAD + b"\r\n" + b"GET")

        assert line.overdue(3600.0) is None
        assert line.protocol.waiting_since() is None

    on_a_line(talk, answers=False)


def test_half_a_body_is_waited_for_and_may_lose_its_place():
    """Of 512 half-sent bodies the oldest makes room for a scrape."""

    async def talk(line):
        await line.send(HALF_SENT)

        assert line.protocol.waiting_since() is not None
        assert line.overdue(3600.0) is None

    on_a_line(talk, answers=False)


def test_a_client_that_does_not_read_is_closed_after_a_minute():
    """Its reply would stay in memory for ever; one that read in between has its time anew."""

    async def talk(line):
        await line.send(HEAD + b"\r\n")
        line.transport.unread = 1000
        assert line.overdue(0.0) is None
        assert Closed.SLOW_READER == line.overdue(REPLY_SECONDS + 1)
        line.transport.unread = 0
        assert line.overdue(REPLY_SECONDS + 1) is None
        line.transport.unread = 1000
        assert line.overdue(2 * REPLY_SECONDS) is None

        line.protocol.close(Closed.SLOW_READER)
        assert line.transport.aborted

    on_a_line(talk)


def test_whoever_leaves_in_the_middle_of_several_requests_leaves_no_traceback(caplog):
    """The one that was served went on writing to a connection that was gone."""

    async def talk(line):
        await line.send((HEAD + b"\r\n") * 3)
        line.transport.write = None
        line.protocol.connection_lost(None)
        line.answer.set()
        for _ in range(5):
            await asyncio.sleep(0)

    on_a_line(talk, answers=False)

    assert [] == caplog.records


@pytest.mark.parametrize(("sent", "status"), [(b"", b""), (HEAD, b"HTTP/1.1 408 "), (HALF_SENT, b"HTTP/1.1 429 ")])
def test_a_late_client_is_told_so_where_it_began_a_head(sent, status):
    """One that said nothing is not listening, and one that was answered had its reply."""

    async def talk(line):
        await line.send(sent)
        line.protocol.close(Closed.SLOW_REQUEST)

        assert line.transport.closing
        assert line.transport.written.startswith(status)
        assert 1 >= line.transport.written.count(b"HTTP/1.1 ")

    on_a_line(talk)


@pytest.mark.parametrize("sent", [HEAD, b"no HTTP\r\n\r\n", HEAD + b"X-Long: " + b"a" * MAX_HEAD_BYTES])
def test_what_is_said_last_has_the_headers_of_every_reply_and_its_length(sent):
    """Those of the settings were left out where no application answered."""

    async def talk(line):
        line.protocol.server_state.default_headers = [(b"x-frame-options", b"deny")]
        await line.send(sent)
        if not line.transport.closing:
            line.protocol.close(Closed.SLOW_REQUEST)

        head, _, body = line.transport.written.partition(b"\r\n\r\n")
        assert {b"x-frame-options: deny", b"connection: close", b"content-length: %d" % len(body)} <= {
            *head.splitlines()
        }
        assert json.loads(body)["error"]

    on_a_line(talk)


@pytest.mark.parametrize(
    "begin",
    [
        HEAD + b"X-Long: ",
        b"GET /",
        b"POST /v1/events HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Trailer: ",
        b"POST /v1/events HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1;extension=",
    ],
    ids=["header", "path", "trailer", "chunk extension"],
)
def test_a_head_without_end_is_ended(begin):
    """The parser itself would keep it all, and copy it again with each piece."""

    async def talk(line):
        await line.send(begin)
        sent = 0
        while not line.transport.closing:
            assert sent <= MAX_HEAD_BYTES
            await line.send(b"a" * 1000)
            sent += 1000

        assert b"HTTP/1.1 431 " in line.transport.written
        assert [Closed.HEAD_TOO_LARGE] == line.room.counted

    on_a_line(talk)


def test_a_body_is_no_head():
    """Megabytes of it pass."""

    async def talk(line):
        await line.send(b"POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Length: 10000000\r\n\r\n")
        for _ in range(100):
            await line.send(b" " * 100_000)

        assert not line.transport.closing
        assert [] == line.room.counted

    on_a_line(talk)


def test_enough_descriptors_says_what_the_system_allows(monkeypatch):
    """The limit is raised where it may be; connections beyond it are a mistake in the settings."""
    limits = [(1024, 4096)]
    monkeypatch.setattr("resource.getrlimit", lambda _: limits[-1])
    monkeypatch.setattr("resource.setrlimit", lambda _, wanted: limits.append(wanted))

    assert enough_descriptors(512) is None
    assert 1 == len(limits)
    assert enough_descriptors(2000) is None
    assert (2000 + OTHER_DESCRIPTORS, 4096) == limits[-1]
    assert 4096 == enough_descriptors(4000)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """An exporter that tests share, with small limits."""
    limits = ("--request-timeout-seconds", "1", "--max-connections", str(MAX_CONNECTIONS))
    with process(tmp_path_factory.mktemp("running"), *limits) as made:
        yield made.started()


def closed(made):
    """embedding_exporter_closed_connections_total by reason."""
    lines = made.ask("GET", "/metrics")[1].decode().splitlines()
    prefix = 'embedding_exporter_closed_connections_total{reason="'
    return {line[len(prefix) :].partition('"')[0]: float(line.split()[-1]) for line in lines if line.startswith(prefix)}


def test_r28_a_head_that_does_not_come_is_given_up(running):
    """uvicorn alone waits for ever (uvicorn#157)."""
    before = closed(running)
    with running.connect(HEAD) as half, running.connect() as silent:
        replies = [read_to_end(each) for each in (half, silent)]

    assert replies[0].startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in replies[0]
    assert b"" == replies[1]
    assert before["slow_request"] + 2 == closed(running)["slow_request"]


def test_what_is_no_http_is_answered_once_and_not_logged(running):
    """A log line for each would let anybody fill the disk."""
    logged = running.log()
    with running.connect(b"\x16\x03\x01 this is TLS\r\n\r\n") as connection:
        assert read_to_end(connection).startswith(b"HTTP/1.1 400 ")

    assert closed(running)["malformed"] >= 1
    assert logged == running.log()


@pytest.mark.parametrize("sent", [b"", HEAD, HALF_SENT], ids=["silent", "half a head", "half a body"])
def test_r28_connections_past_the_limit_make_room_for_a_scrape(running, sent):
    """Three times as many half-open ones as may be, and more all the time: each scrape is answered at once."""
    with ExitStack() as stack:
        for _ in range(3 * MAX_CONNECTIONS):
            stack.enter_context(running.connect(sent))
        for _ in range(5):
            stack.enter_context(running.connect(sent))
            assert 200 == running.ask("GET", "/metrics")[0]
            assert 202 == running.ask("POST", "/v1/events", json.dumps(event()))[0]
        descriptors = running.descriptors()

    assert descriptors < MAX_CONNECTIONS + 60


def test_a_body_that_was_answered_early_may_still_be_sent_and_the_next_request_follows(tmp_path):
    """A sender that is told 429 in the middle of its body sees the reply, not a reset."""
    with process(tmp_path, "--max-body-mib", "1", "--max-inflight-mib", "1") as made:
        made.started()
        size = 1024 * 1024
        head = (
            b"POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % size
        )
        with made.connect(head + b" " * (size - 1)) as holds, made.connect() as shed:
            deadline = time.monotonic() + 30
            while made.metric("embedding_exporter_held_bytes") < size // 2:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            shed.sendall(head + b" " * size + HEAD + b"Connection: close\r\n\r\n")
            replies = read_to_end(shed)
            holds.sendall(b" ")
            assert holds.recv(1 << 16).startswith(b"HTTP/1.1 400 ")  # nothing but spaces

    assert [b"429", b"200"] == [reply[:3] for reply in replies.split(b"HTTP/1.1 ")[1:]]
    assert b"retry-after: 1" in replies.lower()
