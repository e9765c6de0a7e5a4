"""Outcomes of the last hour, told from those before it."""

import pytest

from app.model import SeriesKey
from app.outcomes import OutcomeValue, RecentOutcomes

SERIES = SeriesKey("e5", "2", "1", "query")


def counts(true, false, band="normal", outcome="clicked"):
    return {OutcomeValue(outcome, True, band): true, OutcomeValue(outcome, False, band): false}


def told(recent):
    return {name: tuple(map(tuple, shares)) for name, shares in recent.shares(SERIES).items()}


def test_the_last_hour_is_what_came_since_it_began():
    """Whatever was counted when it began is before it, over both bands; other series have nothing."""
    recent = RecentOutcomes(seconds=3600)
    recent.note({SERIES: counts(30, 10) | counts(5, 5, "poor")}, now=0)
    recent.note({SERIES: counts(31, 10) | counts(5, 8, "poor")}, now=3600)

    assert {"clicked": ((1, 4), (35, 50))} == told(recent)
    assert {} == recent.shares(SERIES._replace(model="other"))


def test_the_hour_moves_on_and_is_hardly_longer_than_one():
    """One outcome a minute: the last hour holds sixty, and those of at most five minutes more."""
    recent = RecentOutcomes(seconds=3600)
    for minute in range(300):
        recent.note({SERIES: counts(minute, 0)}, now=60.0 * minute)
        (true, known), (before, _) = told(recent)["clicked"]

        assert true == known
        assert minute == true + before
        assert true == minute if minute < 60 else 60 <= true <= 65


def test_until_an_hour_has_passed_all_of_it_is_the_last_hour():
    """There is nothing before it, and the share of nothing is not known."""
    recent = RecentOutcomes(seconds=3600)
    recent.note({}, now=0)
    recent.note({SERIES: counts(1, 3)}, now=600)
    last, before = recent.shares(SERIES)["clicked"]

    assert ((1, 4), 0.25) == (last, last.ratio)
    assert ((0, 0), None) == (before, before.ratio)


@pytest.mark.parametrize("seconds", [1.25, 3600])
def test_what_is_remembered_is_bounded(seconds):
    """A note each twelfth of the hour, and the one before it, however often it is told."""
    recent = RecentOutcomes(seconds)
    for tick in range(5000):
        recent.note({SERIES: counts(tick, 0)}, now=tick * seconds / 360)

    assert 12 <= len(recent._notes) <= 14


def test_a_series_that_came_anew_has_no_negative_hour():
    """It was dropped when idle; its counts began again at 0."""
    recent = RecentOutcomes(seconds=3600)
    recent.note({SERIES: counts(30, 10)}, now=0)
    recent.note({SERIES: counts(2, 1)}, now=600)

    assert {"clicked": ((2, 3), (0, 0))} == told(recent)
