"""The pinned baseline: learned, provisional, final; from a window or a file; replaced only on request."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from app.baseline import BASELINES, BaselineExists, NotEnoughEvents, Pinned, from_bytes, to_bytes
from app.drift import STATISTICS
from app.model import SimilarityMetric, Timing
from app.series import Series
from app.signals import SIGNALS
from tests.builders import KEY, traffic
from tests.fakes import FakeClock

DAY = 86400.0
MIN_EVENTS = 2000


class Stage:
    """A series under traffic, and its baseline looked for every 5 minutes, as the evaluation does more often."""

    def __init__(self, *, min_events=MIN_EVENTS, seed=7):
        self.clock = FakeClock()
        self.rng = np.random.default_rng(seed)
        self.pinned = Pinned(Timing(), min_events)
        self.series = self.new_series()
        self.history = []

    def new_series(self):
        return Series(KEY, self.clock.now(), Timing(), self.rng.spawn(1)[0])

    def run(self, seconds, per_minute=10, **kind):
        """Traffic for so long, `per_minute` of it every minute."""
        for minute in range(int(seconds / 60)):
            self.clock.advance(60)
            batch = traffic(self.rng, np.full(per_minute, self.clock.now()), dimension=4, **kind)
            self.series.append(batch, self.clock.now())
            if minute % 5 == 4:
                self.look()
        return self.look()

    def look(self):
        """The baseline now."""
        found = self.pinned.of(self.series, self.clock.now())
        if not self.history or self.history[-1] is not found:
            self.history.append(found)
        return found

    def states(self):
        return ["learning" if each is None else each.state for each in self.history]


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture(scope="module")
def learned():
    """A stage whose baseline is final."""
    stage = Stage()
    stage.run(DAY + 600)
    return stage


def test_every_kind_of_baseline_is_in_the_table():
    """The contract's name for it."""
    assert {"pinned": Pinned} == BASELINES


def test_a_baseline_is_learning_then_provisional_then_final(learned):
    """One day of steady traffic: provisional early, made anew as it grows by half, final after the day."""
    states = learned.states()

    assert "learning" == states[0]
    assert "final" == states[-1]
    assert 1 == states.count("final")
    provisional = [each for each in learned.history if each is not None and each.state == "provisional"]
    assert states == ["learning", *["provisional"] * len(provisional), "final"]
    assert MIN_EVENTS <= provisional[0].events < 1.2 * MIN_EVENTS
    grown = [each.events for each in provisional]
    assert all(after >= 1.5 * before for before, after in pairwise(grown))
    assert len(provisional) >= 4


def test_a_final_baseline_has_all_that_it_is_needed_for(learned):
    """Every signal, a limit for each statistic in each window, a sample, and how it came about."""
    baseline = learned.history[-1]

    assert {signal.name for signal in SIGNALS} == baseline.signals.keys()
    expected = {
        (window, signal.name, statistic.name)
        for window in Timing().windows
        for signal in SIGNALS
        for statistic in STATISTICS
    }
    assert expected == baseline.limits.keys()
    assert all(np.isfinite(limit.at(500)) and limit.at(500) > 0 for limit in baseline.limits.values())
    assert 2048 == len(baseline.sample)
    assert ("learned", SimilarityMetric.COSINE) == (baseline.origin, baseline.similarity_metric)
    assert pytest.approx(DAY, rel=0.01) == baseline.seconds
    assert baseline.signals["top1_similarity"].quantile(0.05) == baseline.poor_match_limit


def test_a_provisional_baseline_leaves_the_sample_with_the_series(learned):
    """A second copy of what is still being drawn would cost as much as all the rest."""
    assert {None} == {each.sample for each in learned.history if each is not None and each.state == "provisional"}


def test_a_final_baseline_stays_whatever_comes(stage, learned):
    """Drift after it is not learned, nothing is kept for learning any more, and an idle series finds it again."""
    final = learned.history[-1]
    stage.pinned.adopt(final)

    assert final is stage.run(3 * 3600, top1_mean=0.2, per_minute=40)
    assert stage.series.learned_events() is None
    stage.series = stage.new_series()
    assert final is stage.look()
    assert stage.series.learned_events() is None


def test_baselines_of_departed_series_are_known_by_their_bytes(stage, learned):
    """The store takes them off what series may use."""
    final = learned.history[-1]
    stage.pinned.adopt(final)

    assert final.nbytes == stage.pinned.nbytes_of_departed(set()) > 2048 * 4 * 2
    assert 0 == stage.pinned.nbytes_of_departed({KEY})


def test_a_quiet_series_is_learned_until_there_is_enough(stage):
    """500 queries a day: nothing for four days, then final, with limits though no hour has fifty events."""
    for _ in range(5 * 24 * 3):
        stage.clock.advance(1200)
        stage.series.append(traffic(stage.rng, np.full(7, stage.clock.now()), dimension=4), stage.clock.now())
        stage.look()

    baseline = stage.look()
    assert ["learning", "final"] == stage.states()
    assert MIN_EVENTS <= baseline.events < 1.1 * MIN_EVENTS
    assert baseline.limit("24h", "top1_similarity", "wasserstein") is not None


def test_a_burst_alone_is_no_baseline(stage):
    """All its events within minutes, then a day of silence: no time blocks, so no limit, so nothing final."""
    stage.run(600, per_minute=1000)
    stage.clock.advance(DAY)

    assert stage.look() is None
    assert stage.series.learned_events() >= MIN_EVENTS


def test_a_baseline_without_scores_has_no_poor_match_limit(stage):
    """A series of documents has norms alone."""
    for _ in range(300):
        stage.clock.advance(60)
        batch = traffic(stage.rng, np.full(20, stage.clock.now()), dimension=4, top_k=0)
        stage.series.append(replace(batch, metric=np.full(20, -1, np.int8)), stage.clock.now())

    baseline = stage.look()
    assert {"norm"} == baseline.signals.keys()
    assert baseline.poor_match_limit is None
    assert baseline.similarity_metric is None


def test_progress_says_how_far_learning_has_come(stage):
    """Events and seconds, of how many."""
    stage.run(3600)
    stage.series.windows(stage.clock.now())

    progress = stage.pinned.progress(stage.series, stage.clock.now())

    assert (MIN_EVENTS, DAY, 3600) == (progress.events_needed, progress.seconds_needed, progress.seconds)
    assert pytest.approx(550, abs=20) == progress.events


def test_a_window_is_pinned_only_over_what_is_not_final():
    """A provisional baseline gives way, a final one only on request."""
    stage = Stage(min_events=500)
    stage.run(3 * 3600)

    pinned = stage.pinned.pin_window(stage.series, "1h", stage.clock.now(), replace=False)
    assert ("window", "provisional", 3600) == (pinned.origin, pinned.state, pinned.seconds)
    stage.pinned.adopt(replace(pinned, state="final"))

    with pytest.raises(BaselineExists):
        stage.pinned.pin_window(stage.series, "1h", stage.clock.now(), replace=False)
    again = stage.pinned.pin_window(stage.series, "1h", stage.clock.now(), replace=True)
    assert again is stage.look()


def test_a_window_with_too_few_events_is_refused_with_the_numbers(stage):
    """And what was there before stays."""
    stage.run(3600)
    before = stage.look()

    with pytest.raises(NotEnoughEvents, match=r"\d+ of the 2000 events"):
        stage.pinned.pin_window(stage.series, "1h", stage.clock.now(), replace=False)

    assert before is stage.look()
    assert stage.series.learned_events() is not None


def test_a_pinned_window_stays_though_provisional(stage):
    """It was asked for: what is learned later does not replace it."""
    stage.run(6 * 3600)
    pinned = stage.pinned.pin_window(stage.series, "24h", stage.clock.now(), replace=False)

    assert "provisional" == pinned.state
    assert 6 * 3600 == pinned.seconds
    assert pinned is stage.run(DAY + 600)


def test_a_day_of_window_is_a_final_baseline():
    """Only if the series has lived through it: an hour of traffic in a window of a day is an hour."""
    young, old = Stage(), Stage()
    young.run(6 * 3600)
    old.run(DAY + 60)

    made = [each.pinned.pin_window(each.series, "24h", each.clock.now(), replace=True) for each in (young, old)]

    assert ["provisional", "final"] == [baseline.state for baseline in made]


def test_unpinning_learns_anew(stage, learned):
    """From now on: nothing of the old traffic is in the new baseline."""
    stage.pinned.adopt(learned.history[-1])
    stage.run(3600, top1_mean=0.3)

    assert stage.pinned.unpin(stage.series, KEY, stage.clock.now())
    assert stage.look() is None
    baseline = stage.run(DAY + 600, top1_mean=0.8)

    assert "final" == baseline.state
    assert baseline.signals["top1_similarity"].quantile(0.01) > 0.4
    assert not stage.pinned.unpin(None, KEY._replace(model_version="another"), stage.clock.now())


@pytest.mark.parametrize("state", ["provisional", "final"])
def test_a_loaded_baseline_is_never_replaced_by_learning(learned, state):
    """All replicas measure against the file, and a restarted one does not learn the drift as normal."""
    stage = Stage(seed=8)
    loaded = from_bytes(to_bytes(replace(learned.history[-1], state=state)))
    stage.pinned.adopt(loaded)

    assert loaded is stage.run(DAY + 600, top1_mean=0.2)
    assert ["file"] == [each.origin for each in stage.history]


def test_replicas_with_the_same_file_measure_alike(learned):
    """The same limits, and for the same window the same values."""
    file = to_bytes(learned.history[-1])
    first, second = from_bytes(file), from_bytes(file)
    window = learned.series.windows(learned.clock.now())["1h"].distribution("top1_similarity")

    assert first.id == second.id
    assert first.limits == second.limits
    for statistic in STATISTICS:
        values = {statistic.compute(window, each.signals["top1_similarity"]) for each in (first, second)}
        assert 1 == len(values)
        limits = {each.limit("1h", "top1_similarity", statistic.name).at(window.n) for each in (first, second)}
        assert 1 == len(limits)


def test_limits_of_a_longer_window_fall_back_to_those_of_a_shorter(learned):
    """A day has no 24h blocks: it takes the hours' limit, which is late rather than wrong."""
    baseline = learned.history[-1]

    hour, day = (baseline.limit(window, "norm", "ks") for window in ("1h", "24h"))

    assert hour == day
    assert hour != baseline.limit("5m", "norm", "ks")
