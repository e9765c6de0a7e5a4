"""Maintenance is announced for a model or for all, and ends by itself."""

from datetime import UTC, datetime

import pytest

from app.lifecycle import Lifecycle, Maintenance, Spans

NOW = 1_800_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def lifecycle():
    return Lifecycle(b"secret", 900.0)


def begin(model="e5", **fields):
    return Maintenance("begin", model=model, **fields)


def under(lifecycle, now, models=("e5", "bge")):
    return {model for model, is_under in lifecycle.view(now, models).maintenance.items() if is_under}


def test_maintenance_that_nobody_ends_expires(lifecycle):
    """After four hours where no end was told."""
    lifecycle.apply([begin()], NOW)

    assert {"e5"} == under(lifecycle, NOW + 4 * HOUR - 1)
    assert set() == under(lifecycle, NOW + 4 * HOUR)


@pytest.mark.parametrize(
    "end",
    [
        {"duration_seconds": 7200},
        {"until": NOW + 7200},
        {"until": datetime.fromtimestamp(NOW + 7200, UTC)},
    ],
    ids=["duration", "unix", "rfc3339"],
)
def test_its_end_may_be_told_at_its_begin(lifecycle, end):
    """As a duration or as a time."""
    lifecycle.apply([begin(**end)], NOW)

    assert {"e5"} == under(lifecycle, NOW + 7199)
    assert set() == under(lifecycle, NOW + 7200)


def test_it_may_be_ended(lifecycle):
    """The gauge of the model stays, at 0."""
    lifecycle.apply([begin(), Maintenance("end", model="e5")], NOW)

    assert {"e5": False} == lifecycle.view(NOW).maintenance


def test_for_all_models_it_is_for_those_known_elsewhere(lifecycle):
    """And its end leaves what was announced for one."""
    lifecycle.apply([begin(""), begin("bge")], NOW)
    assert {"e5", "bge"} == under(lifecycle, NOW)

    lifecycle.apply([Maintenance("end")], NOW + 1)
    assert {"bge"} == under(lifecycle, NOW + 1)


def test_an_end_of_what_never_began_says_nothing(lifecycle):
    """No label is made of it."""
    assert 1 == lifecycle.apply([Maintenance("end", model="e5")], NOW).duplicates
    assert {} == lifecycle.view(NOW).maintenance


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"duration_seconds": 7 * DAY + 1}, "duration_seconds"),
        ({"duration_seconds": 0.0}, "duration_seconds"),
        ({"until": NOW + 8 * DAY}, "until"),
        ({"until": NOW}, "until"),
        ({"until": float("nan")}, "until"),
        ({"until": 1000 * NOW}, "until"),
    ],
)
def test_an_end_that_is_none_is_refused(lifecycle, fields, field):
    """With the field, and nothing is announced."""
    receipt = lifecycle.apply([begin(**fields)], NOW)

    assert [(0, field)] == [(error.index, error.field) for error in receipt.errors]
    assert set() == under(lifecycle, NOW)


def test_a_clock_ahead_announces_no_longer_one(lifecycle):
    """Its begin is taken for now, and four hours are four hours."""
    lifecycle.apply([begin(timestamp=NOW + 300)], NOW)

    assert {"e5"} == under(lifecycle, NOW)
    assert set() == under(lifecycle, NOW + 4 * HOUR)


def test_one_that_is_over_when_it_is_told_is_over(lifecycle):
    """Told a day late."""
    assert 1 == lifecycle.apply([begin(timestamp=NOW - DAY, duration_seconds=HOUR)], NOW).accepted
    assert set() == under(lifecycle, NOW)


def test_told_again_it_lasts_as_was_told_last(lifecycle):
    """Longer or shorter."""
    lifecycle.apply([begin(duration_seconds=HOUR)], NOW)
    lifecycle.apply([begin(duration_seconds=HOUR)], NOW + 1800)

    assert {"e5"} == under(lifecycle, NOW + 5000)


def test_time_scale_divides_the_four_hours():
    """For demonstrations."""
    lifecycle = Lifecycle(b"secret", 900.0, Spans().scaled(20))
    lifecycle.apply([begin()], NOW)

    assert {"e5"} == under(lifecycle, NOW + 719)
    assert set() == under(lifecycle, NOW + 720)
