"""Limits of the alarm family: they hold on healthy windows, learn from wobble, and drift exceeds them."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from app.distribution import Distribution
from app.drift.blocks import Blocks
from app.drift.budget import alpha_of_budget
from app.drift.calibration import Calibration
from app.drift.dependence import Sizes, design_effect
from app.drift.invalid import Invalid
from app.drift.noise import degrees_of_freedom, excess_variance
from app.drift.repeats import count_repeats
from app.drift.sums import VectorSums
from app.drift.window import Window
from app.frame import Frame

DIMENSIONS = 24


def normal(rng, n, shift=0.0):
    rows = rng.normal(size=(n, DIMENSIONS)) * np.linspace(1, 0.1, DIMENSIONS)
    rows[:, 0] += 4 + shift
    return rows.astype(np.float32)


def window(frame, rows, measured=None):
    return Window(
        VectorSums.of(rows),
        frame.sums(rows, frame.measure(rows) if measured is None else measured),
        norms=Distribution.of(np.linalg.norm(rows.astype(np.float64), axis=1)).compact(400),
    )


def calibrated(panes, alpha, span=8):
    """A frame of all rows, and the calibration from them as panes."""
    rows = np.concatenate(panes)
    frame, held_out = Frame.fit(rows)
    cuts = np.split(np.arange(len(rows)), np.cumsum([len(pane) for pane in panes])[:-1])
    blocks = Blocks.of(frame, [window(frame, rows[cut], held_out.take(cut)) for cut in cuts], span)
    return frame, Calibration.learn(blocks, alpha)


def scores(calibration, seen):
    return {reading.statistic: reading.score for reading in calibration.read(seen)}


def test_independent_windows_exceed_a_limit_as_rarely_as_alpha_says():
    """40 baselines of 960 rows, 10 windows of 300 each, alpha 0.05 for the family: at most 36 of 400 exceed a limit.

    With a true rate of 5 % more than 36 have a probability of 0.0005 (binomial); windows of one baseline share its
    error, for which the rate may be a little higher than alpha. None would mean limits that see nothing.
    """
    rng = np.random.default_rng(7)
    exceeded = 0
    for _ in range(40):
        frame, calibration = calibrated([normal(rng, 15) for _ in range(64)], 0.05)
        for _ in range(10):
            exceeded += max(scores(calibration, window(frame, normal(rng, 300))).values()) > 1

    assert 1 - binom.cdf(36, 400, 0.05) < 0.001
    assert 1 <= exceeded <= 36


def test_a_baseline_that_wobbles_allows_what_one_that_does_not_calls_drift():
    """Panes whose mean moves by 0.4 standard deviations of one direction, and a window that did."""
    rng = np.random.default_rng(7)
    moved = 0.4
    calm_frame, calm = calibrated([normal(rng, 60) for _ in range(32)], 1e-3, span=1)
    panes = [normal(rng, 60, shift) for shift in moved * rng.normal(size=32)]
    frame, wobbly = calibrated(panes, 1e-3, span=1)
    drifted = normal(rng, 1000, moved)

    assert scores(calm, window(calm_frame, drifted))["mean_shift"] > 1
    assert len(wobbly.vectors.mean_shift.directions.wobble) >= 1
    assert scores(wobbly, window(frame, drifted))["mean_shift"] < 1


def test_merging_panes_does_not_change_a_score():
    """A window is the same whether it came in one piece or in ten."""
    rng = np.random.default_rng(7)
    frame, calibration = calibrated([normal(rng, 15) for _ in range(64)], 1e-3)
    rows = normal(rng, 400, 0.3)
    whole = scores(calibration, window(frame, rows))
    merged = scores(calibration, Window.merged([window(frame, part) for part in np.array_split(rows, 10)]))

    # Merged distributions keep 400 steps: the norm's Wasserstein distance may differ by that.
    assert merged.pop("norm") == pytest.approx(whole.pop("norm"), abs=0.05)
    assert merged == pytest.approx(whole, rel=1e-5, abs=1e-6)


def test_a_block_is_left_out_of_what_it_is_held_against():
    """One fold of eight that moved far: its left-out displacement is the whole shift, not seven eighths of it."""
    rng = np.random.default_rng(7)
    panes = [normal(rng, 100, 3.0 if i < 2 else 0.0) for i in range(16)]
    _, calibration = calibrated(panes, 1e-3, span=2)
    shift = calibration.vectors.mean_shift
    values = shift.left_out(blocks_of(panes), *shifts_of(panes, shift), own=1.0).values
    rows = np.concatenate(panes).astype(np.float64)
    delta = shift.space.whiten(rows[:200].mean(axis=0) - rows[200:].mean(axis=0))

    assert values[0] == pytest.approx(float(delta @ delta), rel=0.03)


def blocks_of(panes):
    rows = np.concatenate(panes)
    frame, held_out = Frame.fit(rows)
    cuts = np.array_split(np.arange(len(rows)), len(panes))
    return Blocks.of(frame, [window(frame, rows[cut], held_out.take(cut)) for cut in cuts], 2)


def shifts_of(panes, shift):
    sizes = Sizes(*[np.array([len(pane) for pane in panes], float)] * 2)
    means = np.stack([pane.mean(axis=0, dtype=np.float64) for pane in panes])
    return shift.space.whiten(means - shift.baseline.mean), sizes


def test_repeated_events_widen_the_limits_that_a_baseline_with_sessions_learns():
    """Every row three times in a row: the design effect is about 3, and healthy windows of such rows stay silent."""
    rng = np.random.default_rng(7)
    panes = [np.repeat(normal(rng, 20), 3, axis=0) for _ in range(64)]
    frame, calibration = calibrated(panes, 1e-3, span=8)
    worst = [
        max(scores(calibration, window(frame, np.repeat(normal(rng, 100), 3, axis=0))).values()) for _ in range(20)
    ]

    assert 2.3 < calibration.vectors.mean_shift.design_effect < 3.7
    assert max(worst) < 1


def test_later_windows_count_for_the_wobble_but_not_for_the_baseline():
    """Windows that closed after the frame was frozen add degrees of freedom; the baseline's events stay."""
    rng = np.random.default_rng(7)
    rows = normal(rng, 960)
    frame, held_out = Frame.fit(rows)
    cuts = np.array_split(np.arange(960), 32)
    panes = [window(frame, rows[cut], held_out.take(cut)) for cut in cuts]
    later = [window(frame, normal(rng, 120)) for _ in range(12)]
    before = Calibration.learn(Blocks.of(frame, panes, 4), 1e-3)
    after = Calibration.learn(Blocks.of(frame, panes, 4, later), 1e-3)

    assert (before.windows, after.windows) == (8, 20)
    assert after.vectors.novelty.noise.freedom > before.vectors.novelty.noise.freedom
    assert after.vectors.mean_shift.baseline.rows == before.vectors.mean_shift.baseline.rows == 960


def test_a_duration_longer_than_an_eighth_of_the_baseline_is_not_time_matched():
    """Shorter windows stand in, and the calibration says so."""
    rng = np.random.default_rng(7)
    panes = [normal(rng, 30) for _ in range(24)]

    assert not calibrated(panes, 1e-3, span=12)[1].time_matched
    assert calibrated(panes, 1e-3, span=3)[1].time_matched


def test_a_baseline_of_few_panes_is_refused():
    """The message says how many are needed."""
    with pytest.raises(ValueError, match="at least 16 panes"):
        calibrated([normal(np.random.default_rng(7), 60) for _ in range(8)], 1e-3, span=1)


def test_the_invalid_limit_is_the_exact_conditional_one():
    """Given 5 of 2,500 in all, the window's 500 hold more than the limit with a probability of at most alpha / 6."""
    limit = Invalid(count=0, events=2000).limit(500, 1e-3) * 500
    allowed = round(limit)

    assert hypergeom.sf(allowed, 2500, allowed + 1, 500) <= 1e-3 / 6
    assert binom.sf(allowed - 1, allowed, 0.2) > 1e-3 / 6


def test_chance_makes_neither_a_design_effect_nor_wobble():
    """Only what chance hardly explains is counted; what is counted is right."""
    rng = np.random.default_rng(7)
    ratios = rng.chisquare(1, 60)
    panes = Sizes(np.full(60, 20.0), np.full(60, 20.0))
    changes = 2 / 20 * ratios / ratios.mean()

    assert design_effect(changes, panes, panes) == 1
    assert design_effect(3 * changes, panes, panes) == pytest.approx(3, rel=0.1)
    assert excess_variance(rng.normal(0, 1, 30), 1.0) == 0
    assert excess_variance(rng.normal(0, 3, 1000), 1.0) == pytest.approx(8, rel=0.15)


def test_windows_that_resemble_their_neighbours_have_fewer_degrees_of_freedom():
    """A random walk counts for few independent windows, white noise for nearly all."""
    rng = np.random.default_rng(7)

    assert degrees_of_freedom(np.cumsum(rng.normal(size=60))) < 10
    assert degrees_of_freedom(rng.normal(size=60)) == 59


def test_a_larger_budget_or_a_longer_window_allows_more_a_look():
    """Two windows of an hour in a row are as rare as one alarm a year asks for."""
    look = alpha_of_budget(1, 3600, windows=1, baselines=1)

    assert look**2 == pytest.approx(1 / 365.25 / 24 / 3)
    assert alpha_of_budget(4, 3600, windows=1, baselines=1) == pytest.approx(2 * look)
    assert alpha_of_budget(1, 3600, windows=1, baselines=1, confirmed=False) == pytest.approx(look**2)


def test_popular_inputs_are_noise_and_a_flood_is_not():
    """Zipf repeats lower the number of independent events; one input alone hardly does."""
    zipf = [item for rank in range(1, 41) for item in [f"q{rank}"] * (100 // rank)]
    flood = ["flood"] * 100 + [f"q{i}" for i in range(300)]
    before = [f"b{i}" for i in range(2000)]

    assert count_repeats(zipf, before).factor > 15
    assert count_repeats(flood, before).factor < 1.2
    assert count_repeats(flood, before).largest == 0.25


def test_repeats_make_scores_smaller():
    """The same sums, known to be of a quarter as many independent events."""
    rng = np.random.default_rng(7)
    frame, calibration = calibrated([normal(rng, 15) for _ in range(64)], 1e-3)
    seen = window(frame, normal(rng, 400, 0.3))
    repeated = dataclasses.replace(seen, repeats=count_repeats([i // 4 for i in range(400)], range(1000, 2000)))

    assert scores(calibration, repeated)["mean_shift"] < scores(calibration, seen)["mean_shift"]
