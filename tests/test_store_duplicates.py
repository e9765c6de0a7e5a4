"""Remembered event ids: bounded, whatever arrives and whatever the clock does."""

import pytest

from app.store.duplicates import MAX_IDS, RecentIds


def remembered(ids):
    return len(ids._newer) + len(ids._older)


def test_ids_in_memory_are_bounded():
    """At most two generations of 100,000, under a flood within one second."""
    ids = RecentIds(seconds=600, secret=b"secret")

    for start in range(0, 4 * MAX_IDS, 10_000):
        assert [] == ids.seen_before([str(start + number) for number in range(10_000)], now=0.0)
        assert remembered(ids) <= 2 * MAX_IDS


def test_the_last_hundred_thousand_are_known():
    """As many events later an id is still a duplicate."""
    ids = RecentIds(seconds=600, secret=b"secret")
    ids.seen_before(["first"], now=0.0)

    ids.seen_before([str(number) for number in range(MAX_IDS - 1)], now=1.0)

    assert [0] == ids.seen_before(["first"], now=2.0)


@pytest.mark.parametrize("began", [0.0, 599.0, 601.0, 5000.0])
def test_ten_minutes_are_known_whenever_an_id_came(began):
    """Wherever in the turn of the two generations it arrived."""
    ids = RecentIds(seconds=600, secret=b"secret")
    for second in range(0, int(began), 50):
        ids.seen_before([f"other {second}"], now=float(second))
    ids.seen_before(["x"], now=began)

    for second in range(0, 600, 50):
        ids.seen_before([f"more {second}"], now=began + second)

    assert [1] == ids.seen_before(["new", "x"], now=began + 599)


def test_a_clock_set_back_forgets_nothing_and_grows_nothing():
    """The turn by time waits; the turn by number does not."""
    ids = RecentIds(seconds=600, secret=b"secret")
    ids.seen_before(["x"], now=10_000.0)

    assert [0] == ids.seen_before(["x"], now=1.0)
    for start in range(0, 3 * MAX_IDS, 10_000):
        ids.seen_before([str(start + number) for number in range(10_000)], now=2.0)
    assert remembered(ids) <= 2 * MAX_IDS


def test_repeats_within_a_batch_are_told_by_position():
    """The first counts, each later one is a repeat; None is no id."""
    assert [2, 4] == RecentIds(seconds=600, secret=b"secret").seen_before(["a", None, "a", None, "a"], now=0.0)
