"""Scores of a store at a moment: absent where nothing is known, quiet while all is well, loud when it is not."""

import math
from itertools import pairwise

import numpy as np
import pytest

from app.baseline import Pinned
from app.drift import STATISTICS
from app.evaluate import Evaluator
from app.model import SimilarityMetric, Timing
from app.store import MemoryStore
from tests.builders import KEY, events, traffic
from tests.fakes import FakeClock

DAY = 86400.0
MIN_WINDOW_EVENTS = 200


class Stage:
    """A store under traffic and its evaluator."""

    def __init__(self, *, poor_match_similarity=None, seed=7):
        self.clock = FakeClock()
        self.rng = np.random.default_rng(seed)
        timing = Timing()
        self.store = MemoryStore(timing, max_series=4, max_state_bytes=10**9, seed=seed)
        self.pinned = Pinned(timing, min_events=2000)
        self.evaluator = Evaluator(self.store, self.pinned, timing, MIN_WINDOW_EVENTS, poor_match_similarity)

    def run(self, seconds, per_minute=40, *, norm=1.0, top1_shift=0.0, every_minutes=10, watch=lambda view: None):
        """Traffic with a rhythm of the day: more at noon, with somewhat other questions. Evaluated now and then."""
        for minute in range(int(seconds / 60)):
            now = self.clock.advance(60)
            noon = math.sin(2 * math.pi * now / DAY)
            count = self.rng.poisson(per_minute * (1 + 0.5 * noon))
            batch = traffic(
                self.rng, np.full(count, now), dimension=4, norm=norm, top1_mean=0.6 + 0.01 * noon + top1_shift
            )
            self.store.append(batch, now)
            if minute % every_minutes == every_minutes - 1:
                watch(self.tick())
        return self.tick()

    def tick(self):
        """The view of the one series."""
        return self.evaluator.tick(self.clock.now()).series.get(KEY)


def worst(view, window, signal):
    return max(score.score for score in view.scores if (score.window, score.signal) == (window, signal))


@pytest.fixture(scope="module")
def stage():
    """A stage whose baseline is final: a day of healthy traffic has gone by."""
    stage = Stage()
    view = stage.run(DAY + 600, every_minutes=60)
    assert "final" == view.baselines[0].state
    return stage


@pytest.fixture
def same_baseline(stage):
    """A function that makes a new stage with the final baseline of the first, and a clock in time with it."""

    def make(**settings):
        new = Stage(seed=8, **settings)
        new.clock.advance(stage.clock.now() - new.clock.now())
        new.pinned.adopt(stage.pinned.find(KEY))
        return new

    return make


def test_before_the_first_tick_there_is_nothing():
    """No time, no series: a scrape then renders none."""
    latest = Stage().evaluator.latest

    assert (0.0, {}) == (latest.at, latest.series)


def test_nothing_is_scored_without_a_baseline():
    """Windows are there from the start, scores are not."""
    stage = Stage()

    view = stage.run(600)

    assert () == view.scores
    assert "learning" == view.baselines[0].state
    assert view.baselines[0].pinned is None
    assert view.windows["5m"].events > 100


def test_a_window_below_the_minimum_is_not_scored(same_baseline):
    """One event makes the difference, and each signal has its own count."""
    stage = same_baseline()
    now = stage.clock.now()
    stage.store.append(traffic(stage.rng, np.full(MIN_WINDOW_EVENTS - 1, now), dimension=4), now)
    assert () == stage.tick().scores

    stage.store.append(events([now], norms=[1.0]), now)

    scores = stage.tick().scores
    assert {"norm"} == {score.signal for score in scores}
    assert {"5m", "1h", "24h"} == {score.window for score in scores}


def test_every_signal_is_scored_by_every_statistic_in_every_window(stage):
    """All is scored that has events enough, each with its limit."""
    view = stage.tick()

    scored = {(score.window, score.signal, score.statistic) for score in view.scores}
    signals = {"norm", "top1_similarity", "similarity_mean", "margin"}
    assert {
        (window, signal, each.name) for window in ("1h", "24h") for signal in signals for each in STATISTICS
    } <= scored
    assert {"pinned"} == {score.baseline for score in view.scores}
    for score in view.scores:
        assert score.value / score.limit == score.score
        assert 0 <= score.value < math.inf


def test_two_healthy_days_stay_below_the_limits(same_baseline):
    """With a rhythm of the day in how much is asked and what: no score of any window passes 1."""
    stage, highest = same_baseline(), []

    stage.run(2 * DAY, watch=lambda view: highest.extend(score.score for score in view.scores))

    assert len(highest) > 2 * 144 * 48 * 0.9
    assert max(highest) < 1


@pytest.mark.parametrize(
    ("change", "signal"),
    [({"top1_shift": -0.2}, "top1_similarity"), ({"norm": 1.1}, "norm"), ({"norm": 0.9}, "norm")],
    ids=["similarities two deviations lower", "norms a tenth longer", "norms a tenth shorter"],
)
def test_a_change_shows_within_the_hour(same_baseline, change, signal):
    """The score of the last hour passes its limit, that of the signal that did not change does not."""
    stage = same_baseline()
    before = stage.run(3700)

    after = stage.run(3600, **change)

    assert worst(before, "1h", signal) < 1 < worst(after, "1h", signal)
    other = {"norm": "top1_similarity", "top1_similarity": "norm"}[signal]
    assert worst(after, "1h", other) < 1


def test_the_poor_match_limit_is_that_of_the_baseline(same_baseline):
    """Unknown before; then poor matches are counted from there, about one in twenty."""
    stage = Stage()
    stage.run(600)
    (totals,) = stage.store.totals(stage.clock.now())
    assert (None, None) == (totals.poor_match_limit, totals.poor_match_queries)

    stage = same_baseline()
    stage.run(600, every_minutes=1)
    first = stage.store.totals(stage.clock.now())[0]
    stage.run(7200)
    second = stage.store.totals(stage.clock.now())[0]

    assert stage.pinned.find(KEY).poor_match_limit == second.poor_match_limit
    poor = second.poor_match_queries - first.poor_match_queries
    assert pytest.approx(0.05, abs=0.02) == poor / (second.queries - first.queries)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (SimilarityMetric.COSINE, 0.4),
        (SimilarityMetric.L2, 0.4),
        (SimilarityMetric.L2_SQUARED, 0.4),
        (SimilarityMetric.DOT, None),
        (SimilarityMetric.OTHER, None),
    ],
)
def test_an_absolute_poor_match_limit_is_for_cosines_alone(metric, expected):
    """A dot product of 0.4 says nothing; distances were made cosines on arrival."""
    stage = Stage(poor_match_similarity=0.4)
    now = stage.clock.now()
    stage.store.append(events([now] * 3, scores=[[0.3], [0.5], [0.2]], metrics=metric), now)
    stage.tick()

    stage.store.append(events([now] * 3, scores=[[0.3], [0.5], [0.2]], metrics=metric), now)

    (totals,) = stage.store.totals(now)
    assert expected == totals.poor_match_limit
    assert (None if expected is None else 2) == totals.poor_match_queries


def test_an_idle_series_leaves_and_its_baseline_stays(same_baseline):
    """After a day without events it is gone; when it comes back it is scored at once."""
    stage = same_baseline()
    stage.run(3600)
    baseline = stage.pinned.find(KEY)

    stage.clock.advance(DAY + 60)
    assert {} == stage.evaluator.tick(stage.clock.now()).series
    assert baseline is stage.pinned.find(KEY)

    view = stage.run(900)
    assert view.scores
    assert baseline is view.baselines[0].pinned


def test_baselines_of_departed_series_take_of_the_stores_budget(same_baseline):
    """The evaluation tells the store what they take; once the series is back it takes its own place."""
    stage, told = same_baseline(), []
    stage.store.reserve = told.append

    stage.tick()
    stage.run(60)

    assert [stage.pinned.find(KEY).nbytes, 0] == told


def test_the_evaluation_says_when_it_was_and_what_it_took(same_baseline):
    """A scrape renders the last one."""
    stage = same_baseline()

    first = stage.evaluator.tick(stage.clock.now())
    second = stage.evaluator.tick(stage.clock.advance(10))

    assert second is stage.evaluator.latest
    assert 10 == second.at - first.at
    assert 0 < second.duration_seconds < 60


def test_progress_grows_while_learning():
    """Shown as n of so many; it never goes back."""
    stage, seen = Stage(), []

    stage.run(7200, per_minute=20, watch=lambda view: seen.append(view.baselines[0].progress))

    assert all(before.events <= after.events for before, after in pairwise(seen))
    assert all(before.seconds < after.seconds for before, after in pairwise(seen))
    assert (2000, DAY) == (seen[-1].events_needed, seen[-1].seconds_needed)


def test_a_series_that_cannot_be_evaluated_does_not_cost_the_others_theirs(monkeypatch):
    """A bug met in one series leaves it without a view, and the others with theirs."""
    stage = Stage()
    now = stage.clock.now()
    other = KEY._replace(model="other")
    stage.store.append(events([now] * 10), now)
    stage.store.append(events([now] * 10, key=other), now)

    def broken(now):
        raise RuntimeError("made up")

    monkeypatch.setattr(stage.store.find(other), "windows", broken)

    assert {KEY} == set(stage.evaluator.tick(now).series)
