"""The bench of evaluations: what it fills, what it sends, and how its figures become goals."""

import json
from itertools import count
from pathlib import Path

import pytest

from app.model import Timing
from bench import intake, ticks, waits
from bench.__main__ import PARTS
from bench.fill import NOW, key
from bench.full import EVALUATIONS, FREEZING, NOTHING, Beside, Exporting, FastClock
from bench.load import Pool, Shape
from bench.report import fill

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


@pytest.fixture(scope="module")
def evaluation():
    """Of two full series."""
    exporting = Exporting.full(2)
    return exporting.evaluator.tick(NOW + 10)


def test_full_series_have_scores_of_every_window_against_every_baseline(evaluation):
    """Pinned, trailing and peer; the bench would measure too little else."""
    found = {(score.window, score.baseline) for view in evaluation.series.values() for score in view.scores}

    assert {"pinned", "7d", "peer"} == {baseline for _, baseline in found}
    assert set(Timing().windows) == {window for window, baseline in found if baseline == "pinned"}
    assert {"5m", "1h"} == {window for window, baseline in found if baseline == "peer"}


def test_full_series_are_measured_in_their_frame(evaluation):
    """The statistics of the frame are among the scores of the longest window."""
    scores = evaluation.series[key(0)].scores

    assert {"novelty", "mahalanobis", "joint"} <= {score.statistic for score in scores if score.window == "24h"}


def test_a_pool_may_be_of_one_later_series_and_without_input_hashes():
    """All its events are of that version, and none names its input."""
    body = Pool(Shape("base64", 4), first=3, without=("input_hash",)).next_request().partition(b"\r\n\r\n")[2]

    assert {"3"} == {event["model_version"] for event in json.loads(body)}
    assert not any("input_hash" in event for event in json.loads(body))


def test_work_beside_goes_on_until_it_is_stopped():
    """Once stopped it does no more, and may be started anew."""
    calls = count()
    beside = Beside(FastClock(), {EVALUATIONS: lambda now: next(calls)})
    for _ in range(2):
        beside.start(EVALUATIONS)
        with pytest.raises(RuntimeError):
            beside.start(EVALUATIONS)
        beside.stop()

    seen = next(calls)
    assert seen + 1 == next(calls)


def test_what_is_added_to_a_wait_is_the_longest_less_the_longest_of_the_same_round():
    """In milliseconds, at the interval that the exporter ships with."""
    turns = {NOTHING: [[0.001, 0.004], [0.002]], EVALUATIONS: [[0.001, 0.010], [0.008]], FREEZING: [[0.050], [0.052]]}
    waited = {what: {case: turns[case.beside] for case in waits.CASES} for what in waits.WHAT}

    goals, tables = waits.report(waited, 16)

    assert [6.0, 48.0] * 3 == pytest.approx([goal.measured.median for goal in goals])
    assert [True, False] * 3 == [goal.held for goal in goals]
    assert all(table.rows for _, table in tables)


def test_fewer_series_than_sixteen_are_counted_as_sixteen():
    """CPU is that of sixteen, as a share of the ten seconds between evaluations."""
    costs = [ticks.Cost(evaluation=0.05, measuring=0.15, append=0.2)]

    (of_four,), _ = ticks.report(costs, 4)
    (of_sixteen,), _ = ticks.report(costs, 16)

    assert 8.0 == pytest.approx(of_four.measured.median)
    assert 2.0 == pytest.approx(of_sixteen.measured.median)


def test_the_share_of_ingest_that_is_kept_is_that_of_events_per_cpu_second():
    """Twice the CPU keeps half; a cheaper event at the higher rate is faster."""
    costs = {case: [1e-5 if case.setting == intake.NEITHER else 2e-5] for case in intake.CASES}
    costs[intake.Case(intake.EVERYTHING, 10_000)] = [1.6e-5]

    (kept, faster), _ = intake.report(costs)

    assert 0.5 == pytest.approx(kept.measured.median)
    assert 1.25 == pytest.approx(faster.measured.median)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_its_place_on_the_page(part):
    """Or --write would fail after the measurement."""
    assert "new" in fill(PAGE.read_text(encoding="utf-8"), part, "new")
