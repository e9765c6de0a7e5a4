"""What few rows of a baseline cannot show: taken from the exact sums, and from healthy traffic after it."""

import numpy as np
import pytest

from app.drift.blocks import Blocks
from app.drift.calibration import Calibration
from app.drift.dependence import Sizes, Witness, design_effect, noise_of
from app.drift.joint import together
from app.drift.learning import LEARNING_SECONDS, settled, teaches
from app.drift.sums import VectorSums
from app.drift.window import Window
from app.frame import Frame

DIMENSIONS = 24
SESSION = 3
THINNED = 16


def sessions(rng, events, shift=0.0):
    """Rows that come three times in a row."""
    rows = rng.normal(size=(events // SESSION, DIMENSIONS)) * np.linspace(1, 0.3, DIMENSIONS)
    rows[:, 0] += 4
    rows[:, 1] += shift
    return np.repeat(rows, SESSION, axis=0).astype(np.float32)


def whole(frame, rows):
    return Window(VectorSums.of(rows), frame.sums(rows, frame.measure(rows)))


def thin_baseline(rng, panes=64, events=300):
    """Panes with the sums of all events, of which every sixteenth was measured in the frame."""
    rows = [sessions(rng, events) for _ in range(panes)]
    kept = [each[::THINNED] for each in rows]
    frame, held_out = Frame.fit(np.concatenate(kept), np.concatenate(rows).mean(axis=0, dtype=np.float64))
    cuts = np.split(np.arange(sum(map(len, kept))), np.cumsum([len(each) for each in kept])[:-1])
    return frame, [
        Window(VectorSums.of(every), frame.sums(part, held_out.take(cut)))
        for every, part, cut in zip(rows, kept, cuts, strict=True)
    ]


def scores(calibration, window):
    return {reading.statistic: reading.score for reading in calibration.read(window)}


def test_the_noise_of_a_sample_of_sessions_is_that_of_theory():
    """Means of every fourth of 240 events that come in threes: variance within 10 % over 4,000 trials."""
    rng = np.random.default_rng(7)
    events = np.repeat(rng.normal(size=(4000, 80)), 3, axis=1)
    chosen = rng.permuted(np.tile(np.arange(240), (4000, 1)), axis=1)[:, :60]

    assert events.mean(axis=1).var() == pytest.approx(noise_of(240.0, 240.0, 3.0), rel=0.1)
    assert np.take_along_axis(events, chosen, axis=1).mean(axis=1).var() == pytest.approx(
        noise_of(60.0, 240.0, 3.0), rel=0.1
    )


def test_few_rows_leave_the_design_effect_to_what_is_expected():
    """Seven of 500 rows a pane say next to nothing, all of them say all."""
    rng = np.random.default_rng(7)
    changes = 2 / 7 * rng.chisquare(1, 288)
    thin, full = Sizes(np.full(288, 7.0), np.full(288, 500.0)), Sizes(np.full(288, 500.0), np.full(288, 500.0))

    assert design_effect(changes, thin, thin, expected=2.5) == pytest.approx(2.5, abs=0.25)
    assert design_effect(changes * 7 / 500, full, full, expected=2.5) == pytest.approx(1, abs=0.3)


def test_limits_of_a_thin_baseline_hold_for_windows_that_are_measured_in_full():
    """Sessions show in the exact sums alone: 60 healthy windows of 300 and 3,000 events exceed no limit."""
    rng = np.random.default_rng(7)
    frame, panes = thin_baseline(rng)
    for span, events in ((1, 300), (8, 2400)):
        calibration = Calibration.learn(Blocks.of(frame, panes, span), 1e-3)
        found = [scores(calibration, whole(frame, sessions(rng, events))) for _ in range(30)]

        assert calibration.vectors.mean_shift.witness.effect == pytest.approx(3, rel=0.15)
        assert calibration.vectors.joint.design_effect > 2
        assert max(max(each.values()) for each in found) < 1


def test_healthy_traffic_after_the_baseline_sharpens_limits_and_a_drift_does_not_move_them():
    """A corrected middle is known better; one that is further away than chance explains is not believed."""
    rng = np.random.default_rng(7)
    frame, panes = thin_baseline(rng)

    def learned(after):
        return Calibration.learn(Blocks.of(frame, panes, 8, after=after), 1e-3).vectors

    before = learned(None)
    healthy = learned(whole(frame, sessions(rng, 9000)))
    drifted = learned(whole(frame, sessions(rng, 9000, shift=3.0)))

    assert healthy.joint.centre_noise < before.joint.centre_noise
    assert healthy.novelty.noise.baseline < before.novelty.noise.baseline
    assert healthy.mahalanobis.noise.baseline < before.mahalanobis.noise.baseline
    assert drifted.joint.centre.tolist() == before.joint.centre.tolist()
    assert drifted.mean_shift.centre.tolist() == before.mean_shift.centre.tolist()
    assert drifted.novelty.noise.mean == before.novelty.noise.mean


def test_wobble_of_whole_days_is_smaller_than_that_of_the_hours_that_stand_in_for_them():
    """Eighths that wobble: a window as long as the baseline has seen eight spans of it."""
    rng = np.random.default_rng(7)
    rows = [sessions(rng, 60, shift) for shift in np.repeat(rng.normal(size=8), 8)]
    frame, held_out = Frame.fit(np.concatenate(rows))
    panes = [
        Window(VectorSums.of(each), frame.sums(each, held_out.take(slice(60 * i, 60 * (i + 1)))))
        for i, each in enumerate(rows)
    ]
    stand_in = Calibration.learn(Blocks.of(frame, panes, 64), 1e-3)
    days = Calibration.learn(Blocks.of(frame, panes, 64, whole_days=True), 1e-3)
    window = whole(frame, sessions(rng, 3000))

    assert (stand_in.time_matched, days.time_matched) == (False, True)
    assert days.vectors.mean_shift.drift <= stand_in.vectors.mean_shift.drift
    assert days.vectors.mean_shift.limit(window, 1e-3) < stand_in.vectors.mean_shift.limit(window, 1e-3)


def test_windows_that_drift_or_come_late_teach_nothing():
    """The limit itself is still healthy, and so is the end of the seventh day."""
    assert teaches(1.0, LEARNING_SECONDS)
    assert not teaches(1.01, 0.0)
    assert not teaches(0.5, LEARNING_SECONDS + 1)


def test_only_the_first_hours_correct_the_middle():
    """Six of ten hours; nothing where there is nothing."""
    rng = np.random.default_rng(7)
    frame, _ = thin_baseline(rng, panes=16)
    hours = [whole(frame, sessions(rng, 60)) for _ in range(10)]

    assert settled([], 3600) is None
    assert settled(hours, 3600).vectors.n == 6 * 60
    assert settled(hours, 86400).vectors.n == 60


def test_three_statistics_near_their_limits_are_one_above():
    """Scores below 0 take nothing away."""
    assert together(0.9, 0.9, 0.9) > 1
    assert together(0.9, -2.0, 0.0) == 0.9
    assert together(-1.0, -1.0, -1.0) == 0


def test_a_number_may_depend_on_sessions_more_or_less_than_the_mean_does():
    """Never less than not at all."""
    assert Witness(2.0, 0.5).scaled(1.5, 2.0) == Witness(3.0, 1.0)
    assert Witness(1.0, 0.5).scaled(0.5, 0.0).effect == 1
