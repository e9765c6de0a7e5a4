"""The pinned baseline: learned, provisional, final; from a window or a file; replaced only on request."""

from dataclasses import replace

import numpy as np
import pytest

from app.baseline import BASELINES, BaselineExists, Budget, NotEnoughEvents, Pinned, from_bytes, to_bytes
from app.baseline.stacked import StackedBlocks, StackedSums
from app.frame import MINIMUM_ROWS
from app.model import SimilarityMetric, Timing
from app.series import Series
from app.signals import SIGNALS
from tests.builders import KEY
from tests.fakes import FakeClock
from tests.stage import DAY, HEALTHY, HOUR, Change, Queries

MIN_EVENTS = 2000
DURATION = 6 * HOUR
WINDOWS = ("5m", "1h", "24h")
VECTOR_STATISTICS = {"mean_shift", "novelty", "mahalanobis", "spread", "joint"}


class Stage:
    """A series under traffic, and its baseline looked for every 5 minutes, as the evaluation does more often."""

    def __init__(self, *, min_events=MIN_EVENTS, seed=7):
        self.clock = FakeClock()
        self.queries = Queries(seed=seed)
        self.timing = Timing(baseline_duration_seconds=DURATION)
        self.pinned = Pinned(self.timing, min_events, Budget(1.0, self.timing.windows))
        self.series = self.new_series()
        self.history = []

    def new_series(self):
        return Series(KEY, self.clock.now(), self.timing, self.queries.rng.spawn(1)[0])

    def send(self, count, change=HEALTHY):
        """So many events at once."""
        self.series.append(self.queries.draw(np.full(count, self.clock.now()), change), self.clock.now())

    def run(self, seconds, per_minute=20, change=HEALTHY):
        """Traffic for so long, `per_minute` of it every minute."""
        for minute in range(int(seconds / 60)):
            self.clock.advance(60)
            self.send(per_minute, change)
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

    def limits(self, baseline):
        """The statistics that have a limit, by window."""
        found = {}
        for window, calibration in self.pinned.calibrations(baseline).items():
            found[window] = set() if calibration.vectors is None else set(VECTOR_STATISTICS)
            found[window] |= {name for name in ("norm", "top1") if getattr(calibration, name) is not None}
        return found


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture(scope="module")
def learned():
    """A stage whose baseline is final."""
    stage = Stage()
    stage.run(DURATION + 600)
    return stage


def test_every_kind_of_baseline_is_in_the_table():
    """The contract's name for it."""
    assert {"pinned": Pinned} == BASELINES


def test_a_baseline_is_learning_then_provisional_then_final(learned):
    """Provisional once there are events and blocks; anew when they doubled, in the first half alone; then final."""
    states = learned.states()
    provisional = [each for each in learned.history if each is not None and each.state == "provisional"]

    assert states == ["learning", *["provisional"] * len(provisional), "final"]
    # 2,000 events after 100 minutes; twice as many would be there after 200, in the second half.
    assert 1 == len(provisional)
    assert MIN_EVENTS <= provisional[0].events < 1.1 * MIN_EVENTS
    assert pytest.approx(DURATION, abs=301) == learned.history[-1].seconds
    assert pytest.approx(20 * DURATION / 60, rel=0.03) == learned.history[-1].events


def test_a_provisional_baseline_is_made_anew_when_it_has_twice_the_events(stage):
    """Each time with a frame of its own, and never in the second half of the time."""
    stage.run(2.9 * HOUR, per_minute=60)

    events = [each.events for each in stage.history if each is not None]
    assert ["learning", "provisional", "provisional"] == stage.states()
    assert 2 * events[0] <= events[1] < 2.3 * events[0]
    assert 2 == len({each.content.frame.id for each in stage.history if each is not None})

    stage.run(2.5 * HOUR, per_minute=200)
    assert 3 == len(stage.history)


@pytest.mark.parametrize("minutes", [20, 79])
def test_sixteen_blocks_are_needed_however_many_events_there_are(stage, minutes):
    """An hour and twenty minutes of them, and no limit comes from less."""
    stage.run(60 * minutes, per_minute=200)

    assert stage.look() is None
    assert stage.series.learned().events >= MIN_EVENTS
    assert stage.series.learned().blocks < 16


def test_a_final_baseline_has_all_that_it_is_needed_for(learned):
    """Every signal, a frame, blocks with what they measured, known inputs, and limits in every window."""
    baseline = learned.history[-1]
    content = baseline.content

    assert {*(signal.name for signal in SIGNALS), "novelty", "pc1"} == content.signals.keys()
    assert {window: {*VECTOR_STATISTICS, "norm", "top1"} for window in WINDOWS} == learned.limits(baseline)
    assert pytest.approx(DURATION / 300, abs=2) == len(content.blocks) == len(content.frame_sums)
    assert (2048, 512) == (content.sample_sums.n, len(content.components))
    assert 0.9 * 2048 <= sum(sums.n for sums in content.frame_sums) <= 2048
    assert 16 == content.frame.dimension
    assert set(range(1, 51)) <= set(content.known.keys.tolist())
    assert len(content.known.keys) <= 512
    assert ("learned", SimilarityMetric.COSINE) == (baseline.origin, baseline.similarity_metric)
    assert content.signals["top1_similarity"].quantile(0.05) == baseline.poor_match_limit


def test_blocks_are_stacked_once_learning_lets_go_of_them(learned):
    """Of a provisional baseline they are those that learning keeps, and stacked they would be there twice."""
    provisional, final = (
        next(each for each in learned.history if each is not None and each.state == state)
        for state in ("provisional", "final")
    )

    assert isinstance(final.content.blocks, StackedBlocks)
    assert isinstance(final.content.frame_sums, StackedSums)
    assert isinstance(provisional.content.blocks, tuple)
    assert [each.start for each in provisional.content.blocks] == [
        each.start for each in final.content.blocks[: len(provisional.content.blocks)]
    ]


def test_the_frame_is_centred_on_all_events_and_not_on_the_sample(learned):
    """The mean of 7,000 is known better than that of 2,048 among them."""
    content = learned.history[-1].content
    total = sum(block.vectors.total.astype(float) for block in content.blocks)
    mean = total / sum(block.vectors.n for block in content.blocks)

    np.testing.assert_allclose(content.frame.whitening.mean, mean, atol=0.01)
    assert np.linalg.norm(content.components.mean(axis=0)) > 2 * np.linalg.norm(content.frame.whitening.mean - mean)


def test_a_final_baseline_stays_whatever_comes(learned):
    """Drift after it is not learned, nothing is kept for learning any more, and an idle series finds it again."""
    stage, final = Stage(seed=8), learned.history[-1]
    stage.pinned.adopt(final)

    assert final is stage.run(3 * HOUR, change=Change(new_topic=0.5))
    assert stage.series.learned() is None
    stage.series = stage.new_series()
    assert final is stage.look()
    assert stage.series.learned() is None


def test_limits_are_learned_once(learned):
    """Each look asks for them: the second answer is the first."""
    baseline = learned.history[-1]

    assert learned.pinned.calibrations(baseline) is learned.pinned.calibrations(baseline)


def test_baselines_of_departed_series_are_known_by_their_bytes(stage, learned):
    """The store takes them off what series may use."""
    final = learned.history[-1]
    stage.pinned.adopt(final)

    assert final.content.nbytes == stage.pinned.nbytes_of_departed(set()) > 1500 * 16 * 2
    assert 0 == stage.pinned.nbytes_of_departed({KEY})


def test_a_quiet_series_is_learned_until_there_is_enough(stage):
    """500 queries a day: nothing for four days, then final, with limits though no hour has fifty events."""
    for _ in range(5 * 24 * 3):
        stage.clock.advance(1200)
        stage.send(7)
        stage.look()

    baseline = stage.look()
    assert ["learning", "final"] == stage.states()
    assert MIN_EVENTS <= baseline.events < 1.1 * MIN_EVENTS
    assert {*VECTOR_STATISTICS, "norm", "top1"} == stage.limits(baseline)["24h"]


def test_a_burst_alone_is_no_baseline(stage):
    """All its events within minutes, then a day of silence: no time blocks, so no limit, so nothing final."""
    stage.run(600, per_minute=1000)
    stage.clock.advance(DAY)

    assert stage.look() is None
    assert stage.series.learned().events >= MIN_EVENTS


@pytest.mark.parametrize(
    ("change", "limits", "signals"),
    [
        (Change(vectors=False), {"top1"}, {"top1_similarity", "similarity_mean", "margin"}),
        (
            Change(scores=False),
            {*VECTOR_STATISTICS, "norm"},
            {"norm", "novelty", "pc1"},
        ),
    ],
    ids=["scores alone", "vectors alone"],
)
def test_a_series_has_limits_of_what_it_sends(stage, change, limits, signals):
    """A series without vectors has no frame and no vector statistics; one of documents has no poor matches."""
    baseline = stage.run(2 * HOUR, change=change)

    assert "provisional" == baseline.state
    assert dict.fromkeys(WINDOWS, limits) == stage.limits(baseline)
    assert signals == baseline.content.signals.keys()
    assert (baseline.content.frame is not None) == change.vectors
    assert (baseline.poor_match_limit is not None) == change.scores
    assert (SimilarityMetric.COSINE if change.scores else None) == baseline.similarity_metric


def test_what_came_most_often_is_known_by_its_share(stage):
    """So that a query that always was a fifth of the traffic is no flood; and what the labels were."""
    baseline = stage.run(2 * HOUR, change=Change(flood=0.2, label="de"))

    assert pytest.approx(0.2, abs=0.03) == baseline.content.top_inputs[1]
    assert {("locale", "de"): 1.0} == baseline.content.label_shares


def test_a_series_of_norms_has_limits_of_norms(stage):
    """Vectors stay with the sender, their lengths do not."""
    for _ in range(120):
        stage.clock.advance(60)
        bare = stage.queries.draw(np.full(20, stage.clock.now()), Change(vectors=False, scores=False, hashes=False))
        stage.series.append(replace(bare, norm=stage.queries.rng.normal(1, 0.01, 20)), stage.clock.now())

    baseline = stage.look()
    assert {window: {"norm"} for window in WINDOWS} == stage.limits(baseline)
    assert baseline.content.frame is baseline.content.known is None
    assert {"norm"} == baseline.content.signals.keys()


def test_too_few_vectors_for_a_frame_leave_the_other_limits(stage):
    """One event in twenty carries a vector: 100 of them fit no frame, and similarities have their limit anyhow."""
    for _ in range(120):
        stage.clock.advance(60)
        stage.send(1, Change(scores=False))
        stage.send(19, Change(vectors=False))

    baseline = stage.look()
    vectors = sum(block.vectors.n for block in baseline.content.blocks)
    assert 100 < vectors < MINIMUM_ROWS
    assert baseline.content.frame is None
    assert {"top1"} <= stage.limits(baseline)["1h"] <= {"top1", "norm"}


def test_progress_says_how_far_learning_has_come(stage):
    """Events and seconds, of how many."""
    stage.run(HOUR)
    stage.series.windows(stage.clock.now())

    progress = stage.pinned.progress(stage.series, stage.clock.now())

    assert (MIN_EVENTS, DURATION, 3600) == (progress.events_needed, progress.seconds_needed, progress.seconds)
    assert pytest.approx(20 * 55, abs=40) == progress.events


def test_a_window_is_pinned_only_over_what_is_not_final():
    """A provisional baseline gives way, a final one only on request."""
    stage = Stage(min_events=500)
    stage.run(3 * HOUR)

    pinned = stage.pinned.pin_window(stage.series, "1h", stage.clock.now(), replace=False)
    assert ("window", "provisional", 3600) == (pinned.origin, pinned.state, pinned.seconds)
    stage.pinned.adopt(replace(pinned, state="final"))

    with pytest.raises(BaselineExists):
        stage.pinned.pin_window(stage.series, "1h", stage.clock.now(), replace=False)
    again = stage.pinned.pin_window(stage.series, "1h", stage.clock.now(), replace=True)
    assert again is stage.look()


def test_a_day_has_vectors_enough_for_a_frame_and_an_hour_has_not():
    """A window keeps few vectors: of 24 hours 256, of one 128; what needs none has limits all the same."""
    stage = Stage(min_events=500)
    stage.run(20 * HOUR)

    hour, day = (
        stage.pinned.pin_window(stage.series, window, stage.clock.now(), replace=True) for window in ("1h", "24h")
    )

    assert (None, 16) == (hour.content.frame, day.content.frame.dimension)
    assert {"norm", "top1"} == stage.limits(hour)["5m"]
    assert {*VECTOR_STATISTICS, "norm", "top1"} == stage.limits(day)["1h"]


def test_a_window_with_too_few_events_is_refused_with_the_numbers(stage):
    """And what was there before stays."""
    stage.run(HOUR)
    before = stage.look()

    with pytest.raises(NotEnoughEvents, match=r"\d+ of the 2000 events"):
        stage.pinned.pin_window(stage.series, "1h", stage.clock.now(), replace=False)

    assert before is stage.look()
    assert stage.series.learned() is not None


def test_a_pinned_window_stays_though_provisional(stage):
    """It was asked for: what is learned later does not replace it."""
    stage.run(2 * HOUR)
    pinned = stage.pinned.pin_window(stage.series, "24h", stage.clock.now(), replace=False)

    assert ("provisional", 2 * HOUR) == (pinned.state, pinned.seconds)
    assert pinned is stage.run(DURATION + 600)


def test_a_window_as_long_as_learning_is_a_final_baseline():
    """Only if the series has lived through it: an hour of traffic in a window of a day is an hour."""
    young, old = Stage(), Stage()
    young.run(DURATION / 2)
    old.run(DURATION + 60)

    made = [each.pinned.pin_window(each.series, "24h", each.clock.now(), replace=True) for each in (young, old)]

    assert ["provisional", "final"] == [baseline.state for baseline in made]


def test_unpinning_learns_anew(learned):
    """From now on: nothing of the old traffic is in the new baseline."""
    stage = Stage(seed=8)
    stage.pinned.adopt(learned.history[-1])
    stage.run(HOUR, change=Change(top1=-0.5))

    assert stage.pinned.unpin(stage.series, KEY, stage.clock.now())
    assert stage.look() is None
    baseline = stage.run(DURATION + 600, change=Change(top1=0.1))

    assert "final" == baseline.state
    assert baseline.content.signals["top1_similarity"].quantile(0.01) > 0.4
    assert not stage.pinned.unpin(None, KEY._replace(model_version="another"), stage.clock.now())


@pytest.mark.parametrize("state", ["provisional", "final"])
def test_a_loaded_baseline_is_never_replaced_by_learning(learned, state):
    """All replicas measure against the file, and a restarted one does not learn the drift as normal."""
    stage = Stage(seed=8)
    loaded = from_bytes(to_bytes(replace(learned.history[-1], state=state)))
    stage.pinned.adopt(loaded)

    assert loaded is stage.run(DURATION + 600, change=Change(new_topic=0.3))
    assert ["file"] == [each.origin for each in stage.history]


def test_replicas_with_the_same_file_measure_alike(learned):
    """The same frame, the same limits, and for the same window the same readings, as in the exporter that wrote it."""
    file = to_bytes(learned.history[-1])
    replicas = [Stage(seed=seed) for seed in (1, 2)]
    baselines = [learned.history[-1], from_bytes(file), from_bytes(file)]
    assert 1 == len({each.id for each in baselines}) == len({each.content.frame.id for each in baselines})

    found = []
    for stage, baseline in zip([learned, *replicas], baselines, strict=True):
        queries = Queries(seed=9)
        batch = queries.draw(np.zeros(500), Change(new_topic=0.1))
        rows = batch.vectors.values.reshape(500, -1)
        frame = baseline.content.frame
        for calibration in stage.pinned.calibrations(baseline).values():
            window = replace(calibration.baseline, frame=frame.sums(rows, frame.measure(rows)), invalid=3)
            found.append([tuple(reading) for reading in calibration.read(window)])

    own, first, second = found[:3], found[3:6], found[6:]
    assert own == first == second
    assert all(len(readings) == 8 for readings in own)


def test_limits_of_a_longer_window_fall_back_to_those_of_a_shorter(learned):
    """Six hours have not eight blocks of a day: it takes the limits of what there is, late rather than wrong."""
    limits = learned.pinned.calibrations(learned.history[-1])

    assert {"5m": True, "1h": False, "24h": False} == {name: each.time_matched for name, each in limits.items()}
    assert limits["5m"].windows > 3 * limits["24h"].windows >= 24
