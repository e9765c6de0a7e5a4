"""Which vectors are measured in the frame, in which pane it shows, and what a new frame makes of the old."""

from dataclasses import replace

import numpy as np
import pytest

from app.drift.same_input import KnownInputs
from app.frame import Frame
from app.model import Timing
from app.series import FRAME_SIGNALS, Series, Yardstick
from app.series.measuring import BURST_SECONDS, ROWS_PER_SECOND, STAGED_ROWS, Measuring
from tests.builders import KEY, events, traffic
from tests.fakes import FakeClock
from tests.stage import Change, Queries

DIMENSION = 8
BURST = int(ROWS_PER_SECOND * BURST_SECONDS)
NOW = 1_800_000_000.0


def rows(count, seed=8, dimension=DIMENSION):
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


FRAME = Frame.fit(rows(400)).frame
OTHER_FRAME = Frame.fit(rows(400, seed=9)).frame


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def series(clock):
    return Series(KEY, clock.now(), Timing(), np.random.default_rng(7))


def send(series, clock, count, age=0.0):
    """So many events at once, each `age` old."""
    batch = traffic(np.random.default_rng(int(clock.now()) % 1000), [clock.now() - age] * count, dimension=DIMENSION)
    series.append(batch, clock.now())
    return batch.vectors.values.reshape(count, DIMENSION)


def measured(series, clock, window="24h"):
    sums = series.windows(clock.now())[window].pane.frame
    return 0 if sums is None else sums.n


@pytest.mark.parametrize("per_second", [1, 50, int(ROWS_PER_SECOND) - 1, int(ROWS_PER_SECOND) + 1, 2000])
def test_no_more_rows_are_measured_than_the_rate_and_a_burst(per_second):
    """All of them up to the rate, no more than the rate above it, in whatever parts they come."""
    measuring = Measuring(FRAME, NOW)
    for second in range(60):
        for part in np.array_split(np.arange(per_second), 4):
            measuring.offer(rows(max(len(part), 1))[: len(part)], np.zeros(len(part)), NOW + second)

    assert 60 * per_second == measuring.offered
    bound = ROWS_PER_SECOND * (59 + BURST_SECONDS)
    assert measuring.measured >= min(60 * per_second, bound) - ROWS_PER_SECOND
    assert measuring.measured <= min(60 * per_second, bound)
    assert measuring.measured == sum(len(each.vectors) for each in measuring.take())


def test_after_a_silence_a_burst_of_two_seconds_is_measured():
    """What was not used does not pile up: an hour of silence is worth no more."""
    measuring = Measuring(FRAME, NOW)
    measuring.offer(rows(5000), np.zeros(5000), NOW)
    first = measuring.measured
    measuring.offer(rows(5000), np.zeros(5000), NOW + 3600)
    measuring.offer(rows(5000), np.zeros(5000), NOW + 3600)

    assert (BURST, 2 * BURST, 15000) == (first, measuring.measured, measuring.offered)


def test_a_clock_set_back_measures_no_more_and_no_less():
    """Neither is it a time that has passed, nor is one waited for."""
    measuring = Measuring(FRAME, NOW)
    measuring.offer(rows(BURST), np.zeros(BURST), NOW)

    measuring.offer(rows(100), np.zeros(100), NOW - 3600)
    assert BURST == measuring.measured

    measuring.offer(rows(100), np.zeros(100), NOW - 3599)
    assert BURST + 100 == measuring.measured


def test_the_rows_that_are_measured_are_spread_evenly_over_a_request():
    """Every tenth of ten times too many: none of the request's parts speaks for the rest."""
    measuring = Measuring(FRAME, NOW)
    vectors = rows(10 * BURST)
    positions = np.arange(10 * BURST) // BURST

    assert measuring.offer(vectors, positions.astype(float), NOW)

    panes = list(measuring.take())
    assert list(range(10)) == [each.position for each in panes]
    assert {BURST // 10} == {len(each.vectors) for each in panes}
    assert vectors[::10].tolist() == np.concatenate([each.vectors for each in panes]).tolist()


def test_staged_rows_are_measured_as_they_would_be_alone():
    """Many at a time and pane by pane is the same as one by one; taken once, they are gone."""
    measuring = Measuring(FRAME, NOW)
    vectors = rows(40)
    enough = [measuring.offer(part, np.full(len(part), float(i)), NOW) for i, part in enumerate(np.split(vectors, 4))]
    assert [False] * 4 == enough
    assert vectors.nbytes == measuring.nbytes

    for each in measuring.take():
        alone = FRAME.measure(vectors[10 * each.position : 10 * each.position + 10])
        np.testing.assert_allclose(each.measured.novelty, alone.novelty, rtol=1e-5)
        np.testing.assert_allclose(each.measured.distance, alone.distance, rtol=1e-4)
        np.testing.assert_allclose(each.measured.components, alone.components, atol=1e-5)
    assert [] == list(measuring.take())
    assert 0 == measuring.nbytes
    assert measuring.offer(rows(STAGED_ROWS), np.zeros(STAGED_ROWS), NOW)


def test_a_series_says_how_many_of_its_vectors_were_measured(series, clock):
    """Nothing before there is a frame; then all at a low rate, and a share of a flood."""
    send(series, clock, 100)
    series.totals(clock.now())
    assert (0, 0) == series.measured

    series.measure_with(Yardstick("a", FRAME, None), clock.now())
    send(series, clock, 100)
    series.totals(clock.now())
    assert (100, 100) == series.measured

    clock.advance(10)
    for _ in range(20):
        send(series, clock, 500)
    series.totals(clock.now())
    assert (100 + BURST, 100 + 10_000) == series.measured


def test_measured_rows_are_in_the_window_of_their_time(series, clock):
    """A late one is in the pane that it happened in, also where that has moved up the ladder since it was staged."""
    series.measure_with(Yardstick("a", FRAME, None), clock.now())
    send(series, clock, 30)
    send(series, clock, 20, age=1800.0)
    send(series, clock, 10, age=290.0)
    series.totals(clock.now())

    # Ten are staged and have left the five minutes when they are measured.
    clock.advance(20)
    windows = series.windows(clock.now())
    assert {"5m": 30, "1h": 60, "24h": 60} == {name: window.pane.frame.n for name, window in windows.items()}
    for window in windows.values():
        assert window.pane.frame.n == window.pane.vectors.n
    assert 60 == windows["1h"].distribution("novelty").n == windows["1h"].distribution("pc1").n
    assert windows["24h"].distribution("novelty") is None

    clock.advance(4000)
    assert {"5m": 0, "1h": 0, "24h": 60} == {name: measured(series, clock, name) for name in windows}


def test_what_panes_hold_is_what_the_rows_measure(series, clock):
    """The sums of a window are those of its vectors in the frame."""
    series.measure_with(Yardstick("a", FRAME, None), clock.now())
    vectors = np.concatenate([send(series, clock, 50) for _ in range(3) if clock.advance(17)])

    found = series.windows(clock.now())["1h"].pane.frame
    expected = FRAME.sums(vectors, FRAME.measure(vectors))

    assert expected.n == found.n == 150
    assert expected.below.tolist() == found.below.tolist()
    assert pytest.approx(expected.depth, rel=1e-5) == found.depth
    assert pytest.approx(expected.distance, rel=1e-5) == found.distance
    np.testing.assert_allclose(found.features, expected.features, atol=1e-3)


def test_a_new_frame_forgets_what_the_old_one_measured(series, clock):
    """Sums of two frames do not add up; what came before is not measured again."""
    series.measure_with(Yardstick("a", FRAME, None), clock.now())
    send(series, clock, 100)
    assert 100 == measured(series, clock)

    send(series, clock, 10)
    series.measure_with(Yardstick("b", OTHER_FRAME, None), clock.now())

    pane = series.windows(clock.now())["1h"].pane
    assert (110, 110, None) == (pane.events, pane.vectors.n, pane.frame)
    assert set() == pane.quantiles.keys() & set(FRAME_SIGNALS)
    assert (0, 0) == series.measured
    vectors = send(series, clock, 30)
    found = series.windows(clock.now())["1h"].pane.frame
    assert pytest.approx(OTHER_FRAME.measure(vectors).distance.sum(), rel=1e-4) == found.distance
    assert 30 == found.n


def test_the_same_yardstick_again_changes_nothing(series, clock):
    """The evaluation hands it over every ten seconds."""
    yardstick = Yardstick("a", FRAME, None)
    for _ in range(5):
        series.measure_with(replace(yardstick), clock.advance(10))
        send(series, clock, 20)

    assert 100 == measured(series, clock)
    series.totals(clock.now())
    assert (100, 100) == series.measured


def test_a_frame_of_another_dimension_is_not_used(series, clock):
    """Nor known inputs of another one: a file of another model was loaded."""
    other = Frame.fit(rows(400, dimension=5)).frame
    known = KnownInputs(np.array([1, 2], np.uint64), rows(2, dimension=5).astype(np.float16))
    series.measure_with(Yardstick("a", other, known), clock.now())

    series.append(events([clock.now()] * 2, vectors=rows(2), inputs=[1, 2]), clock.now())
    send(series, clock, 100)

    pane = series.windows(clock.now())["1h"].pane
    assert (102, 102, None, 0) == (pane.events, pane.vectors.n, pane.frame, pane.same_input.matches)
    assert (0, 0) == series.measured


def test_a_baseline_without_a_frame_measures_nothing(series, clock):
    """It may know inputs all the same."""
    vectors = rows(2)
    series.measure_with(Yardstick("a", None, KnownInputs.of(np.array([5, 6], np.uint64), vectors)), clock.now())

    series.append(events([clock.now()] * 3, vectors=[*vectors, -vectors[0]], inputs=[5, 6, 5]), clock.now())

    window = series.windows(clock.now())["5m"]
    assert window.pane.frame is None
    assert (3, 1, 1, 1) == (
        window.same_input.matches,
        window.same_input.changed,
        window.same_input.repeats,
        window.same_input.inconsistent,
    )
    assert pytest.approx(1.0, abs=1e-4) == window.same_input.median_cosine


def test_probes_are_looked_up_and_not_measured(series, clock):
    """They say whether the model is the same, and nothing about the traffic."""
    vectors = rows(4)
    known = KnownInputs.of(np.arange(1, 5, dtype=np.uint64), vectors)
    series.measure_with(Yardstick("a", FRAME, known), clock.now())
    send(series, clock, 10)

    changed = vectors * np.array([[1], [1], [1], [-1]], np.float32)
    probes = events([clock.now()] * 4, vectors=changed, inputs=[1, 2, 3, 4], probe=[True] * 4)
    series.append(probes, clock.now())

    window = series.windows(clock.now())["1h"]
    assert (4, 1) == (window.same_input.matches, window.same_input.changed)
    assert (10, 10, 10) == (window.pane.events, window.pane.vectors.n, window.pane.frame.n)
    assert (10, 10) == series.measured
    assert 14 == series.totals(clock.now()).events


def test_a_vote_that_turns_forgets_what_was_measured(series, clock):
    """Vectors of the strays were measured: their sums are none of this series."""
    series.measure_with(Yardstick("a", FRAME, None), clock.now())
    send(series, clock, 30)
    assert 30 == measured(series, clock)

    for _ in range(3):
        series.append(traffic(np.random.default_rng(7), [clock.now()] * 30, dimension=4), clock.now())

    pane = series.windows(clock.now())["1h"].pane
    assert 4 == series.dimension
    assert (120, None) == (pane.events, pane.frame)
    assert 4 == pane.vectors.dimension


def test_inputs_without_a_name_are_told_by_their_vectors():
    """A flood of one query shows although the client sends no hashes; with them, by the hash."""
    clock, found = FakeClock(), {}
    for hashes in (True, False):
        series = Series(KEY, clock.now(), Timing(), np.random.default_rng(7))
        queries = Queries(dimension=DIMENSION)
        series.append(queries.draw(np.full(400, clock.now()), Change(flood=0.5, hashes=hashes)), clock.now())
        found[hashes] = series.windows(clock.now())["5m"].pane.inputs.shares()[1][0]

    assert found[True] == found[False] == pytest.approx(0.5, abs=0.08)


def test_the_past_is_the_days_before_the_last_one(series, clock):
    """Merged once a day: a second look is the same object, a new day or another frame a new one."""
    day, began = 86400.0, clock.now()
    series.measure_with(Yardstick("a", FRAME, None), clock.now())
    for _ in range(5 * 24):
        send(series, clock, 5)
        series.windows(clock.now())
        clock.advance(3600)

    past = series.past(7 * day, clock.now())
    assert past is series.past(7 * day, clock.advance(10))
    assert past.since == pytest.approx(began, abs=day)
    assert past.since <= began
    assert 5 * 24 * 3 <= past.pane.events <= 5 * 24 * 4 + 10
    assert past.pane.frame.n == past.pane.vectors.n == past.pane.events
    assert {"norm", "top1_similarity"} == past.pane.quantiles.keys()

    short = series.past(2 * day, clock.now())
    assert (short.days, short.pane.events) < (past.days, past.pane.events)
    series.measure_with(Yardstick("b", OTHER_FRAME, None), clock.now())
    again = series.past(7 * day, clock.now())
    assert (past.pane.events, None) == (again.pane.events, again.pane.frame)
    assert 0 == series.past(7 * day, clock.advance(100 * day)).days
