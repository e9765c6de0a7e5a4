"""Reindexes: one in progress is known with its start and progress, one that ended with its duration."""

import pytest

from app.lifecycle import Lifecycle, Reindex

NOW = 1_800_000_000.0
DAY = 86400.0


@pytest.fixture
def lifecycle():
    return Lifecycle(b"secret", 900.0)


def reindex(status, at=None, **fields):
    return Reindex(status, model="e5", **({"index": "products", "timestamp": at} | fields))


def view(lifecycle, now=NOW, index="products"):
    return lifecycle.view(now).reindexes["e5", index]


def test_one_in_progress_has_a_start_and_progress(lifecycle):
    """M8 while it runs."""
    lifecycle.apply([reindex("started")], NOW)
    lifecycle.apply([reindex("progress", progress=0.25)], NOW + 60)

    found = view(lifecycle, NOW + 90)
    assert (1, NOW, 0.25, None) == (found.in_progress, found.started, found.progress, found.duration_seconds)
    assert {"finished": 0, "failed": 0} == found.results


def test_one_that_finished_has_a_duration(lifecycle):
    """M8 afterwards: from start to finish by the senders' times."""
    lifecycle.apply([reindex("started", NOW - 5400)], NOW - 5000)
    lifecycle.apply([reindex("finished", NOW - 1800)], NOW)

    found = view(lifecycle)
    assert (0, None, None, 3600.0) == (found.in_progress, found.started, found.progress, found.duration_seconds)
    assert {"finished": 1, "failed": 0} == found.results


def test_a_duration_that_is_told_goes_before_the_times(lifecycle):
    """The job knows best."""
    lifecycle.apply([reindex("started", NOW - 100), reindex("finished", NOW, duration_seconds=77.0)], NOW)

    assert 77.0 == view(lifecycle).duration_seconds


def test_a_finish_without_a_start_counts_and_has_no_duration(lifecycle):
    """Absent is better than wrong."""
    lifecycle.apply([reindex("finished")], NOW)

    found = view(lifecycle)
    assert (1, 0, None) == (found.results["finished"], found.in_progress, found.duration_seconds)


def test_a_finish_whose_duration_is_unknown_takes_the_last_one_away(lifecycle):
    """The last one is this one."""
    lifecycle.apply([reindex("started", NOW - 60), reindex("finished", NOW - 30)], NOW)
    lifecycle.apply([reindex("finished", reindex="another")], NOW + 1)

    assert view(lifecycle).duration_seconds is None


def test_clocks_that_contradict_each_other_make_no_duration(lifecycle):
    """Told to have ended before it began."""
    lifecycle.apply([reindex("started", NOW)], NOW)
    lifecycle.apply([reindex("finished", NOW - 30)], NOW + 30)

    found = view(lifecycle)
    assert (1, 0, None) == (found.results["finished"], found.in_progress, found.duration_seconds)


def test_a_clock_behind_does_not_hide_the_next_start(lifecycle):
    """A start by a clock that is behind the one which told of the end before."""
    lifecycle.apply([reindex("started", NOW), reindex("finished", NOW + 100)], NOW + 100)
    lifecycle.apply([reindex("started", NOW + 50)], NOW + 110)

    assert 1 == view(lifecycle, NOW + 110).in_progress


def test_a_start_that_comes_after_its_end_begins_nothing(lifecycle):
    """Messages overtake each other."""
    lifecycle.apply([reindex("finished", NOW), reindex("started", NOW - 60)], NOW)

    assert 0 == view(lifecycle).in_progress


def test_progress_after_the_end_and_progress_from_before_say_nothing(lifecycle):
    """Late messages neither reopen a reindex nor set it back."""
    lifecycle.apply([reindex("started", NOW - 60), reindex("progress", NOW - 10, progress=0.5)], NOW)
    late = lifecycle.apply([reindex("progress", NOW - 20, progress=0.25)], NOW)
    assert (1, 0.5) == (late.duplicates, view(lifecycle).progress)

    lifecycle.apply([reindex("finished", NOW), reindex("progress", NOW, progress=0.75)], NOW)
    assert 0 == view(lifecycle).in_progress


def test_progress_without_a_start_is_a_reindex_in_progress(lifecycle):
    """Whose start is not known."""
    lifecycle.apply([reindex("progress", progress=0.5)], NOW)

    found = view(lifecycle)
    assert (1, None, 0.5) == (found.in_progress, found.started, found.progress)


def test_a_start_told_again_is_no_second_reindex(lifecycle):
    """With its own time it is the same, with a later one it began anew: the one before was abandoned."""
    lifecycle.apply([reindex("started", NOW)], NOW)
    assert 1 == lifecycle.apply([reindex("started", NOW)], NOW + 5).duplicates

    lifecycle.apply([reindex("started", NOW + 50)], NOW + 50)
    found = view(lifecycle, NOW + 50)
    assert (1, NOW + 50) == (found.in_progress, found.started)


def test_two_at_once_are_told_apart_by_their_ids(lifecycle):
    """The one that has been running longest is shown."""
    lifecycle.apply([reindex("started", NOW - 10, reindex="b"), reindex("started", NOW - 90, reindex="a")], NOW)
    assert (2, NOW - 90) == (view(lifecycle).in_progress, view(lifecycle).started)

    lifecycle.apply([reindex("finished", reindex="a")], NOW)
    assert (1, NOW - 10) == (view(lifecycle).in_progress, view(lifecycle).started)


def test_one_of_which_nothing_is_heard_for_a_week_is_given_up(lifecycle):
    """Its end was lost; news keeps a slow one."""
    lifecycle.apply([reindex("started")], NOW)
    assert 1 == view(lifecycle, NOW + 7 * DAY - 1).in_progress
    assert 0 == view(lifecycle, NOW + 7 * DAY).in_progress

    lifecycle.apply([reindex("progress", progress=0.5)], NOW + 6 * DAY)
    assert 1 == view(lifecycle, NOW + 8 * DAY).in_progress


def test_failures_count_by_themselves(lifecycle):
    """A failed one, tried again, and finished."""
    for status in ("started", "failed", "started", "finished"):
        lifecycle.apply([reindex(status)], NOW)

    assert {"finished": 1, "failed": 1} == view(lifecycle, NOW).results


def test_indexes_past_the_limit_share_a_label_and_only_count(lifecycle):
    """Sixty-four have their own."""
    lifecycle.apply([reindex("started", index=f"i{i}") for i in range(70)], NOW)
    lifecycle.apply([reindex("finished", index=f"i{i}") for i in range(69)], NOW + 60)

    found = view(lifecycle, NOW + 60, "__other__")
    assert 65 == len(lifecycle.view(NOW + 60).reindexes)
    assert (5, 1, None, None) == (found.results["finished"], found.in_progress, found.started, found.duration_seconds)
    assert 60.0 == view(lifecycle, NOW + 60, "i63").duration_seconds
