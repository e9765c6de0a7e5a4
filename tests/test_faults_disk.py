"""R16: a disk that runs full. Nothing is acknowledged that is not on it, scrapes go on, and space is all it needs."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from tests.senders import Sender, until
from tests.service import event
from tests.test_faults_kills import totals
from tests.test_service_process import process

pytestmark = pytest.mark.faults

INTERVAL_SECONDS = 15.0


@pytest.fixture
def disk(tmp_path):
    """A file system of 1 MiB of its own, in memory."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        reason = "mounting a small tmpfs needs root and mount"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}: in CI nothing may be left out")
        pytest.skip(reason)
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def resize(path, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", str(path)], check=True)


@contextmanager
def scraped(running):
    """Scraped and probed all the while; every status that came."""
    statuses, done = [], threading.Event()

    def scrape():
        while not done.is_set():
            for path in ("/metrics", "/-/healthy", "/-/ready"):
                try:
                    statuses.append(running.ask("GET", path)[0])
                except (OSError, http.client.HTTPException) as error:
                    statuses.append(type(error).__name__)
            time.sleep(0.05)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield statuses
    finally:
        done.set()
        thread.join()


def fill(path):
    """All that is left, with a file of somebody else's."""
    with (path / "somebody-elses").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            pass
        try:
            while True:
                file.write(bytes(64))
        except OSError:
            pass


def none_is_acknowledged_for_a_second(senders):
    """Whether each has after it what it had before."""
    before = [each.acknowledged for each in senders]
    time.sleep(1.0)
    return before == [each.acknowledged for each in senders]


@pytest.mark.parametrize("cause", ["journal", "somebody else"])
def test_r16_a_full_disk_refuses_events_until_there_is_space(disk, tmp_path, cause):
    """503 with Retry-After and nothing else; within an interval of space returning all goes on, without a restart.

    Counts are exact then, and after a SIGKILL, although every refused batch was sent again and again.
    """
    flags = ("--state-dir", str(disk / "state"), "--state-mode", "journal")
    with process(tmp_path, *flags) as running:
        running.started()
        senders = [Sender((running.host, running.port), seed, most_events=50) for seed in (1, 2)]
        with scraped(running) as statuses:
            for each in senders:
                each.start()
            until(lambda: min(each.acknowledged for each in senders) > 100)
            if cause == "somebody else":
                fill(disk)
            until(lambda: all(len(each.refused) > 20 for each in senders))
            # A smaller batch may still find room where larger ones were refused.
            until(lambda: none_is_acknowledged_for_a_second(senders))
            full = [each.acknowledged for each in senders]
            assert 1.0 == facts(running)["embedding_exporter_state_journal_failing"]
            begun = time.monotonic()
            if cause == "somebody else":
                (disk / "somebody-elses").unlink()
            else:
                resize(disk, "32m")
            until(lambda: all(each.acknowledged > was for each, was in zip(senders, full, strict=True)))
            recovered = time.monotonic() - begun
            time.sleep(0.5)
            if cause == "somebody else":
                resize(disk, "32m")
            for each in senders:
                each.stop()
        after = totals(running, "embedding_events_total")
        assert 0.0 == facts(running)["embedding_exporter_state_journal_failing"]
        running.signal(signal.SIGKILL)
        running.exit_code()
        log = running.log()
    (tmp_path / "again").mkdir()
    with process(tmp_path / "again", *flags) as running:
        restored = totals(running.started(), "embedding_events_total")
        # A kill would leave a snapshot half-written now and then, as it may.
        running.signal(signal.SIGTERM)
        assert 0 == running.exit_code()

    assert recovered < INTERVAL_SECONDS
    assert {200} == set(statuses)
    assert {each.model: each.acknowledged for each in senders} == after == restored
    refused = [reply for each in senders for reply in each.refused]
    assert {503} == {status for status, _ in refused}
    assert all(int(headers["retry-after"]) > 0 for _, headers in refused)
    assert [] == list((disk / "state").rglob("*.tmp")) == list((disk / "state").rglob("*.corrupt-*"))
    assert "Traceback" not in log
    print(  # noqa: T201 - the figure of docs/reliability.md
        f"R16, full by {cause}: {len(refused)} refused, {sum(each.acknowledged for each in senders)} acknowledged, "
        f"exact; {len(statuses)} scrapes and probes, all 200; taken again {recovered:.2f} s after there was space"
    )


def test_r16_snapshots_alone_go_on_without_a_disk(disk, tmp_path):
    """Events are taken as ever, the failure is counted, the last snapshot stays, and the next one works again."""
    flags = ("--state-dir", str(disk / "state"), "--time-scale", "20")
    with process(tmp_path, *flags) as running:
        running.started()
        until(lambda: facts(running)["embedding_exporter_state_failures_total"] == 0)
        fill(disk)
        with scraped(running) as statuses:
            sender = Sender((running.host, running.port), 1)
            sender.start()
            until(lambda: facts(running)["embedding_exporter_state_failures_total"] > 0)
            failed_at = facts(running)["embedding_exporter_state_last_success_timestamp_seconds"]
            (disk / "somebody-elses").unlink()
            resize(disk, "32m")
            until(lambda: facts(running)["embedding_exporter_state_last_success_timestamp_seconds"] > failed_at)
            sender.stop()
        running.signal(signal.SIGTERM)
        assert 0 == running.exit_code()

    assert [] == sender.refused
    assert {200} == set(statuses)
    assert [] == list((disk / "state").rglob("*.tmp"))


def test_r16_a_start_on_a_full_disk_says_why(disk, tmp_path):
    """In journal mode nothing could be accepted: better told at once."""
    flags = ("--state-dir", str(disk / "state"), "--state-mode", "journal")
    with process(tmp_path, *flags) as running:
        running.started()
        assert 202 == running.ask("POST", "/v1/events", json.dumps(event()))[0]
        running.signal(signal.SIGKILL)
        running.exit_code()
    fill(disk)
    (tmp_path / "again").mkdir()
    with process(tmp_path / "again", *flags) as running:
        code, log = running.exit_code(60), running.log()

    assert 1 == code
    assert "No space left" in log
    assert "Traceback" not in log


def facts(running):
    """What the exporter says of its state."""
    lines = running.ask("GET", "/metrics")[1].decode().splitlines()
    pairs = [line.split(" ") for line in lines if line.startswith("embedding_exporter_state") and "{" not in line]
    return {name: float(value) for name, value in pairs}
