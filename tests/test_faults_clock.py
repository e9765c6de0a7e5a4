"""R22 in real processes: the machine's clock is set under one, and before it is killed and started again."""

import json
import time

import pytest

from tests.process import process
from tests.senders import until
from tests.service import event

pytestmark = pytest.mark.faults

DAY = 86400.0
FLAGS = ("--time-scale", "4", "--state-mode", "journal")
"""Evaluated every 2.5 s; an event of a quarter of an hour ago is late, one of 150 s ahead refused; a day has 6 h."""


def send(made, ahead):
    """A hundred events, every other one with the time of a clock that is so far ahead."""
    stamped = [event(norm=1.0, timestamp=time.time() + ahead), event(norm=1.0)]
    status, reply = made.ask("POST", "/v1/events", json.dumps(50 * stamped))
    assert (202, 100, 0) == (status, *(json.loads(reply)[name] for name in ("accepted", "late")))


def listed(made):
    (series,) = json.loads(made.ask("GET", "/v1/series")[1])["series"]
    return series


def in_window(made):
    return listed(made).get("windows", {}).get("24h", {}).get("events")


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_r22_a_clock_that_is_set_takes_nothing_from_a_process_nor_from_the_next(tmp_path, jump):
    """Windows and counters go on, and what is told of times is of the clock as it is set."""
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    options = {"program": ("tests.clock_server", str(ahead))}
    flags = (*FLAGS, "--state-dir", str(tmp_path / "state"))
    with process(tmp_path, *flags, **options) as made:
        made.started()
        send(made, 0.0)
        ahead.write_text(str(jump))
        send(made, jump)
        until(lambda: in_window(made) == 200)
        behind = time.time() + jump - listed(made)["last_event"]
        evaluated = made.metric("embedding_exporter_last_evaluation_timestamp_seconds") - time.time() - jump
        made.signal(9)
        made.exit_code()
    ahead.write_text(str(2 * jump))
    with process(tmp_path, *flags, **options) as made:
        made.started()
        send(made, 2 * jump)
        until(lambda: in_window(made) == 300)
        counted = listed(made)["events"]
        again = time.time() + 2 * jump - listed(made)["last_event"]

    assert 300 == counted
    assert 0 <= behind < 60
    assert -60 < evaluated <= 0
    assert 0 <= again < 60
