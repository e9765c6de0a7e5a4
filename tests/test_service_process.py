"""The service as it is run: real processes, real sockets, real signals."""

import json
import re
import signal
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.process import HALF_SENT, START_SECONDS, process, read_to_end
from tests.service import event

LOGFMT = re.compile(r'time=\S+ level=\w+ logger=[\w.]+ event=("(?:[^"\\]|\\.)*"|\S+)( \w+=("(?:[^"\\]|\\.)*"|\S*))*')


def failures(made, reason):
    """embedding_event_failures_total of this reason."""
    for family in text_string_to_metric_families(made.ask("GET", "/metrics")[1].decode()):
        for sample in family.samples:
            if (sample.name, sample.labels) == ("embedding_event_failures_total", {"reason": reason}):
                return sample.value
    pytest.fail(f"no failures of reason {reason} in the scrape")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """An exporter that tests share, with small limits."""
    limits = ("--request-timeout-seconds", "2", "--max-body-mib", "2")
    with process(tmp_path_factory.mktemp("running"), *limits) as made:
        yield made.started()


def test_m7_a_body_that_stalls_is_given_up(running):
    """408 and a closed connection, instead of one that stays for ever."""
    with running.connect(HALF_SENT) as connection:
        reply = read_to_end(connection)

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in reply.lower()


def test_m8_slow_clients_do_not_take_the_scrape_down(running):
    """Forty of them at once, and the scrape is answered as ever."""
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(running.connect(HALF_SENT))
        statuses = [running.ask("GET", path)[0] for path in ("/metrics", "/-/healthy", "/")]

    assert [200] * 3 == statuses


def test_m10_a_body_announced_too_large_is_refused_before_it_is_sent(running):
    """A client that asks first is spared the sending."""
    head = b"POST /v1/events HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    with running.connect(head) as connection:
        reply = read_to_end(connection)

    assert reply.startswith(b"HTTP/1.1 413 ")


def test_m10_a_chunked_body_is_cut_at_the_limit(running):
    """However much would follow."""
    head = b"POST /v1/events HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    before = failures(running, "too_large")
    with running.connect(head) as connection:
        sent = 0
        try:
            for _ in range(8):
                connection.sendall(chunk)
                sent += 1
            reply = read_to_end(connection)
        except ConnectionError:
            # It closes while we are still sending.
            reply = None

    assert sent >= 2
    assert reply is None or reply.startswith(b"HTTP/1.1 413 ")
    assert before + 1 == failures(running, "too_large")


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_no_traceback(running):
    """It is counted; there is nothing for an operator to do."""
    before = failures(running, "disconnected")
    for _ in range(5):
        running.connect(HALF_SENT).close()
    deadline = time.monotonic() + 30
    while failures(running, "disconnected") < before + 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert "Traceback" not in running.log()
    assert "level=error" not in running.log()


def test_events_are_taken_while_scrapes_of_many_series_render(running):
    """Neither waits for the other: all are answered."""
    models = [event(model=f"model-{number}", norm=1.0) for number in range(60)]
    assert 202 == running.ask("POST", "/v1/events", json.dumps(models))[0]
    scrapes, done = [], threading.Event()

    def scrape():
        while not done.is_set():
            scrapes.append(running.ask("GET", "/metrics")[0])

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        posts = [running.ask("POST", "/v1/events", json.dumps(models))[0] for _ in range(30)]
    finally:
        done.set()
        scraper.join()

    assert {202} == set(posts)
    assert {200} == set(scrapes)


def test_head_has_no_body(running):
    """The server leaves it out; its length is told."""
    with running.connect(b"HEAD /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n") as connection:
        head, _, body = read_to_end(connection).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"" == body


def test_the_server_does_not_say_what_it_runs_on(running):
    """No version for those who look for old ones."""
    with running.connect(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n") as connection:
        assert b"\r\nserver:" not in read_to_end(connection).lower()


def test_m9_sigterm_ends_it_with_half_sent_requests_open(tmp_path):
    """Exit code 0 within seconds, the open requests answered, and a log that says so line by line, without an error."""
    with process(tmp_path, "--shutdown-timeout-seconds", "1") as made, ExitStack() as stack:
        made.started()
        stack.enter_context(made.connect(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n" * 400))  # and does not read
        stalled = [stack.enter_context(made.connect(HALF_SENT)) for _ in range(20)]
        # Answered behind them, so they have been taken up.
        assert 200 == made.ask("GET", "/-/healthy")[0]

        made.signal(signal.SIGTERM)
        code = made.exit_code()
        replies = [read_to_end(connection) for connection in stalled]
        log = made.log()

    assert 0 == code
    assert all(reply.startswith(b"HTTP/1.1 503 ") and b"retry-after:" in reply.lower() for reply in replies)
    assert "Traceback" not in log
    assert not re.search("level=(warning|error|critical)", log)
    assert "answered with 503" in log
    assert "event=stopped" in log.splitlines()[-1]
    assert not [line for line in log.splitlines() if not LOGFMT.fullmatch(line)]
    assert "Started server process" not in log


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_sigint_ends_it(tmp_path, times):
    """Once is a stop, a second one does not wait for open requests; neither is a failure."""
    patience = "1" if times == 1 else "60"
    with process(tmp_path, "--shutdown-timeout-seconds", patience) as made:
        made.started()
        with made.connect(HALF_SENT):
            assert 200 == made.ask("GET", "/-/healthy")[0]
            made.signal(signal.SIGINT)
            if times == 2:
                # The first has been seen when nobody is let in any more.
                deadline = time.monotonic() + 30
                while not refuses(made):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                made.signal(signal.SIGINT)
            code = made.exit_code()
        log = made.log()

    assert 0 == code
    assert "Traceback" not in log
    assert "event=stopped" in log


def refuses(made):
    try:
        made.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_taken_port_is_said(tmp_path):
    """Exit code 1, and which flag to use."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with process(tmp_path, listen=address) as made:
            code = made.exit_code(START_SECONDS)
            log = made.log()

    assert 1 == code
    assert f"cannot listen on {address}" in log
    assert "--listen" in log
    assert "Traceback" not in log


def test_a_damaged_baseline_file_is_said(tmp_path):
    """Exit code 1, and which file."""
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(b"no baseline")
    with process(tmp_path, "--baseline", str(damaged)) as made:
        code = made.exit_code(START_SECONDS)
        log = made.log()

    assert 1 == code
    assert "damaged.npz" in log
    assert "needed is a .npy file" in log
    assert "Traceback" not in log


def test_more_than_one_worker_is_refused_with_the_reason(tmp_path):
    """State lives in one process: each of several would answer with its own part."""
    with process(tmp_path, "--workers", "2") as made:
        code = made.exit_code(START_SECONDS)
        log = made.log()

    assert 2 == code
    assert "one process" in log


@pytest.mark.parametrize(("listen", "warned"), [("0.0.0.0:0", True), ("127.0.0.1:0", False)])
def test_listening_beyond_this_machine_is_warned_of(tmp_path, listen, warned):
    """Where nothing is set up that closes it. Nothing is said of loopback."""
    with process(tmp_path, listen=listen) as made:
        made.wait_for("event=listening", START_SECONDS)
        made.signal(signal.SIGTERM)
        code = made.exit_code()
        log = made.log()

    assert 0 == code, "a signal that comes while it starts is not lost"
    assert warned == ("without authentication" in log)
    assert warned == ("level=warning" in log)
