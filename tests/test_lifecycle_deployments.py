"""Deployments are counted once by how they ended, and announce their versions."""

import pytest

from app.lifecycle import Deployment, LeftOut, Lifecycle
from app.lifecycle.deployments import MAX_VERSIONS
from app.lifecycle.runs import MAX_RUNS
from app.model import SeriesKey

NOW = 1_800_000_000.0
DAY = 86400.0


@pytest.fixture
def lifecycle():
    return Lifecycle(b"secret", 900.0)


def deployment(status, **fields):
    return Deployment(status, **({"model": "e5", "model_version": "2", "track": "canary"} | fields))


def counts(lifecycle, now=NOW, track="canary"):
    return lifecycle.view(now).deployments[("e5", track)]


def test_the_share_of_canaries_rolled_back_is_that_of_the_counts(lifecycle):
    """M10: 2 of 40 by hand; a stable deployment has no part in it."""
    for i in range(40):
        lifecycle.apply([deployment("started", deployment=f"d{i}")], NOW + i)
        lifecycle.apply([deployment("rolled_back" if i in {3, 20} else "finished", deployment=f"d{i}")], NOW + i + 0.5)
    lifecycle.apply([deployment("rolled_back", track="stable", deployment="d1")], NOW)

    found = counts(lifecycle)
    assert {"finished": 38, "failed": 0, "rolled_back": 2} == found
    assert 0.05 == found["rolled_back"] / sum(found.values())
    assert 1 == counts(lifecycle, track="stable")["rolled_back"]


def test_every_result_is_there_at_0_from_the_start_on(lifecycle):
    """Else rate() would not see the first one."""
    lifecycle.apply([deployment("started")], NOW)

    assert {"finished": 0, "failed": 0, "rolled_back": 0} == counts(lifecycle)


def test_a_finish_without_a_start_counts(lifecycle):
    """The start may have been lost."""
    assert 1 == lifecycle.apply([deployment("finished", deployment="d1")], NOW).accepted
    assert 1 == counts(lifecycle)["finished"]


def test_the_same_finish_twice_within_a_day_counts_once(lifecycle):
    """A sender that tries again; the next day the id is a new one."""
    event = deployment("finished", deployment="d1")

    first, again = lifecycle.apply([event], NOW), lifecycle.apply([event], NOW + DAY - 1)
    assert (1, 0, 0, 1) == (first.accepted, first.duplicates, again.accepted, again.duplicates)
    assert 1 == counts(lifecycle)["finished"]
    assert 1 == lifecycle.view(NOW).left_out[LeftOut.DUPLICATE]

    lifecycle.apply([event], NOW + DAY)
    assert 2 == counts(lifecycle)["finished"]


def test_without_an_id_a_repeat_is_one_within_ten_minutes(lifecycle):
    """Two roll-outs of a version on one day are two."""
    for now in (NOW, NOW + 599, NOW + 600):
        lifecycle.apply([deployment("finished")], now)

    assert 2 == counts(lifecycle)["finished"]


def test_a_start_after_the_end_is_a_new_run_of_the_same_id(lifecycle):
    """A deployment that is named as its service."""
    for status, now in (("started", 0), ("finished", 60), ("started", 120), ("finished", 180)):
        lifecycle.apply([deployment(status, deployment="search")], NOW + now)

    assert 2 == counts(lifecycle)["finished"]


def test_one_that_finished_may_be_rolled_back_later(lifecycle):
    """Both are told and both count."""
    lifecycle.apply([deployment("finished", deployment="d1"), deployment("rolled_back", deployment="d1")], NOW)

    assert {"finished": 1, "failed": 0, "rolled_back": 1} == counts(lifecycle)


def test_the_latest_of_each_status_is_known_with_its_versions(lifecycle):
    """By the senders' times, not by arrival."""
    lifecycle.apply([deployment("finished", model_version="3", timestamp=NOW - 10)], NOW)
    lifecycle.apply([deployment("finished", model_version="2", timestamp=NOW - 20)], NOW)

    assert (NOW - 10, "3", "") == lifecycle.view(NOW).deployed["e5", "canary", "finished"]


def test_a_version_is_announced_by_any_of_its_deployments(lifecycle):
    """For both kinds, and for exactly these versions."""
    lifecycle.apply([deployment("started", tokenizer_version="1")], NOW)

    assert lifecycle.announced(SeriesKey("e5", "2", "1", "query"))
    assert lifecycle.announced(SeriesKey("e5", "2", "1", "document"))
    assert not lifecycle.announced(SeriesKey("e5", "2", "2", "query"))
    assert not lifecycle.announced(SeriesKey("e5", "3", "1", "query"))


def test_versions_and_runs_are_bounded(lifecycle):
    """The newest are known, labels are few, and what was dropped is counted."""
    n = MAX_VERSIONS + 10
    lifecycle.apply([deployment("started", model=f"m{i % 70}", model_version=str(i)) for i in range(n)], NOW)

    assert not lifecycle.announced(SeriesKey("m9", "9", "", "query"))
    assert lifecycle.announced(SeriesKey(f"m{(n - 1) % 70}", str(n - 1), "", "query"))
    view = lifecycle.view(NOW)
    assert 65 == len(view.deployments)
    assert ("__other__", "canary") in view.deployments
    assert all(model != "__other__" for model, *_ in view.deployed)
    assert n - MAX_RUNS == view.left_out[LeftOut.DROPPED_RUN]
