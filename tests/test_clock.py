"""The exporter's own time: goes on evenly whatever the machine's clock is set to, and knows how far that is away."""

import time

import pytest

from app.clock import SystemClock
from tests.fakes import FakeClock

HOUR, DAY = 3600.0, 86400.0
START = 1_800_000_000.0


@pytest.mark.parametrize("jump", [1.5, -1.5, HOUR, -HOUR, DAY, -DAY])
def test_a_clock_that_is_set_moves_the_offset_alone(jump):
    """By whole seconds, down: what is told does not lie ahead of the machine's clock."""
    clock = FakeClock(START)
    clock.advance(10.25)
    clock.set_by(jump)

    assert START + 10.25 == clock.now()
    assert clock.offset() == jump // 1
    assert 0 <= clock.wall - (clock.now() + clock.offset()) < 1


def test_a_clock_that_is_slewed_moves_no_time():
    """A second in steps of a millisecond, and back."""
    clock, offsets = FakeClock(START), set()
    for step in [0.001] * 999 + [-0.001] * 1998:
        clock.set_by(step)
        offsets.add(clock.offset())

    assert {0.0} == offsets


def test_a_clock_that_is_slewed_on_and_on_is_followed():
    """A day of a step in a second each: never more than a second away."""
    clock = FakeClock(START)
    for _ in range(1000):
        clock.advance(1.0)
        clock.set_by(0.1)
        assert abs(clock.wall - (clock.now() + clock.offset())) <= 1

    assert START + 1000 == clock.now()
    assert 99 <= clock.offset() <= 100


def test_a_clock_that_is_set_back_right_leaves_nothing():
    """As it was before."""
    clock = FakeClock(START)
    for jump in (DAY, -DAY):
        clock.set_by(jump)
        clock.offset()

    assert 0.0 == clock.offset()


def test_a_process_that_was_held_between_two_readings_takes_that_for_no_step():
    """Stopped for a minute after it read the one clock and before it read the other."""
    hand, held = 0.0, False

    def wall():
        nonlocal hand
        hand += 60.0 if held else 0.0
        return START + hand

    clock = SystemClock(wall, lambda: hand)
    held = True
    assert 0.0 == clock.offset()
    held = False
    assert 0.0 == clock.offset()


@pytest.mark.parametrize("jump", [0.0, HOUR, -HOUR, DAY, -DAY])
def test_within_one_boot_time_goes_on_whatever_was_set(jump):
    """Also where the clock was set after the mark was made; what passed meanwhile passed."""
    before = FakeClock(START, boot="b")
    mark = before.mark()
    after = FakeClock(START + 100.0, boot="b", ahead=jump)
    after.resume(mark)

    assert START + 100.0 == after.now()
    assert jump == after.offset()


@pytest.mark.parametrize("boot", [None, "another"])
@pytest.mark.parametrize("jump", [0.0, HOUR, -HOUR, DAY, -DAY])
def test_after_another_boot_time_is_as_far_from_the_clock_as_it_was(jump, boot):
    """The machine's clock alone tells what passed meanwhile. No boot is known to be the same as another unknown one."""
    before = FakeClock(START, boot=boot and "b")
    before.set_by(jump)
    mark = before.mark()
    after = FakeClock(50.0, boot=boot, ahead=START + jump + 100.0 - 50.0)
    after.resume(mark)

    assert START + 100.0 == after.now()
    assert jump == after.offset()


def test_a_clock_that_was_set_back_between_two_boots_does_not_turn_time_back():
    """It goes on from what happened last, and the clock is that much behind."""
    clock = FakeClock(START, ahead=-DAY)
    clock.resume(FakeClock(START).mark())
    clock.not_before(START)
    clock.not_before(START - HOUR)

    assert START == clock.now()
    assert -DAY == clock.offset()


def test_without_a_mark_time_begins_with_the_machine_s_clock():
    """What a version left that kept none."""
    clock = FakeClock(START, boot="b")
    clock.set_by(HOUR)
    clock.resume({})

    assert START + HOUR == clock.now()
    assert 0.0 == clock.offset()


def test_the_machine_s_own_clocks_tell_its_time():
    """To a second, and each reading no earlier than the one before; another process of this boot goes on from it."""
    clock = SystemClock()
    readings = [clock.now() for _ in range(1000)]
    again = SystemClock()
    again.resume(clock.mark())

    assert readings == sorted(readings)
    assert abs(clock.now() + clock.offset() - time.time()) < 2
    assert clock.now() <= again.now() < clock.now() + 10
