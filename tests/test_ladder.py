"""The ladder of panes: every event in one pane, windows of the right length, at any speed of time and a bad clock."""

import numpy as np
import pytest

from app.drift.same_input import SameInputCounts
from app.model import Timing
from app.series import Ladder
from app.series.pane import Rows

SCALES = [1, 10, 288, 2880]
"""Widths that float64 holds exactly, and those of a demonstration that it does not."""

DAY = 86400.0
START = 1_800_000_000.3
RESOLUTION = 1e-6
"""Twice that of float64 for times of today."""

every_scale = pytest.mark.parametrize("time_scale", SCALES)


SIGNAL = "norm"
"""The times go where every rung keeps a sketch."""


def rows(count, times=()):
    """Events without vectors, whose one signal is the time."""
    nothing = np.empty((0, 0), np.float32), np.zeros(0, np.uint64), SameInputCounts(), np.empty(0)
    return Rows(count, 0, {SIGNAL: np.array(times)}, *nothing)


class Recorder:
    """A ladder whose panes remember, by a quantile sketch that is exact while it is small, which times they hold."""

    def __init__(self, timing):
        self.left = []
        self.ladder = Ladder(timing, lambda position, pane: self.left.append((position, pane.events)))

    def add(self, time, now):
        (position,) = self.ladder.positions(np.array([time]))
        self.ladder.advance(now)
        # Times less those of the start, or float32 would round them to minutes.
        self.ladder.pane(int(position), now).update(rows(1, [time - START]))

    def levels(self):
        return range(len(self.ladder._rungs))

    def events(self):
        return sum(pane.events for pane in self.ladder.all_panes())


def sparse_days(timing, days, rng, per_day=40):
    """Arrival times, and event times that lie up to the allowed lateness before them."""
    gaps = rng.exponential(DAY / per_day, size=days * per_day)
    # Bursts, silences and a steady stretch: what is sparse on one rung is dense on another.
    gaps[rng.random(gaps.size) < 0.3] /= 5000
    time_scale = DAY / timing.baseline_duration_seconds
    arrivals = START + np.cumsum(gaps) / time_scale
    late = np.where(rng.random(gaps.size) < 0.2, rng.uniform(0, timing.late_seconds, gaps.size), 0.0)
    return arrivals, arrivals - late


@every_scale
def test_each_event_is_in_exactly_one_pane(time_scale):
    """Over a hundred days at sparse times nothing is lost or counted twice before its 90 days are over."""
    timing = Timing().scaled(time_scale)
    recorder = Recorder(timing)
    arrivals, times = sparse_days(timing, 100, np.random.default_rng(7))
    day = DAY / time_scale

    for step, (now, time) in enumerate(zip(arrivals, times, strict=True), 1):
        recorder.add(time, now)
        if step % 97 == 0 or step == len(arrivals):
            kept = recorder.events()
            seen = times[:step]
            assert np.count_nonzero(seen > now - 90 * day + RESOLUTION) <= kept
            assert kept <= np.count_nonzero(seen >= now - 91 * day - RESOLUTION)


@every_scale
def test_a_pane_holds_only_times_of_its_own_stretch(time_scale):
    """Panes nest: after any number of moves up the rungs an event is in the pane that covers its time."""
    timing = Timing().scaled(time_scale)
    recorder = Recorder(timing)
    arrivals, times = sparse_days(timing, 30, np.random.default_rng(8))

    for now, time in zip(arrivals, times, strict=True):
        recorder.add(time, now)

    checked = 0
    for level in recorder.levels():
        width = timing.rungs[level].pane_seconds
        for begin, pane in recorder.ladder.panes(level):
            if (sketch := pane.quantiles[SIGNAL]).n <= 150:
                held = sketch.distribution().values
                slack = RESOLUTION + np.abs(held).max() * 2.0**-23
                assert begin - START - slack <= held.min()
                assert held.max() <= begin - START + width + slack
                checked += 1
    assert checked > 20


@every_scale
def test_the_first_fine_pane_of_a_coarse_one_goes_to_it(time_scale):
    """Also where the product of number and width rounds to just below the edge that both share."""
    timing = Timing().scaled(time_scale)
    fine, coarse = timing.rungs[:2]
    numbers = range(int(START // coarse.pane_seconds), int(START // coarse.pane_seconds) + 300)
    for number in numbers:
        recorder = Recorder(timing)
        position = number * round(coarse.pane_seconds / fine.pane_seconds)
        now = (position + 0.5) * fine.pane_seconds
        recorder.ladder.pane(position, now).update(rows(1))

        recorder.ladder.advance(now + fine.pane_seconds * (fine.panes + 1))

        ((begin, _),) = recorder.ladder.panes(1)
        assert number == round(begin / coarse.pane_seconds)


@every_scale
def test_a_window_holds_its_seconds_and_at_most_a_coarse_pane_more(time_scale):
    """Never less than its name says, never more than one pane of its coarsest rung above it."""
    timing = Timing().scaled(time_scale)
    recorder = Recorder(timing)
    arrivals, times = sparse_days(timing, 20, np.random.default_rng(9), per_day=150)

    for step, (now, time) in enumerate(zip(arrivals, times, strict=True), 1):
        recorder.add(time, now)
        if step % 50 == 0:
            windows = zip(timing.windows.values(), timing.rungs, recorder.ladder.windows(3), strict=False)
            for seconds, rung, pane in windows:
                age = now - times[:step]
                assert np.count_nonzero(age < seconds - RESOLUTION) <= pane.events
                assert pane.events <= np.count_nonzero(age <= seconds + rung.pane_seconds + RESOLUTION)


@every_scale
def test_the_number_of_panes_stays_the_same_for_ever(time_scale):
    """Under steady traffic no rung ever has more panes than it is long, and one that is leaving."""
    timing = Timing().scaled(time_scale)
    recorder = Recorder(timing)
    highest = [0] * len(timing.rungs)

    for now in START + np.arange(0, 100 * DAY, 1200) / time_scale:
        recorder.add(now, now)
        highest = [max(most, len(recorder.ladder.panes(level))) for level, most in enumerate(highest)]
    for now in START + (100 * DAY + np.arange(0, 4000, 5)) / time_scale:
        recorder.add(now, now)
        highest = [max(most, len(recorder.ladder.panes(level))) for level, most in enumerate(highest)]

    assert all(most <= rung.panes + 1 for most, rung in zip(highest, timing.rungs, strict=True))
    assert highest[-1] >= 90


def test_panes_are_handed_on_as_they_leave_the_first_rung():
    """In order of time, each once: what a baseline is learned from."""
    recorder = Recorder(Timing())

    for now in START + np.arange(0, 2000, 5.0):
        recorder.add(now, now)

    positions = [position for position, _ in recorder.left]
    assert positions == sorted(set(positions))
    assert 2000 / 5 - sum(events for _, events in recorder.left) == pytest.approx(300 / 5, abs=3)


@pytest.mark.parametrize("step_back", [1.0, 3600.0, DAY, 400 * DAY])
def test_a_clock_that_is_set_back_loses_nothing(step_back):
    """Neither when it happens nor when the time comes round again."""
    recorder = Recorder(Timing())
    arrivals = START + np.arange(0, 7200, 30.0)

    for now in arrivals:
        recorder.add(now, now)
    for now in arrivals - step_back:
        recorder.add(now, now)
    assert 2 * len(arrivals) == recorder.events()
    list(recorder.ladder.windows(3))

    for now in arrivals + 7200:
        recorder.add(now, now)
    expected = 2 if step_back > 90 * DAY else 3
    assert expected * len(arrivals) == recorder.events()


def test_a_window_is_the_readers_own():
    """Later events do not change a window that was read, nor the reader the ladder."""
    recorder = Recorder(Timing())
    recorder.add(START, START)
    first, *_ = recorder.ladder.windows(3)

    recorder.add(START, START)
    first.update(rows(5))

    assert 6 == first.events
    assert 2 == recorder.events()
