"""Continued calibration: the week after a baseline teaches its limits, and never a drift."""

from dataclasses import replace

import numpy as np
import pytest

from app.baseline.calibrate import Budget, calibrate
from app.baseline.continued import DAY, HOUR, Continued
from app.drift.sums import VectorSums
from app.drift.window import Window
from app.model import Timing
from tests.stage import Change, Stage

TIMING = Timing()


def window(n=500, seed=7, dimension=4):
    return Window(VectorSums.of(np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)))


def observed(scores, step=HOUR, timing=TIMING, name="1h"):
    """A Continued that saw a window with each of these scores, one after another."""
    continued = Continued(0.0, timing)
    for number, score in enumerate(scores, 1):
        continued.observe(name, window(seed=number), score, number * step)
    return continued


def test_only_full_windows_count_and_each_hour_once():
    """The first hour after the freeze is the first window; a look every minute adds no more."""
    continued = Continued(0.0, TIMING)
    for minute in range(1, 181):
        continued.observe("1h", window(), 0.5, 60.0 * minute)

    assert 3 == len(continued.later["1h"])


def test_what_is_called_drift_teaches_nothing():
    """A window above its limit is left out."""
    continued = observed([0.3, 1.2, 0.9])

    assert 2 == len(continued.later["1h"])


def test_a_slow_drift_is_not_learned():
    """After a week nothing is kept any more; before it an hour each on the first day, then one in three."""
    continued = observed([0.5] * (10 * 24))

    kept = len(continued.later["1h"])
    assert 24 + 6 * 8 - 2 <= kept <= 24 + 6 * 8 + 1
    assert continued.nbytes < kept * 100


def test_limits_are_learned_anew_every_three_hours_and_then_daily():
    """Asked at every tick, due eight times on the first day and once on each of the next."""
    continued = Continued(0.0, TIMING)
    due = []
    for tick in range(1, 10 * 24 * 6):
        now = 600.0 * tick
        continued.observe("1h", window(), 0.5, now)
        if continued.is_due(now):
            due.append(now / DAY)

    assert 7 == sum(at < 1 for at in due)
    assert [1, 2, 3, 4, 5, 6, 7] == [round(at, 3) for at in due if at >= 1]


def test_only_the_first_six_hours_may_move_the_middle():
    """A change that begins later is not taken for normal."""
    continued = observed([0.5] * 12)

    assert 6 * 500 == continued.after().vectors.n


@pytest.mark.parametrize("time_scale", [1.0, 60.0])
def test_a_scaled_day_is_a_day(time_scale):
    """The demonstration learns as production does."""
    timing = TIMING.scaled(time_scale)
    continued = observed([0.5] * 30, step=HOUR / time_scale, timing=timing)

    assert 24 <= len(continued.later["1h"]) <= 26


def test_later_windows_make_limits_surer_and_keep_the_baseline():
    """With a day more the limits rest on more windows; the baseline stays the same."""
    stage = Stage(hours=24)
    stage.run(DAY + 600, step_minutes=10, every_minutes=60)
    before = stage.pinned.all()[0]
    first = stage.pinned.calibrations(before)["1h"]

    stage.run(DAY, step_minutes=10, every_minutes=60)

    after = stage.pinned.calibrations(before)["1h"]
    assert before.id == stage.pinned.all()[0].id
    assert after.windows > first.windows + 15
    again = calibrate(before.content, stage.timing, Budget(1.0, stage.timing.windows))["1h"]
    assert first.windows == again.windows


def test_a_new_topic_is_not_learned_as_normal():
    """It begins two hours after the baseline and stays: the score is as high a day later."""
    stage = Stage(hours=24)
    stage.run(DAY + 2 * HOUR, step_minutes=10, every_minutes=60)
    soon = stage.run(2 * HOUR, Change(new_topic=0.15), step_minutes=10, every_minutes=60)
    late = stage.run(DAY, Change(new_topic=0.15), step_minutes=10, every_minutes=60)

    def highest(view):
        return max(each.score for each in view.scores if each.score is not None and each.window == "1h")

    assert highest(soon) > 1
    assert highest(late) > 1


def test_a_baseline_from_a_file_keeps_its_limits():
    """Or two replicas would no longer measure alike."""
    stage = Stage()
    stage.run(6 * HOUR + 600, every_minutes=30)
    from_file = stage.another()
    from_file.pinned.adopt(replace(stage.pinned.all()[0], origin="file"))
    before = from_file.pinned.calibrations(from_file.pinned.all()[0])["1h"]

    from_file.run(8 * HOUR, every_minutes=30)

    assert before is from_file.pinned.calibrations(from_file.pinned.all()[0])["1h"]
