"""Versions held against each other from an evaluation: counts of the window, one limit, one space, no early pass."""

from dataclasses import replace

import numpy as np
import pytest

from app.canary import Verdict
from app.distribution import Distribution
from app.drift.same_input import SameInput
from app.evaluate import BaselineView, SeriesView, WindowView, compare_views
from app.model import Score, SimilarityMetric
from app.series import QueryCounts
from tests.builders import KEY, events
from tests.stage import HEALTHY, HOUR, Change, Stage

OLD, NEW = KEY, KEY._replace(model_version="3")


def view(key, top1, counts, **fields):
    """A series whose last hour had these similarities and counts."""
    window = WindowView("1h", counts.queries, 0, {"top1_similarity": Distribution.of(top1)}, SameInput(), counts)
    peer = BaselineView("peer", "final", "peer", None, 1, {}, peer=OLD)
    return SeriesView(
        key,
        {"1h": window},
        (peer,) if key == NEW else (),
        (Score("1h", "peer", "norm", "norm", 0.3, 0.1), Score("5m", "peer", "norm", "norm", 9.0, 0.1)),
        space="shared",
        similarity_metric=SimilarityMetric.COSINE,
        **fields,
    )


def pair(**changes):
    """1,000 queries each, by hand: 20 and 60 failed, 10 and 30 found nothing, 97 and 91 were below 0.5."""
    old = view(OLD, np.repeat([0.4, 0.5, 0.7], [97, 3, 870]), QueryCounts(1000, 20, 10), poor_match_limit=0.5)
    new = view(NEW, np.repeat([0.4, 0.6], [91, 819]), QueryCounts(1000, 60, 30), poor_match_limit=0.1)
    return old, replace(new, **changes)


def checks(comparison):
    return {each.name: each for each in comparison.checks}


def test_the_numbers_are_those_of_the_window_and_one_limit_judges_both():
    """Poor matches: (97 + 10) of 980 and (91 + 30) of 940; errors 20 and 60 of 1,000; a similarity of 0.5 is not poor.

    From a sketch that has merged equal values the count is as exact and not known to be: its error widens the interval.
    """
    found = checks(compare_views(*pair()))

    assert (pytest.approx(107 / 980), pytest.approx(121 / 940)) == (
        found["poor_match_ratio"].baseline,
        found["poor_match_ratio"].candidate,
    )
    assert (0.02, 0.06) == (found["error_ratio"].baseline, found["error_ratio"].candidate)
    assert (pytest.approx(0.7), pytest.approx(0.6)) == (
        found["top1_similarity_median"].baseline,
        found["top1_similarity_median"].candidate,
    )
    assert pytest.approx(3.0) == found["drift_score"].candidate
    assert found["recall"].result is None


def test_another_similarity_metric_is_not_compared():
    """A dot product and a cosine are two quantities; errors still are compared."""
    found = checks(compare_views(*pair(similarity_metric=SimilarityMetric.DOT)))

    judged = {name for name, each in found.items() if each.candidate is not None}
    assert {"error_ratio", "drift_score"} == judged


@pytest.mark.parametrize("changes", [{"space": "its own"}, {"baselines": ()}])
def test_vectors_of_another_space_or_version_are_not_compared(changes):
    """A new model has vectors of its own; and a score against some third version says nothing of this one."""
    assert checks(compare_views(*pair(**changes)))["drift_score"].result is None


def test_a_window_that_is_not_there_is_said_so():
    """The route has looked first."""
    with pytest.raises(KeyError):
        compare_views(*pair(), window="5m")


def shares(new=0.3):
    return {OLD: 1.0, NEW: new}


def test_every_version_with_a_peer_is_judged_and_no_other():
    """Alone none; a canary of little traffic is inconclusive, and nothing else; documents are never judged."""
    stage = Stage()
    stage.run(3 * HOUR, shares={OLD: 1.0, OLD._replace(kind="document"): 1.0})
    assert {} == stage.evaluator.latest.canaries

    stage.run(600, shares={**shares(), OLD._replace(kind="document"): 1.0, NEW._replace(kind="document"): 1.0})
    assert {NEW: Verdict.INCONCLUSIVE} == {key: each.result for key, each in results(stage).items() if key == NEW}
    assert {key.kind for key in results(stage)} == {"query"}


def results(stage):
    return stage.evaluator.latest.canaries


@pytest.mark.parametrize(
    ("change", "result"), [(HEALTHY, Verdict.PASS), (Change(top1=-0.1), Verdict.FAIL)], ids=["healthy", "worse"]
)
def test_a_canary_is_passed_or_failed_once_enough_is_known(change, result):
    """An hour of 60 a minute beside the stable version: its equal passes, a tenth less similar fails."""
    stage = Stage()
    stage.run(7 * HOUR, shares={OLD: 1.0}, per_minute=60)
    stage.run(HOUR, shares={OLD: 1.0, NEW: 0.9}, per_minute=60, changes={NEW: change})

    assert result is results(stage)[NEW].result, results(stage)[NEW].reasons
    assert checks(results(stage)[NEW])["poor_match_ratio"].result is result


def test_errors_of_the_day_before_are_no_matter():
    """What failed three hours ago is in the counters, and not in the window."""
    stage = Stage()
    now = stage.clock.now()
    stage.store.append(events([now] * 500, key=OLD, errors=["timeout"] * 500), now)
    stage.clock.advance(3 * HOUR)
    stage.run(HOUR, shares=shares(0.9), per_minute=30)

    errors = checks(results(stage)[NEW])["error_ratio"]
    assert (0.0, 0.0) == (errors.baseline, errors.candidate)
    assert 500 == stage.store.find(OLD).totals(stage.clock.now()).failed_queries.total()


def label(stage, key, found, of):
    """So many queries whose one relevant document was found, of so many labelled ones, now."""
    now = stage.clock.now()
    documents = [["a" if number < found else "b", "c"] for number in range(of)]
    batch = events([now] * of, key=key, scores=[[0.6, 0.5]] * of, documents=documents, relevant=[{"a": 1.0}] * of)
    stage.store.append(batch, now)


@pytest.mark.parametrize(
    ("found", "of", "result"),
    [(1350, 1500, Verdict.PASS), (1050, 1500, Verdict.FAIL), (1290, 1500, Verdict.INCONCLUSIVE)],
)
def test_recall_is_that_of_the_labelled_queries_of_the_window(found, of, result):
    """90 % of the stable version's. Equal passes, 20 points less fail, and 4 points less may be 5 or not."""
    stage = Stage()
    for key in (OLD, NEW):
        label(stage, key, 0, 400)
    stage.clock.advance(3 * HOUR)
    label(stage, OLD, 1350, 1500)
    label(stage, NEW, found, of)
    stage.look()

    recall = checks(results(stage)[NEW])["recall"]
    assert (0.9, pytest.approx(found / of), 0.05) == (recall.baseline, recall.candidate, recall.limit)
    assert pytest.approx(0.9 - found / of) == recall.worse_by
    assert recall.lower < recall.worse_by < recall.upper
    assert result is recall.result
    assert (result is Verdict.FAIL) == (results(stage)[NEW].result is Verdict.FAIL)
    assert 1900 == stage.store.find(OLD).totals(stage.clock.now()).relevance.queries


@pytest.mark.parametrize("of", [1, 99])
def test_too_few_labels_of_the_window_are_inconclusive_however_bad(of):
    """A hundred of each version are wanted; those of hours ago do not count."""
    stage = Stage()
    for key in (OLD, NEW):
        label(stage, key, 0, 400)
    stage.clock.advance(3 * HOUR)
    label(stage, OLD, 1350, 1500)
    label(stage, NEW, 0, of)
    stage.look()

    recall = checks(results(stage)[NEW])["recall"]
    assert Verdict.INCONCLUSIVE is recall.result
    assert f"1500 and {of} labelled queries" in recall.reason
    assert "100 of each are wanted" in recall.reason


def test_without_the_peer_baseline_versions_are_judged_all_the_same(monkeypatch):
    """The setting `baselines` is about scores."""
    stage = Stage()
    monkeypatch.setattr(stage.evaluator, "_rules", replace(stage.evaluator._rules, baselines=("pinned",)))
    stage.run(HOUR, shares=shares())

    assert NEW in results(stage)
    assert checks(results(stage)[NEW])["drift_score"].result is None


def test_a_bug_met_in_one_version_costs_the_others_nothing(monkeypatch):
    """It is logged, and that version has no result."""
    stage = Stage()
    other = KEY._replace(model_version="4")
    monkeypatch.setattr(
        "app.evaluate.canary.compare_views",
        lambda baseline, candidate: 1 / 0 if candidate.key == NEW else compare_views(baseline, candidate),
    )
    stage.run(HOUR, shares={**shares(), other: 0.2})

    assert {other} == results(stage).keys()
