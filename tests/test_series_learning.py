"""What a series keeps of its baseline's time while it is learned."""

import numpy as np
import pytest

from app.model import Timing
from app.series import Series
from app.series.learning import BLOCK_STEPS, SAMPLE_ROWS, kept_blocks
from tests.builders import KEY, traffic
from tests.fakes import FakeClock

DAY = 86400.0


def fed(seconds, step, per_step=1, *, delay=0.0, timing=None, clock=None, seed=7):
    """A series that got `per_step` events every `step` seconds, each `delay` old on arrival."""
    clock = clock or FakeClock()
    rng = np.random.default_rng(seed)
    series = Series(KEY, clock.now(), timing or Timing(), rng)
    for _ in range(int(seconds / step)):
        clock.advance(step)
        series.append(traffic(rng, np.full(per_step, clock.now() - delay), dimension=4), clock.now())
    return series, clock


def test_a_steady_day_is_learned_in_blocks_of_every_window_but_the_longest():
    """All events of the day, in closed blocks of 5 minutes and an hour, oldest first, without a gap."""
    series, clock = fed(DAY + 600, step=60, per_step=6)

    material = series.learned_material(clock.now())

    assert {"5m", "1h"} == material.blocks.keys()
    for window, blocks in material.blocks.items():
        seconds = Timing().windows[window]
        starts = [block.start for block in blocks]
        assert pytest.approx(DAY / seconds, abs=1.01) == len(blocks)
        assert {seconds} == set(np.diff(starts))
        assert {6 * seconds / 60} == {block.events for block in blocks[1:]}
    # The last five minutes are still in the first rung.
    assert pytest.approx(6 * (DAY + 600) / 60, abs=6 * 7) == material.events


def test_the_sample_is_spread_over_the_whole_time():
    """Not the first second of traffic, nor the last: every hour of the day has about its share."""
    series, clock = fed(DAY, step=60, per_step=6)

    sample = series.learned_material(clock.now()).sample

    hours = np.histogram(clock.now() - sample.times, bins=24, range=(0, DAY))[0]
    assert SAMPLE_ROWS == len(sample) == hours.sum()
    assert 0.5 * SAMPLE_ROWS / 24 < hours.min()
    assert hours.max() < 1.6 * SAMPLE_ROWS / 24


def test_a_quiet_series_learns_on_within_bounds():
    """Ten days at six events an hour: all counted, old blocks gone, the newest kept."""
    series, clock = fed(10 * DAY, step=600)

    material = series.learned_material(clock.now())

    assert pytest.approx(10 * 144, abs=2) == material.events
    assert kept_blocks(Timing()) == {window: len(blocks) for window, blocks in material.blocks.items()}
    for window, blocks in material.blocks.items():
        assert clock.now() - blocks[-1].start < 2 * Timing().windows[window] + 900


def test_events_that_always_come_late_are_learned_too():
    """A pipeline that ships every 20 minutes would never have a baseline: its events skip the first rung."""
    series, clock = fed(7200, step=60, per_step=4, delay=1200.0)

    material = series.learned_material(clock.now())

    # What happened before the series began is not learned.
    assert pytest.approx(4 * (7200 - 1200) / 60, abs=8) == material.events
    assert len(material.blocks["5m"]) >= 19
    assert {20} == {block.events for block in material.blocks["5m"][1:]}


def test_a_late_event_counts_for_the_whole_and_not_for_a_later_block():
    """Its own block has closed: those of other times are not made to hold it."""
    series, clock = fed(7200, step=60, per_step=4)
    series.learned_material(clock.now())
    events, rng = series.learned_events(), np.random.default_rng(8)

    series.append(traffic(rng, [clock.now() - 3000] * 7, dimension=4), clock.now())
    assert events + 7 == series.learned_material(clock.now()).events

    for _ in range(20):
        series.append(traffic(rng, [clock.advance(60)] * 4, dimension=4), clock.now())
    blocks = series.learned_material(clock.now()).blocks["5m"]
    assert {20} == {block.events for block in blocks[1:]}


def test_learning_anew_forgets_the_time_before():
    """Neither its events nor its vectors: the first rung still holds five minutes of them."""
    series, clock = fed(3600, step=10, per_step=5)

    series.restart_learning(clock.now())
    began = clock.now()
    rng = np.random.default_rng(8)
    for _ in range(60):
        series.append(traffic(rng, [clock.advance(10)], dimension=4), clock.now())

    material = series.learned_material(clock.now())
    assert began == material.started
    # At most the rest of the pane in which it began is of before.
    assert material.events <= 60 - 30 + 2 + 5
    assert material.sample.times.min() > began


def test_nothing_is_kept_once_learning_has_stopped():
    """Its memory is free, and there is no material to make a baseline of."""
    series, clock = fed(3600, step=10, per_step=5)

    series.stop_learning()

    assert series.learned_material(clock.now()) is None
    assert series.learned_events() is None
    assert series.learning_since() is None
    assert 0 == series.nbytes()["baseline being learned: vector sample"]


@pytest.mark.parametrize("time_scale", [10, 288, 2880])
def test_blocks_are_as_many_at_any_time_scale(time_scale):
    """Widths that floats do not hold exactly move no pane into the block before."""
    timing = Timing().scaled(time_scale)
    clock = FakeClock(start=1_800_000_123.4)
    series, clock = fed(DAY / 4 / time_scale, step=10 / time_scale, timing=timing, clock=clock)

    blocks = series.learned_material(clock.now()).blocks

    assert pytest.approx(72, abs=2) == len(blocks["5m"])
    assert {29, 30, 31} >= {block.events for block in blocks["5m"][1:]}
    assert pytest.approx(6, abs=1) == len(blocks["1h"])


@pytest.mark.parametrize("per_block", [1, 40, 400])
def test_a_block_is_the_distribution_of_its_events(per_block):
    """Exact up to 64 events, and otherwise within half a step and the sketch's error."""
    series, clock = fed(900, step=300, per_step=per_block)
    rng = np.random.default_rng(7)
    batches = [traffic(rng, np.full(per_block, 0.0), dimension=4) for _ in range(3)]

    (block, *_) = series.learned_material(clock.advance(600)).blocks["5m"]

    exact = np.sort(batches[0].norm.astype(np.float32))
    values = block.values("norm")
    assert per_block == block.signals["norm"]
    assert min(per_block, BLOCK_STEPS) == values.size
    ranks = np.searchsorted(exact, values, side="right") / per_block
    expected = (np.arange(values.size) + (1 if per_block <= BLOCK_STEPS else 0.5)) / values.size
    assert np.abs(ranks - expected).max() <= (1e-9 if per_block <= BLOCK_STEPS else 0.03)
    assert 0 == block.values("no such signal").size


def test_a_window_is_material_for_a_baseline():
    """Its blocks are panes of the shorter windows' lengths; it starts no earlier than the series."""
    series, clock = fed(2 * 3600, step=30, per_step=3)

    hour, day = (series.window_material(window, clock.now()) for window in ("1h", "24h"))

    assert {"5m"} == hour.blocks.keys()
    assert {"5m", "1h"} == day.blocks.keys()
    assert 3600 == clock.now() - hour.started
    assert 2 * 3600 == clock.now() - day.started
    assert 2 * 3600 / 30 * 3 == day.events
    assert 3600 / 30 * 3 <= hour.events <= 3900 / 30 * 3
    assert hour.events == hour.signals["norm"].n
    assert len(hour.blocks["5m"]) >= 11
