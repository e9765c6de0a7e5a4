"""Scores of a store at a moment: absent where nothing is known, quiet while all is well, loud when it is not."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from app.drift import STATISTICS
from app.drift.family import ALARMS
from app.evaluate import Rules
from app.evaluate.diagnostics import DIAGNOSED_SIGNALS
from app.frame import Frame
from app.model import SimilarityMetric
from tests.builders import KEY, events, traffic
from tests.stage import DAY, HEALTHY, HOUR, Change, Stage, scores

ALARM_STATISTICS = {each.name for each in ALARMS} - {"query_document"}
"""Those of one series; for the other there must be documents too."""
CANARY = KEY._replace(model_version="3")


@pytest.fixture(scope="module")
def stage():
    """A stage whose baseline is final: six hours of healthy traffic have gone by."""
    stage = Stage()
    stage.run(6 * HOUR + 600)
    assert "final" == stage.look().baselines[0].state
    return stage


@pytest.fixture
def later(stage):
    """A function that makes a new stage with the final baseline of the first, at the same time."""

    def make(**settings):
        return stage.another(**settings)

    return make


def test_before_the_first_tick_there_is_nothing():
    """No time, no series: a scrape then renders none."""
    latest = Stage().evaluator.latest

    assert (0.0, {}, 0, 0) == (latest.at, latest.series, latest.measured, latest.measurable)


def test_nothing_is_scored_without_a_baseline():
    """Windows are there from the start, scores are not."""
    view = Stage().run(600)

    assert () == view.scores
    assert {} == view.effects == view.suspects
    assert view.picture is None
    assert ("learning", None) == (view.baselines[0].state, view.baselines[0].id)
    assert view.windows["5m"].events > 100
    assert view.windows["5m"].vectors == view.windows["5m"].events


def test_a_window_below_the_minimum_is_not_scored(later):
    """One event makes the difference, and each signal has its own count."""
    stage = later(rules=Rules(min_window_events=200))
    stage.look_at = lambda: {(each.window, each.signal) for each in stage.look().scores if each.window == "5m"}
    stage.store.append(stage.queries.draw([stage.clock.now()], Change(hashes=False)), stage.clock.now())
    stage.look()
    now = stage.clock.advance(330)
    stage.store.append(stage.queries.draw(np.full(199, now), Change(hashes=False)), now)
    assert set() == stage.look_at()

    stage.store.append(events([now], norms=[1.0]), now)

    assert {("5m", "norm")} == stage.look_at()
    stage.store.append(stage.queries.draw([now]), now)
    assert ("5m", "embedding") in stage.look_at()
    assert ("5m", "top1_similarity") in stage.look_at()


def test_a_window_longer_than_the_series_is_old_is_not_scored(later):
    """The limits of a day say nothing of one hour of it; those of an hour nothing of its first minutes."""
    stage = later()

    young = stage.run(HOUR - 600, per_minute=60, every_minutes=5)
    older = stage.run(HOUR, per_minute=60, every_minutes=5)

    assert {"5m"} == {each.window for each in young.scores if each.limit is not None}
    assert {"5m", "1h"} == {each.window for each in older.scores if each.limit is not None}


def test_every_alarm_statistic_has_a_score_in_every_window(later):
    """Each with its limit, against the pinned baseline; none is missing where there is all that it needs."""
    view = later().run(2 * HOUR, per_minute=60, every_minutes=10)

    for window in ("5m", "1h"):
        assert ALARM_STATISTICS == scores(view, window).keys(), window
    for each in view.scores:
        assert np.isfinite(each.value)
        assert (each.limit is None) == (each.statistic not in ALARM_STATISTICS)
        assert each.limit is None or (each.limit > 0 and max(each.value / each.limit, 0.0) == each.score)


def test_diagnostics_are_of_the_last_hour_and_have_no_limit(later):
    """Every scalar statistic on every signal, and those of the rows; no diagnostic is ever a score."""
    view = later().run(2 * HOUR)

    found = {(each.signal, each.statistic): each for each in view.scores if each.limit is None}
    expected = {(signal, each.name) for signal in DIAGNOSED_SIGNALS for each in STATISTICS}
    rows = {("embedding", name) for name in ("mmd", "energy_distance", "sliced_wasserstein")}
    assert expected | rows == found.keys()
    assert {"1h"} == {each.window for each in found.values()}
    assert {None} == {each.score for each in found.values()}


def test_the_picture_is_of_the_window_and_its_baseline(later):
    """In the frame's first two components: one topic is a narrower cloud than six."""
    stage = later()
    stage.run(HOUR)
    healthy, drifted = stage.look().picture, stage.run(2 * HOUR, Change(new_topic=1.0)).picture

    for picture in (healthy, drifted):
        assert "1h" == picture.window
        assert 60 <= len(picture.current) <= 128
        assert ((512, 2), 2) == (picture.baseline.shape, picture.current.shape[1])

    def width(picture):
        return picture.current.std(axis=0).max() / picture.baseline.std(axis=0).max()

    assert width(drifted) < 0.6 < 0.85 < width(healthy) < 1.15


def test_two_healthy_days_stay_below_the_limits(later):
    """No score of any window passes 1, and nothing is suspected."""
    stage, highest, suspected = later(), [], []

    def watch(view):
        highest.extend(each.score for each in view.scores if each.score is not None)
        suspected.extend(view.suspects["pinned"])

    stage.run(2 * DAY, every_minutes=30, step_minutes=5, per_minute=50, watch=watch)

    assert len(highest) > 96 * 3 * 8 * 0.9
    assert max(highest) < 1
    assert [] == suspected


CHANGES = {
    "a new topic": (
        Change(new_topic=0.15),
        {"novelty", "joint", "mean_shift"},
        {"norm", "top1", "invalid"},
        "new_topics",
    ),
    "a new locale": (Change(new_topic=0.15, label="de"), {"novelty", "joint"}, {"norm"}, "other_language_or_locale"),
    "longer vectors": (Change(norm=1.1), {"norm", "spread"}, {"novelty", "top1", "same_input"}, "normalisation_broken"),
    "shorter vectors": (Change(norm=0.9), {"norm", "spread"}, {"novelty", "top1"}, "normalisation_broken"),
    "collapse": (Change(collapse=0.2, hashes=False), {"spread", "norm"}, {"top1", "invalid"}, "collapsed"),
    "invalid vectors": (Change(invalid=0.05), {"invalid"}, {"novelty", "norm", "top1", "spread"}, "invalid_vectors"),
    "another model": (
        Change(other_model=1.0),
        {"same_input", "novelty", "joint", "mean_shift"},
        {"norm", "top1", "invalid"},
        "model_or_tokenizer_changed",
    ),
    "mixed versions": (Change(other_model=0.2), {"same_input", "novelty"}, {"norm", "top1"}, "mixed_versions"),
    "worse results": (Change(top1=-0.1), {"top1"}, ALARM_STATISTICS - {"top1"}, "index_stale_or_reembedded"),
    "a flood": (Change(flood=0.3), {"mean_shift"}, {"novelty", "same_input", "top1"}, "flood_of_one_query"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_shows_within_the_hour(later, name):
    """The statistics that are to see it pass their limits, those that have nothing to do with it do not."""
    change, loud, quiet, cause = CHANGES[name]
    stage = later()
    before = stage.warm(change=replace(HEALTHY, hashes=change.hashes)).look()

    after = stage.run(HOUR + 300, change, every_minutes=1000)

    assert max(scores(before).values()) < 1
    assert () == before.suspects["pinned"]
    found = scores(after)
    assert {statistic for statistic in loud if found[statistic] <= 1} == set(), found
    assert {statistic for statistic in quiet & found.keys() if found[statistic] > 1} == set(), found
    assert cause in {suspect.cause for suspect in after.suspects["pinned"]}


def test_a_new_topic_of_the_largest_slice_is_no_new_locale():
    """Accident of the demonstration: its library, three quarters of the traffic, had the new questions and grew."""
    stage = Stage()
    for quarter in range(28):
        stage.run(900, Change(label="en" if quarter % 4 == 0 else "de"), every_minutes=1000)
    after = stage.run(HOUR + 300, Change(new_topic=0.2, label="de"), every_minutes=1000)

    assert pytest.approx(0.75, abs=0.05) == stage.pinned.find(KEY).content.label_shares["locale", "de"]
    assert "new_topics" == after.suspects["pinned"][0].cause


def test_effects_say_how_large_a_change_is(later):
    """In shares and ratios, against what was done; None where nothing is known."""
    stage = later()
    healthy = stage.warm().look().effects["1h", "pinned"]
    drifted = stage.run(HOUR + 300, Change(new_topic=0.2, norm=1.1), every_minutes=1000).effects["1h", "pinned"]

    assert healthy.changed_share_lower_bound == 0
    assert 0.1 < drifted.changed_share_lower_bound <= drifted.changed_share < 0.3
    assert pytest.approx(0.1, abs=0.01) == drifted.norm_change_ratio
    assert pytest.approx(0.0, abs=0.005) == healthy.norm_change_ratio
    assert healthy.mean_displacement < 0.1 < 1 < drifted.mean_displacement
    assert pytest.approx(0.2, abs=0.06) == drifted.ood_excess_ratio
    assert drifted.centroid_cosine < 0.95 < 0.99 < healthy.centroid_cosine <= 1
    assert 0 == healthy.invalid_share == healthy.same_input_changed_ratio == drifted.same_input_changed_ratio
    assert healthy.same_input_matches > 100
    assert healthy.same_input_cosine == pytest.approx(1.0, abs=1e-4)

    silent = later().run(2 * HOUR, Change(hashes=False, scores=False)).effects["1h", "pinned"]
    assert (None, None, 0) == (
        silent.same_input_cosine,
        silent.same_input_changed_ratio,
        silent.same_input_matches,
    )


def test_the_similarity_divergence_is_told_where_there_are_similarities(later):
    """In nats, per window and baseline; about 0 while all is well."""
    stage = later()
    healthy = stage.run(2 * HOUR).similarity_kl
    drifted = stage.run(HOUR + 300, Change(top1=-0.1)).similarity_kl
    silent = later().run(2 * HOUR, Change(scores=False)).similarity_kl

    assert ("1h", "pinned") in healthy
    assert healthy["1h", "pinned"] < 0.05 < 0.3 < drifted["1h", "pinned"]
    assert {} == silent


def test_a_limit_that_the_user_has_set_stands_in_for_the_learned_one(later):
    """For that statistic, in every window; the others keep theirs."""
    own, set_by_user = later(), later(rules=Rules(limits={"top1": 0.5, "novelty": 1e-6}))
    views = [each.run(2 * HOUR) for each in (own, set_by_user)]
    learned, chosen = (
        {(each.window, each.statistic): each.limit for each in view.scores if each.limit is not None} for view in views
    )

    assert {"top1": 0.5, "novelty": 1e-6} == {
        statistic: limit for (_, statistic), limit in chosen.items() if statistic in {"top1", "novelty"}
    }
    rest = [place for place in learned if place[1] not in {"top1", "novelty"}]
    assert [learned[place] for place in rest] == [chosen[place] for place in rest]
    assert len(rest) > 6


def test_a_trailing_baseline_forgives_what_has_become_usual(later):
    """A week after lengths and results changed the pinned baseline still alarms, the last week does not."""
    stage = later(rules=Rules(baselines=("pinned", "7d")))
    usual = Change(norm=1.1, top1=-0.1)
    view = stage.run(7.5 * DAY, usual, per_minute=10, every_minutes=720, step_minutes=10)
    assert ("7d", "final", "trailing") == (view.baselines[1].name, view.baselines[1].state, view.baselines[1].origin)

    for window in ("1h", "24h"):
        assert min(scores(view, window)["norm"], scores(view, window)["top1"]) > 1
        found = scores(view, window, "7d")
        assert ALARM_STATISTICS - {"same_input"} == found.keys()
        assert max(found.values()) < 1, found
    assert ("normalisation_broken" in {each.cause for each in view.suspects["pinned"]}, view.suspects["7d"]) == (
        True,
        (),
    )
    assert pytest.approx(0.0, abs=0.01) == view.effects["1h", "7d"].norm_change_ratio
    assert pytest.approx(0.1, abs=0.01) == view.effects["1h", "pinned"].norm_change_ratio

    # What is usual now is missed when it goes.
    gone = stage.run(HOUR + 300)
    assert min(scores(gone, "1h", "7d")["norm"], scores(gone, "1h", "7d")["top1"]) > 1


def test_a_trailing_baseline_forgives_a_topic_that_has_become_usual(later):
    """A fifth of the traffic has been new for a week: it varies more than the baseline did, and that is no drift."""
    stage = later(rules=Rules(baselines=("pinned", "7d")))
    stage.run(7.5 * DAY, Change(new_topic=0.2), per_minute=10, every_minutes=720, step_minutes=10)
    highest = 0.0
    for _ in range(12):
        view = stage.run(HOUR, Change(new_topic=0.2), per_minute=30, every_minutes=30)
        assert scores(view)["novelty"] > 1
        highest = max(highest, *scores(view, "1h", "7d").values())

    assert highest < 1


def test_a_trailing_baseline_leaves_the_last_day_out_and_says_when_it_covers_too_little(later):
    """A drift of the last day is not forgiven by it; of two days nothing is final."""
    stage, states = later(rules=Rules(baselines=("pinned", "7d", "30d"))), []

    def watch(view):
        week = view.baselines[1]
        if not states or states[-1] != week.state:
            states.append(week.state)

    stage.run(2.5 * DAY, per_minute=10, every_minutes=120, step_minutes=10, watch=watch)
    assert ["learning", "provisional"] == states
    view = stage.run(23 * HOUR, Change(norm=1.1), per_minute=10, every_minutes=720, step_minutes=10)

    week, month = view.baselines[1:]
    assert ("7d", "30d", "provisional", "provisional") == (week.name, month.name, week.state, month.state)
    assert week.events == month.events == pytest.approx(10 * 60 * 24 * 2.5, rel=0.05)
    assert DAY < week.covered_seconds <= 3.5 * DAY
    assert {"norm", "top1_similarity"} == week.signals.keys()
    for name in ("pinned", "7d", "30d"):
        assert scores(view, "1h", name)["norm"] > 1


def together(shares, **kind):
    """Two versions of a model side by side for three hours, after six of the first alone."""
    stage = Stage(rules=Rules(baselines=("pinned", "peer")))
    stage.run(6 * HOUR + 300)
    view = stage.run(3 * HOUR, shares=shares, **kind)
    return stage, view


SHARES = {KEY: 1.0, CANARY: 0.4}
ONE_SPACE = {KEY: "shared", CANARY: "shared"}


def test_a_canary_is_held_against_the_version_that_has_the_traffic():
    """Also before it has a baseline of its own: within one space by vectors too, and alike they are quiet."""
    stage, view = together(SHARES, spaces=ONE_SPACE)
    canary = stage.look(CANARY)

    assert ["pinned"] == [each.name for each in view.baselines]
    own, peer = canary.baselines
    assert ("pinned", "peer", KEY, "final") == (own.name, peer.name, peer.peer, peer.state)
    found = scores(canary, "1h", "peer")
    assert {"mean_shift", "spread", "norm", "top1", "invalid"} == found.keys()
    assert max(found.values()) < 1
    assert () == canary.suspects["peer"]


def test_a_canary_that_answers_otherwise_shows():
    """Its own baseline learned it as normal: the peer did not."""
    stage, _ = together(SHARES, spaces=ONE_SPACE, changes={CANARY: Change(other_model=1.0, top1=-0.2)})

    found = scores(stage.look(CANARY), "1h", "peer")

    assert found["mean_shift"] > 1
    assert found["top1"] > 1
    assert max(scores(stage.look(KEY)).values()) < 1


def test_across_spaces_results_alone_compare():
    """Vectors of two models have nothing to say about each other, nor their lengths; similarities have."""
    stage, _ = together(SHARES, changes={CANARY: Change(other_model=1.0, top1=-0.2, norm=5.0)})
    canary = stage.look(CANARY)

    assert {"top1"} == scores(canary, "1h", "peer").keys()
    assert scores(canary, "1h", "peer")["top1"] > 1
    effects = canary.effects["1h", "peer"]
    assert (None, None, None, None) == (
        effects.changed_share,
        effects.mean_displacement,
        effects.norm_change_ratio,
        effects.centroid_cosine,
    )
    assert ("1h", "peer") in canary.similarity_kl


def test_a_new_version_with_the_traffic_is_held_against_its_predecessor():
    """As soon as it has most of the last day, and for as long as the one before is there."""
    stage, _ = together({KEY: 0.2, CANARY: 5.0})
    old, new = stage.look(KEY), stage.look(CANARY)

    assert [CANARY] == [each.peer for each in old.baselines if each.name == "peer"]
    assert [KEY] == [each.peer for each in new.baselines if each.name == "peer"]


def test_another_model_or_kind_is_no_peer():
    """Documents are not held against queries, nor one model against another."""
    shares = {KEY._replace(kind="document"): 0.5, KEY._replace(model="bge"): 0.5, KEY: 1.0}
    stage, _ = together(shares)

    for key in shares:
        assert "peer" not in {each.name for each in stage.look(key).baselines}


def test_a_baseline_of_another_dimension_costs_nothing_but_the_vectors(later):
    """A file of another model was loaded: similarities and lengths are scored, what cannot be compared is absent."""
    stage = later()
    pinned = stage.pinned.find(KEY)
    other = Frame.fit(np.random.default_rng(7).normal(size=(300, 16)).astype(np.float32)).frame
    stage.pinned.adopt(replace(pinned, id="other", content=replace(pinned.content, frame=other)))
    stage.queries = Stage(dimension=5).queries

    view = stage.run(2 * HOUR)

    assert {"norm", "top1", "invalid"} >= scores(view).keys() >= {"top1"}
    assert {"mean_shift", "mmd"} & {each.statistic for each in view.scores} == set()


def test_the_poor_match_limit_is_that_of_the_baseline(later):
    """Unknown before; then poor matches are counted from there, about one in twenty."""
    young = Stage()
    young.run(600)
    (totals,) = young.store.totals(young.clock.now())
    assert (None, None) == (totals.poor_match_limit, totals.poor_match_queries)

    stage = later()
    stage.run(600, every_minutes=1)
    first = stage.store.totals(stage.clock.now())[0]
    stage.run(7200, every_minutes=10)
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
    stage = Stage(rules=Rules(poor_match_similarity=0.4))
    now = stage.clock.now()
    stage.store.append(events([now] * 3, scores=[[0.3], [0.5], [0.2]], metrics=metric), now)
    stage.look()

    stage.store.append(events([now] * 3, scores=[[0.3], [0.5], [0.2]], metrics=metric), now)

    (totals,) = stage.store.totals(now)
    assert expected == totals.poor_match_limit
    assert (None if expected is None else 2) == totals.poor_match_queries


def test_an_idle_series_leaves_and_its_baseline_stays(later):
    """After a day without events it is gone; when it comes back it is scored at once."""
    stage = later()
    stage.run(HOUR)
    baseline = stage.pinned.find(KEY)

    stage.clock.advance(DAY + 60)
    assert {} == stage.evaluator.tick(stage.clock.now()).series
    assert baseline is stage.pinned.find(KEY)

    view = stage.run(900)
    assert view.scores
    assert baseline.id == view.baselines[0].id


def test_baselines_of_departed_series_take_of_the_stores_budget(later):
    """The evaluation tells the store what they take; once the series is back it takes its own place."""
    stage, told = later(), []
    stage.store.reserve = told.append

    stage.evaluator.tick(stage.clock.now())
    stage.run(60)

    assert [stage.pinned.find(KEY).content.nbytes, 0] == told


def test_the_evaluation_says_when_it_was_and_what_it_took(later):
    """A scrape renders the last one."""
    stage = later()

    first = stage.evaluator.tick(stage.clock.now())
    second = stage.evaluator.tick(stage.clock.advance(10))

    assert second is stage.evaluator.latest
    assert 10 == second.at - first.at
    assert 0 < second.duration_seconds < 60


def test_the_evaluation_says_how_many_vectors_were_measured(later):
    """Of all series together, since their frames began."""
    stage = later()
    stage.evaluator.tick(stage.clock.now())
    stage.run(60, per_minute=20)
    before = stage.evaluator.latest.measurable
    stage.run(600, per_minute=100, every_minutes=1)

    latest = stage.evaluator.latest
    assert before < latest.measurable == latest.measured
    assert pytest.approx(1000, rel=0.15) == latest.measurable


def test_progress_grows_while_learning():
    """Shown as n of so many; it never goes back."""
    stage, seen = Stage(), []

    stage.run(HOUR, every_minutes=5, watch=lambda view: seen.append(view.baselines[0].progress))

    assert all(before.events <= after.events for before, after in pairwise(seen))
    assert all(before.seconds < after.seconds for before, after in pairwise(seen))
    assert (2000, 6 * HOUR) == (seen[-1].events_needed, seen[-1].seconds_needed)


@pytest.mark.parametrize("broken", ["windows", "sample"])
def test_a_series_that_cannot_be_evaluated_does_not_cost_the_others_theirs(later, monkeypatch, broken):
    """A bug met in one series leaves it without a view, and the others with theirs."""
    stage = later()
    other = KEY._replace(model="other")
    stage.pinned.adopt(replace(stage.pinned.find(KEY), key=other))
    stage.run(2 * HOUR, shares={KEY: 1.0, other: 1.0})
    assert {KEY, other} == set(stage.evaluator.latest.series)

    def raising(*arguments):
        raise RuntimeError("made up")

    monkeypatch.setattr(stage.store.find(other), broken, raising)
    stage.run(60)

    latest = stage.evaluator.latest
    assert {KEY} == set(latest.series)
    assert scores(latest.series[KEY])


def test_an_odd_batch_is_no_reason_to_fail(later):
    """Events of nothing but a time, or of scores alone, and a series without any event."""
    stage = later()
    now = stage.clock.now()
    stage.store.append(events([now] * 300), now)
    assert () == stage.look().scores

    stage.store.append(traffic(np.random.default_rng(7), np.full(300, now), dimension=3), now)
    assert {"norm", "top1_similarity"} <= {each.signal for each in stage.look().scores}


DOCUMENTS = KEY._replace(kind="document")


@pytest.mark.parametrize(
    ("moved", "loud"),
    [({KEY: 1.0, DOCUMENTS: 1.0}, False), ({KEY: 1.0}, True), ({DOCUMENTS: 1.0}, True), ({}, False)],
    ids=["both", "the queries", "the documents", "neither"],
)
def test_queries_against_documents_score_a_change_of_the_way_between_them(moved, loud):
    """Not where both moved alike, as with another model, and however far they were apart before."""
    stage = Stage(hours=24)
    shares = {KEY: 0.5, DOCUMENTS: 0.5}
    stage.run(DAY + 1200, shares=shares, step_minutes=20, every_minutes=1440)
    # Collapse towards one point moves the mean, and both means alike.
    changes = {key: Change(collapse=0.5 * moved.get(key, 0.0)) for key in shares}

    view = stage.run(DAY + HOUR, shares=shares, changes=changes, step_minutes=20, every_minutes=1440)

    found = scores(view)
    assert (found["query_document"] > 1) == loud, found
    assert "query_document" not in scores(stage.look(DOCUMENTS))
