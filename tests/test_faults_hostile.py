"""Anything at all, on real sockets (R19, R26, R28, R29): no 500, no hang, and the scrape goes on."""

import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
import zlib
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.access import Role
from app.decode.encoding import zstd
from tests.process import HALF_A_HEAD, HALF_SENT, Pair, process, read_to_end
from tests.service import event
from tests.stopping import stopped_under_load
from tests.test_access import TOKENS

MIB = 1024 * 1024
ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.faults


def parsed(made):
    """How many families a scrape has, which must be answered and must parse."""
    status, body = made.ask("GET", "/metrics")
    assert 200 == status
    return sum(1 for _ in text_string_to_metric_families(body.decode()))


HOOKS = {"SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
REPLACED = "positive_data_acceptance,negative_data_rejection"
"""The checks that the hooks have in their own words, with what no schema can say."""


@pytest.mark.parametrize("examples", [30, pytest.param(250, marks=pytest.mark.nightly)])
def test_r26_schemathesis_finds_nothing(tmp_path, examples):
    """Two thousand requests and more made of the OpenAPI document, with tokens on, and every check."""
    for role, token in TOKENS.items():
        (tmp_path / role).write_text(token)
    flags = [text for role in Role for text in (f"--{role}-token-file", str(tmp_path / role))]
    with process(tmp_path, *flags) as made:
        made.headers = {"Authorization": f"Bearer {TOKENS[Role.ADMIN]}"}
        made.started()
        said = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                "run",
                f"http://{made.host}:{made.port}/openapi.json",
                *("--header", f"Authorization: Bearer {TOKENS[Role.ADMIN]}"),
                *("--checks", "all", "--exclude-checks", REPLACED),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples)),
                *("--max-response-time", "5", "--request-timeout", "10"),
                *("--seed", "7", "--no-color", "--warnings", "off"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | HOOKS,
        )
        assert 0 == said.returncode, said.stdout[-6000:] + said.stderr
        parsed(made)
        log = made.log()

    assert int(re.search(r"(\d+) generated", said.stdout)[1]) >= 2000
    assert "Traceback" not in log


PIECES = st.sampled_from(
    [
        *(b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"/metrics", b"/v1/events", b"/v1/baselines", b"*", b"http://a/"),
        *(b"/%00%ff", b"?name[]=", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b"\r\n", b"\n", b"\r\n\r\n", b": "),
        *(b"Host: test", b"Content-Length: 5", b"Content-Length: 99999999999999999999", b"Content-Length: -1"),
        *(b"Transfer-Encoding: chunked", b'5\r\n{"a"}\r\n', b"0\r\n\r\n", b"fffffffffffffffff\r\n"),
        *(b"Content-Type: application/json", b"Content-Encoding: gzip", b"Connection: close", b"x" * 5000),
        *(b"Connection: Upgrade\r\nUpgrade: websocket", b"Expect: 100-continue", b"Authorization: Basic "),
        *(b"{}", b"[", b'{"model": "e5"}', b"\x00", b"\xff\xfe", b"\x16\x03\x01\x02\x00\x01\x00"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
)
BYTES = st.lists(st.one_of(PIECES, PIECES, st.binary(max_size=20)), min_size=1, max_size=14).map(b"".join)


def test_r26_raw_bytes_are_answered_or_ended(tmp_path):
    """Pieces of HTTP in any order: each connection ends within its time, none with a 500."""
    with process(tmp_path, "--request-timeout-seconds", "1") as made:
        made.started()
        count = 0

        @hypothesis.settings(max_examples=1000, deadline=None, derandomize=True, database=None)
        @hypothesis.given(BYTES)
        def send(sent):
            nonlocal count
            count += 1
            with socket.create_connection((made.host, made.port), timeout=20) as connection:
                received = b""
                try:
                    connection.sendall(sent)
                    connection.shutdown(socket.SHUT_WR)
                    received = read_to_end(connection)
                except ConnectionError:
                    pass  # it may close while we are still sending
            assert not re.search(rb"^HTTP/1\.1 5", received, re.MULTILINE), received[:200]
            if count % 100 == 0:
                parsed(made)

        send()
        parsed(made)
        log = made.log()

    assert "Traceback" not in log
    assert "level=error" not in log


def bomb(encoding):
    """10 GB of zeros, squeezed."""
    block = bytes(16 * MIB)
    if encoding == "zstd":
        squeeze = zstd.ZstdCompressor(level=1)
        return b"".join([*(squeeze.compress(block) for _ in range(640)), squeeze.flush()])
    # After a full flush a block is squeezed to the same bytes again: squeezing all of them takes minutes.
    squeeze = zlib.compressobj(9, wbits=31)
    first, again = (squeeze.compress(block) + squeeze.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + 639 * again


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_r29_a_bomb_is_refused_where_the_limit_is_reached(tmp_path, encoding):
    """10 GB of zeros, squeezed to some megabytes or less: 413, after little work, and in bounded memory."""
    body = bomb(encoding)
    with process(tmp_path) as made:
        made.started()
        parsed(made)
        before = made.resident_bytes()
        begun = made.cpu_seconds()
        headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
        replies = [made.ask("POST", "/v1/events", body, headers=headers) for _ in range(6)]
        took = (made.cpu_seconds() - begun) / 6
        growth = made.peak_resident_bytes() - before
        parsed(made)

    assert {413} == {status for status, _ in replies}
    assert b"inflated" in replies[0][1]
    assert took < 2
    # One at a time is inflated, to the limit and no further, and nothing of it is left for the next; the body is there
    # in pieces and as a whole; a window of 8 MiB, and as much for what the allocator keeps.
    assert growth < 2 * len(body) + (32 + 8 + 8) * MIB, f"{growth / MIB:.0f} MiB for a body of {len(body) / MIB:.1f}"


@pytest.mark.parametrize("hold_seconds", [10, pytest.param(60, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", ["half a head", "half a body", "silent", "unread"])
def test_r28_five_hundred_half_open_connections_do_not_hold_the_scrape(tmp_path, kind, hold_seconds):
    """For a while, those that are closed made again, so that there are always as many: every scrape within a second."""
    sent = {
        "half a head": HALF_A_HEAD,
        "half a body": HALF_SENT,
        "silent": b"",
        "unread": (HALF_A_HEAD + b"\r\n") * 20,
    }[kind]
    (tmp_path / "quiet").mkdir()
    with process(tmp_path) as made, process(tmp_path / "quiet") as quiet, ExitStack() as stack:
        pair = Pair(made.started(), quiet.started())
        open_ones = [stack.enter_context(made.connect(sent)) for _ in range(500)]
        done = threading.Event()

        def hold():
            while not done.is_set():
                readable, _, _ = (
                    select.select(open_ones, [], [], 0.05) if kind != "unread" else ([], [], done.wait(0.05))
                )
                for each in readable:
                    try:
                        ended = not each.recv(65536)
                    except ConnectionError:
                        ended = True
                    if ended:
                        open_ones.remove(each)
                        each.close()
                        open_ones.append(stack.enter_context(made.connect(sent)))

        holder = threading.Thread(target=hold)
        holder.start()
        try:
            end = time.monotonic() + hold_seconds
            while time.monotonic() < end:
                # The scrape alone: reading the page takes this process, which also holds the others, its own time.
                status, page = pair.ask("/metrics")
                assert 200 == status
                assert list(text_string_to_metric_families(page.decode()))
                assert 202 == made.ask("POST", "/v1/events", json.dumps(event()))[0]
                time.sleep(0.2)
            descriptors = made.descriptors()
        finally:
            done.set()
            holder.join()
        log = made.log()

    assert pair.p99() < pair.within(1), sorted(pair.seconds)[-5:]
    assert max(pair.seconds) < pair.within(5)
    assert descriptors <= 512 + 64
    assert "Traceback" not in log


def test_r19_a_stop_under_load_with_half_open_clients_is_soon(tmp_path):
    """Under ten seconds with fifty of them and senders at work; every request is answered, with 202 or 503, or refused.

    Not ready from the first moment.
    """
    statuses = []
    with process(tmp_path) as made:
        made.started()
        took = stopped_under_load(made, json.dumps([event() for _ in range(100)]), statuses, errors=[])
        log = made.log()

    assert took < 10
    assert {202, 503} >= set(statuses)
    assert "Traceback" not in log
    assert "level=error" not in log
    assert "event=stopped" in log
