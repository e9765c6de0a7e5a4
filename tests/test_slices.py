"""Slices: exact counts for ever, what came of the last hours, and never more than 32 values of a label."""

import numpy as np
import pytest

from app.model import SeriesKey, Timing
from app.series import Slices
from app.store import MemoryStore
from tests.builders import KEY, events
from tests.fakes import FakeClock
from tests.stage import HEALTHY, HOUR, Change, Stage

NOW = 1_800_000_000.0
DE, PT = {"locale": "de"}, {"locale": "pt", "cohort": "b"}


def by_value(views):
    return {(view.label, view.value): view for view in views}


def test_events_queries_and_poor_matches_are_counted_by_hand():
    """Six events of two locales: what failed or tells of no retrieval is not judged, what found nothing is poor."""
    slices = Slices(HOUR)
    slices.add(
        events(
            [NOW] * 7,
            scores=[[0.9], [0.4], [0.5], None, [0.1], None, [0.1]],
            empty=[False, False, False, True, False, False, False],
            errors=[None, None, None, None, "timeout", None, None],
            labels=[DE, DE, PT, PT, PT, DE, None],
        ),
        0.5,
        NOW,
    )

    found = by_value(slices.views(NOW))

    counts = {pair: (each.events, each.queries, each.poor_matches) for pair, each in found.items()}
    assert {("cohort", "b"): (3, 2, 1), ("locale", "de"): (3, 2, 1), ("locale", "pt"): (3, 2, 1)} == counts
    assert [("cohort", "b"), ("locale", "de"), ("locale", "pt")] == list(found)


def test_without_a_limit_nothing_is_judged():
    """0 poor matches would read as perfect: they are not known, and counted from the limit on."""
    slices = Slices(HOUR)
    slices.add(events([NOW] * 3, scores=[[0.1]] * 3, labels=[DE] * 3), None, NOW)

    [view] = slices.views(NOW)
    assert (3, None, None) == (view.events, view.queries, view.poor_matches)

    slices.add(events([NOW] * 2, scores=[[0.1], [0.9]], labels=[DE] * 2), 0.5, NOW)

    [view] = slices.views(NOW)
    assert (5, 2, 1) == (view.events, view.queries, view.poor_matches)


@pytest.mark.parametrize(("count", "expected"), [(99, None), (100, 0.25), (1000, 0.25)])
def test_few_events_have_no_median_and_no_shares(count, expected):
    """99 are too few, 100 will do."""
    slices = Slices(HOUR)
    scores = [[0.25] if i % 4 else [0.75] for i in range(count)]
    slices.add(events([NOW] * count, scores=scores, labels=[DE] * count), 0.25, NOW)
    slices.add_measured([DE] * count, np.arange(count) % 10 < 3, NOW)

    [view] = slices.views(NOW)

    assert expected == view.top1_median
    assert (None if expected is None else 0.0) == view.poor_match_ratio
    assert (None if expected is None else pytest.approx(0.25)) == view.ood_excess_ratio


def test_recent_numbers_go_after_two_hours_and_counts_stay():
    """The present hour and the one before; a pause of hours leaves nothing of them."""
    slices = Slices(HOUR)
    slices.add(events([NOW] * 200, scores=[[0.25]] * 200, labels=[DE] * 200), 0.5, NOW)

    def seen(now):
        [view] = slices.views(now)
        return view.top1_median, view.poor_match_ratio, view.events, view.poor_matches

    assert (0.25, 1.0, 200, 200) == seen(NOW)
    assert (0.25, 1.0, 200, 200) == seen(NOW + HOUR)
    assert (None, None, 200, 200) == seen(NOW + 2 * HOUR)

    slices.add(events([NOW] * 200, scores=[[0.75]] * 200, labels=[DE] * 200), 0.5, NOW + 5 * HOUR)
    assert (0.75, 0.0, 400, 200) == seen(NOW + 5 * HOUR)


def test_values_past_thirty_one_are_other():
    """A label that is an id by mistake: 32 values at most, memory too, and no event is lost."""
    slices = Slices(HOUR)
    labels = [{"locale": str(i), "cohort": str(i % 3)} for i in range(10_000)]
    for start in range(0, 10_000, 1000):
        slices.add(events([NOW] * 1000, scores=[[0.5]] * 1000, labels=labels[start : start + 1000]), 0.5, NOW)

    found = by_value(slices.views(NOW))

    assert 32 == sum(name == "locale" for name, _ in found)
    assert 10_000 - 31 == found["locale", "other"].events
    assert 10_000 == sum(view.events for (name, _), view in found.items() if name == "locale")
    assert slices.nbytes <= 35 * 6200


def test_versions_share_their_slices_and_counts_do_not_step_back_when_one_goes():
    """Two versions feed one slice; the first goes idle, and the sum stays. When the last goes, the slice does."""
    clock = FakeClock()
    store = MemoryStore(Timing(series_ttl_seconds=3600), max_series=8, max_state_bytes=10**9, seed=7)
    old, new = KEY, SeriesKey("e5", "3", "1", "query")

    def send(key, now):
        store.append(events([now] * 10, key=key, scores=[[0.5]] * 10, labels=[DE] * 10), now)
        store.totals(now)

    def counted(now):
        return {place: [view.events for view in views] for place, views in store.slices(now).items()}

    send(old, clock.now())
    send(new, clock.advance(1800))
    assert {("e5", "query"): [20]} == counted(clock.now())

    assert [old] == store.expire(clock.advance(2400))
    assert {("e5", "query"): [20]} == counted(clock.now())

    assert [new] == store.expire(clock.advance(2400))
    assert {} == counted(clock.now())


def test_an_unusual_slice_shows_where_its_parent_hardly_does():
    """A locale of a topic that is new, a tenth of the traffic: its share of unusual vectors, and not the others'."""
    stage = Stage(hours=6.0)
    stage.run(7 * HOUR, Change(label="en"))
    stage.look()
    for _ in range(60):
        now = stage.clock.advance(60)
        for label, count, topic in (("en", 27, 0.0), ("pt", 3, 1.0)):
            change = Change(label=label, new_topic=topic)
            stage.store.append(stage.queries.draw(np.full(count, now), change), now)
    stage.look()

    found = by_value(stage.store.slices(stage.clock.now())["e5", "query"])

    assert found["locale", "pt"].measured >= 100
    assert found["locale", "pt"].ood_excess_ratio > 0.5
    assert abs(found["locale", "en"].ood_excess_ratio) < 0.06


def test_events_without_labels_make_no_slices():
    """And cost nothing."""
    stage = Stage()
    stage.run(60, HEALTHY)

    assert {} == stage.store.slices(stage.clock.now())
