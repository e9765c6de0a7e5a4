"""Exits and forks, each in a process of its own."""

import subprocess
import sys

import pytest

BEGIN = """
import os, sys
from embedding_drift_client import DriftClient, client as module
drift = DriftClient(sys.argv[1], model="e5", flush_interval_seconds=3600.0)
"""


def run(exporter, script):
    """Run a script that has a client of the exporter as `drift`; what it prints."""
    command = [sys.executable, "-c", BEGIN + script, exporter.url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def names(exporter):
    return sorted(event["query_id"] for event in exporter.events)


def test_what_is_queued_is_sent_at_exit(exporter):
    """A script that just ends loses nothing."""
    run(exporter, "for i in range(100): drift.record(query_id=f'q-{i}')")

    assert 100 == len(exporter.events)


def test_an_exporter_that_hangs_keeps_an_exit_for_a_bounded_time(exporter, gate):
    """A process that ends waits for the bound, not for the exporter."""
    exporter.script.append(exporter.hold(gate))

    printed = run(exporter, "module.EXIT_SECONDS = 0.05; drift.record(); print('end')")

    assert "end\n" == printed


@pytest.mark.parametrize("leave", ["sys.exit()", "drift.close(); os._exit(0)"])
def test_a_forked_child_sends_its_own_events_and_not_its_parents(exporter, leave):
    """Each event arrives once, though the child was forked with a full queue and a running thread."""
    run(
        exporter,
        f"""
drift.record(query_id="parent before")
if not os.fork():
    drift.record(query_id="child")
    {leave}
os.wait()
drift.record(query_id="parent after")
""",
    )

    assert ["child", "parent after", "parent before"] == names(exporter)
    assert 3 == len({event["event_id"] for event in exporter.events})


def test_a_child_forked_while_the_queue_is_locked_is_not_stuck(exporter):
    """The thread that holds the lock does not exist in the child."""
    run(
        exporter,
        """
import threading
drift.record(query_id="parent")
held, release = threading.Event(), threading.Event()
def hold():
    with drift._buffer._changed:
        held.set()
        release.wait()
threading.Thread(target=hold).start()
held.wait()
if not os.fork():
    drift.record(query_id="child")
    drift.close()
    os._exit(0)
os.wait()
release.set()
""",
    )

    assert ["child", "parent"] == names(exporter)


def test_a_watch_of_probes_stays_with_the_process_that_began_it(exporter):
    """A child has no such thread, and may stop the watch though its lock was held at the fork."""
    run(
        exporter,
        """
import threading
watch = drift.watch_probes(lambda text: [1.0], {"a": "text"}, 3600.0)
held, release = threading.Event(), threading.Event()
def hold():
    with watch._stopping._cond:
        held.set()
        release.wait()
threading.Thread(target=hold).start()
held.wait()
if not os.fork():
    watch.stop()
    drift.record(query_id="child")
    drift.close()
    os._exit(0)
os.wait()
release.set()
""",
    )

    assert ["a", "child"] == sorted(event.get("probe") or event["query_id"] for event in exporter.events)


def test_outcomes_lifecycle_and_a_hanging_probe_do_not_keep_an_exit(exporter):
    """What is queued is sent; an `embed` that never returns is left behind."""
    run(
        exporter,
        """
import threading
module.EXIT_SECONDS = 0.5
drift.lifecycle("reindex", "finished")
drift.outcome("q-1", success=True)
drift.watch_probes(lambda text: threading.Event().wait(), ["text"])
""",
    )

    assert [1, 1] == [len(exporter.taken(route)) for route in ("/v1/outcomes", "/v1/lifecycle")]


def test_a_child_counts_from_zero_and_a_closed_client_stays_closed(exporter):
    """What the parent counted is the parent's."""
    printed = run(
        exporter,
        """
drift.record(query_id="parent")
drift.close()
if not os.fork():
    drift.record()
    print(drift.stats.recorded, drift.stats.dropped, flush=True)
    os._exit(0)
os.wait()
""",
    )

    assert "1 1\n" == printed


def test_many_children_use_ids_of_their_own(exporter):
    """As with workers forked from one preloaded application: their event ids must not meet."""
    run(
        exporter,
        """
for _ in range(4):
    if not os.fork():
        for i in range(10): drift.record(query_id="child")
        drift.close()
        os._exit(0)
for _ in range(4): os.wait()
""",
    )

    assert 40 == len({event["event_id"] for event in exporter.events})
