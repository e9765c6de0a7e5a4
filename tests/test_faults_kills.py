"""R12 and R21: SIGKILL at any moment under load. What was acknowledged is there, once, however often it was sent."""

import json
import random
import re
import signal
import socket
import statistics
import time
from contextlib import ExitStack

import pytest
from embedding_drift_client import DriftClient
from prometheus_client.parser import text_string_to_metric_families

from tests.senders import Sender, until
from tests.service import event
from tests.test_service_process import process

pytestmark = pytest.mark.faults

TIME_SCALE = 10.0
"""A snapshot begins every 1.5 s: most kills come in the middle of one, or of the cut before it."""

INTERVAL_SECONDS = 15.0 / TIME_SCALE

FLAGS = ("--time-scale", str(TIME_SCALE), "--baseline-min-events", "500")


def free_port():
    """Below those that the kernel gives away: while the victim is dead, nobody else is to get its port."""
    rng = random.Random()
    while True:
        try:
            with socket.create_server(("127.0.0.1", rng.randrange(20_000, 32_000))) as taken:
                return taken.getsockname()[1]
        except OSError:
            continue


class Victim:
    """An exporter that is killed and started again, on one port and with one state directory."""

    def __init__(self, folder, mode):
        self._folder = folder
        self._flags = ("--state-dir", str(folder / "state"), "--state-mode", mode, *FLAGS)
        self.port = free_port()
        self.lives = 0
        self.ready_seconds = []
        self.restore_seconds = []
        self.logs = []

    def life(self):
        """One process, ready; to be used as a context."""
        folder = self._folder / f"life-{self.lives}"
        folder.mkdir()
        self.lives += 1
        return process(folder, *self._flags, listen=f"127.0.0.1:{self.port}")

    def started(self, running):
        begun = time.monotonic()
        running.started()
        self.ready_seconds.append(time.monotonic() - begun)
        restored = running.wait_for(r'event="state restored".* took_seconds=([\d.]+)', 10)
        self.restore_seconds.append(float(restored[1]))

    def kill(self, running):
        running.signal(signal.SIGKILL)
        running.exit_code()
        self.logs.append(running.log())


def totals(running, name):
    """Of each model: the values of this family of counters, summed."""
    found = {}
    for family in text_string_to_metric_families(running.ask("GET", "/metrics")[1].decode()):
        for sample in family.samples:
            if sample.name == name:
                model = sample.labels["model"]
                found[model] = found.get(model, 0) + sample.value
    return found


def baselines(running):
    listed = json.loads(running.ask("GET", "/v1/baselines")[1])["baselines"]
    return {each["id"] for each in listed if each["origin"] == "window"}


def pin(running):
    """A baseline of 600 events, pinned from its window."""
    made = [event(model="pinned", embedding=[1.0, float(number % 7), 2.0], norm=1.0) for number in range(600)]
    assert 202 == running.ask("POST", "/v1/events", json.dumps(made))[0]
    window = {"model": "pinned", "model_version": "2", "tokenizer_version": "1", "kind": "query", "window": "24h"}
    status, reply = running.ask("POST", "/v1/baselines", json.dumps(window))
    assert 201 == status, reply
    return baselines(running)


def play(victim, senders, kills, rng, *, also=lambda _: None):
    """Kill it so many times at random moments under load; the process that is left is the caller's."""
    pinned = set()
    for number in range(kills):
        with victim.life() as running:
            victim.started(running)
            if number == 0:
                pinned = pin(running)
                for each in senders:
                    each.start()
            assert pinned == baselines(running)
            also(running)
            time.sleep(rng.uniform(0.2, 1.2))
            victim.kill(running)
    return pinned


def lasting(victim, stack):
    running = stack.enter_context(victim.life())
    victim.started(running)
    return running


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.nightly)])
def test_r12_r21_nothing_acknowledged_is_lost_or_counted_twice(tmp_path, kills):
    """Four senders without event ids, whose answers get lost, and the Python client: counts are exact after all kills.

    Counters never step back from one life to the next, baselines are the same, and it is ready in time.
    """
    victim, rng = Victim(tmp_path, "journal"), random.Random(11)
    senders = [Sender(("127.0.0.1", victim.port), seed, vectors=seed != 3) for seed in range(4)]
    counted = {}

    def never_back(running):
        now = totals(running, "embedding_events_total") | {
            f"represented {model}": value
            for model, value in totals(running, "embedding_represented_events_total").items()
        }
        assert all(now.get(model, 0) >= before for model, before in counted.items())
        counted.update(now)

    with ExitStack() as stack:
        client = stack.enter_context(
            DriftClient(f"http://127.0.0.1:{victim.port}", model="client", flush_interval_seconds=0.1)
        )
        pinned = play(victim, senders, kills, rng, also=lambda running: (never_back(running), record(client, 200)))
        running = lasting(victim, stack)
        for each in senders:
            each.stop()
        assert client.flush(120.0)
        events = totals(running, "embedding_events_total")
        represented = totals(running, "embedding_represented_events_total")
        norms = totals(running, "embedding_norm_count")
        matches = totals(running, "embedding_queries_total")
        until(lambda: windows(running).get("sender-0") == senders[0].acknowledged)
        in_windows = windows(running, "top1_similarity")

        assert {each.model: each.acknowledged for each in senders} == {
            each.model: events[each.model] for each in senders
        }
        for each in senders:
            assert represented[each.model] == pytest.approx(each.acknowledged / 0.3)
            assert norms.get(each.model, 0) == (each.acknowledged if each.model != "sender-3" else 0)
            assert matches[each.model] == each.acknowledged
            assert in_windows[each.model] == each.acknowledged
        stats = client.stats
        # The client gives a batch up after eight attempts, each of which may have met another kill on a busy machine.
        # What was given up may have been counted before its answer was lost, and nothing was counted twice.
        assert 0 == stats.pending == stats.duplicates
        assert stats.accepted <= events["client"] <= stats.accepted + stats.failed
        assert stats.accepted + stats.failed + stats.dropped == 200 * kills
        assert stats.accepted >= 0.5 * 200 * kills
        assert pinned == baselines(running)
        never_back(running)
    assert sum(each.replayed for each in senders) > 0
    assert sum(each.lost_answers for each in senders) > 0
    assert not [log for log in victim.logs if "Traceback" in log or "level=error" in log]
    assert max(victim.restore_seconds) < 5
    records = sum(map(replayed, victim.logs))
    assert records > 0
    print(  # noqa: T201 - the figure of docs/reliability.md
        f"R12, R21: {kills} kills, {sum(each.acknowledged for each in senders)} acknowledged, 0 lost, 0 twice; "
        f"{sum(each.lost_answers for each in senders)} answers lost, "
        f"{sum(each.replayed for each in senders)} replayed; "
        f"{records} records read back; ready in {statistics.median(victim.ready_seconds):.2f} s (median), "
        f"of which at most {max(victim.restore_seconds):.2f} s for the state"
    )


def windows(running, signal_name=None):
    """Events of the day's window of each model, or those with a signal; of the last evaluation."""
    listed = json.loads(running.ask("GET", "/v1/series")[1])["series"]
    found = {}
    for each in listed:
        day = each.get("windows", {}).get("24h")
        if day is not None:
            found[each["model"]] = day["events"] if signal_name is None else day["signals"][signal_name]["n"]
    return found


def replayed(log):
    return sum(int(found) for found in re.findall(r'event="journal replayed" records=(\d+)', log))


def record(client, count):
    for _ in range(count):
        client.record(embedding=[0.1, 0.2, 0.3], scores=[0.9, 0.8])


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.nightly)])
def test_r13_a_snapshot_loses_at_most_its_interval(tmp_path, kills):
    """What was acknowledged earlier than that before the kill is in the windows; baselines are lost in no mode."""
    victim, rng = Victim(tmp_path, "snapshot"), random.Random(13)
    pinned, least = set(), 0
    for number in range(kills + 1):
        with victim.life() as running:
            victim.started(running)
            if number == 0:
                pinned = pin(running)
            assert pinned == baselines(running)
            until(lambda: "pinned" in windows(running))
            assert windows(running).get("sender-5", 0) >= least
            before = windows(running).get("sender-5", 0)
            sender = Sender(("127.0.0.1", victim.port), 5)
            sender.start()
            time.sleep(rng.uniform(1.0, 4.0))
            # A snapshot takes its time under load: what it holds is as of its beginning.
            saved = max(sample for sample in saved_at(running))
            killed = time.monotonic()
            victim.kill(running)
            least = before + sender.acknowledged_at(killed - (time.time() - saved) - 0.1)
            sender._stop.set()
    assert least > 0


def saved_at(running):
    for family in text_string_to_metric_families(running.ask("GET", "/metrics")[1].decode()):
        for sample in family.samples:
            if sample.name == "embedding_exporter_state_last_success_timestamp_seconds":
                yield sample.value
