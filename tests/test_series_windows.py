"""Staging, windows and the end of a series."""

from dataclasses import replace

import numpy as np
import pytest

from app.model import Timing
from app.series import Series
from app.series.folding import COUNTED, WINDOW_SAMPLE_ROWS
from app.series.series import STAGED_EVENTS, STAGED_NUMBERS
from tests.builders import KEY, events, traffic
from tests.fakes import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def series(clock):
    return Series(KEY, clock.now(), Timing(), np.random.default_rng(7))


@pytest.mark.parametrize(
    ("age", "inside"),
    [(0, {"5m", "1h", "24h"}), (299, {"5m", "1h", "24h"}), (320, {"1h", "24h"}), (3599, {"1h", "24h"})],
)
def test_an_event_is_placed_by_its_own_time(series, clock, age, inside):
    """One that comes late, within the hour, is in the windows that reach back to it and in no other."""
    series.append(events([clock.now() - age]), clock.now())

    assert inside == {name for name, window in series.windows(clock.now()).items() if window.pane.events}


def test_what_is_staged_is_in_the_next_read(series, clock):
    """Folding late is nobody's business: every read holds every event."""
    for number in range(1, 2 * STAGED_EVENTS + COUNTED.events):
        series.append(traffic(np.random.default_rng(number), [clock.now()]), clock.now())
        if number % 50 == 0:
            assert number == series.totals(clock.now()).events
            assert number == series.windows(clock.now())["5m"].pane.events


@pytest.mark.parametrize("per_request", [1, 10, 64, 200])
@pytest.mark.parametrize("seconds", [0.1, 10.0, 90.0])
def test_what_is_counted_later_is_the_same(per_request, seconds):
    """Whoever reads when, in whatever requests events come and however the time passes between them."""
    clock, read, unread = FakeClock(), *(Series(KEY, 0.0, Timing(), np.random.default_rng(7)) for _ in range(2))
    rng = np.random.default_rng(7)
    for _ in range(2 * (STAGED_EVENTS + COUNTED.events) // per_request):
        clock.advance(seconds)
        batch = traffic(rng, clock.now() - rng.uniform(0, 20, per_request).round())
        batch = replace(batch, inputs=rng.integers(1, 99, per_request).astype(np.uint64), labels=LABELS[:per_request])
        for each in (read, unread):
            each.append(batch, clock.now())
        read.windows(clock.now())

    assert told(read, clock.now()) == told(unread, clock.now())


LABELS = [{"locale": "de" if position % 3 else "fr"} for position in range(200)]


def told(series, now):
    """What is exact of a series: its counts and histograms, and those of its windows and its blocks."""
    totals = series.totals(now)
    panes = [window.pane for window in series.windows(now).values()]
    material = series.learned_material(now)
    return (
        (totals.events, totals.vectors, totals.queries),
        {name: (each.counts.tolist(), each.sum) for name, each in totals.buckets.items()},
        [(pane.events, pane.vectors and pane.vectors.n, pane.queries, pane.inputs and pane.inputs.n) for pane in panes],
        [(pane.labels and pane.labels.counts, {k: v.n for k, v in pane.quantiles.items()}) for pane in panes],
        (material.whole.events, [(block.start, block.events, block.vectors.n) for block in material.blocks]),
    )


def test_numbers_that_wait_keep_no_request_in_memory(series, clock):
    """A request of its own may have its columns in one block with its vectors: it is counted as it is folded."""
    series.append(traffic(np.random.default_rng(7), [clock.now()] * STAGED_EVENTS), clock.now())
    assert 0 == series.nbytes()["staged events"]

    for number in range(STAGED_EVENTS):
        series.append(traffic(np.random.default_rng(number), [clock.now()]), clock.now())
    assert STAGED_EVENTS * 3 * 8 == series.nbytes()["staged events"]


@pytest.mark.parametrize("dimension", [8, 768, 8192])
def test_what_is_staged_is_bounded_whatever_the_length_of_vectors(series, clock, dimension):
    """Vectors of 8,192 numbers wait for a fold in no more memory than those of 768."""
    highest = 0
    for number in range(STAGED_EVENTS + COUNTED.events + 10):
        series.append(traffic(np.random.default_rng(number), [clock.now()], dimension=dimension), clock.now())
        highest = max(highest, series.nbytes()["staged events"])

    scores = (STAGED_EVENTS + COUNTED.events) * 3 * 8
    assert 0 < highest <= 4 * STAGED_NUMBERS + scores


def test_windows_forget(series, clock):
    """After its time an event has left a window, and after ninety days the ladder."""
    series.append(traffic(np.random.default_rng(7), [clock.now()]), clock.now())

    seen = {name: [] for name in Timing().windows}
    for seconds in (0, 299, 320, 3599, 4000, 86399, 90100):
        for name, window in series.windows(clock.now() + seconds).items():
            seen[name].append(window.pane.events)

    assert {"5m": [1, 1, 0, 0, 0, 0, 0], "1h": [1, 1, 1, 1, 0, 0, 0], "24h": [1, 1, 1, 1, 1, 1, 0]} == seen
    series.windows(clock.now() + 92 * 86400)
    assert 0 == series.nbytes()["quantile sketches of panes"]


def test_a_window_knows_each_signal_or_says_that_it_has_none(series, clock):
    """A series without scores has norms and nothing else."""
    series.append(events([clock.now()] * 3, norms=[1.0, 2.0, 3.0]), clock.now())

    window = series.windows(clock.now())["5m"]

    assert 3 == window.distribution("norm").n
    assert [1.0, 2.0, 3.0] == window.distribution("norm").values.tolist()
    assert window.distribution("margin") is None


def test_window_sums_are_those_of_the_vectors(series, clock):
    """The running sums over panes are the sums over events."""
    rng = np.random.default_rng(7)
    total = np.zeros(8)
    for _ in range(40):
        batch = traffic(rng, [clock.advance(7)] * 10)
        total += batch.vectors.values.reshape(10, 8).astype(np.float64).sum(axis=0)
        series.append(batch, clock.now())

    assert pytest.approx(total, abs=1e-5) == series.windows(clock.now())["1h"].pane.vectors.total


def test_an_idle_series_retires_and_takes_no_more(series, clock):
    """None says that the events were not taken: whoever sent them must look for the series anew."""
    batch = traffic(np.random.default_rng(7), [clock.now()])
    series.append(batch, clock.now())

    assert not series.retire(idle_since=clock.now())
    assert [] == series.append(batch, clock.now())
    assert series.retire(idle_since=clock.now() + 1)
    assert series.append(batch, clock.now()) is None
    assert 2 == series.totals(clock.now()).events


@pytest.mark.parametrize("step_back", [5.0, 7200.0, 400 * 86400.0])
def test_the_sample_of_a_window_survives_a_clock_set_back(series, clock, step_back):
    """A sample that waited for the old time to come round would be of traffic long gone."""
    rng = np.random.default_rng(7)
    series.append(traffic(rng, [clock.now()] * 200), clock.now())
    clock.advance(-step_back)

    for _ in range(400):
        clock.advance(60)
        series.append(traffic(rng, [clock.now()] * 10), clock.now())

    recent = series.sample("1h", clock.now())
    # The window has 600 of the 4,000 events since then: one block without end would leave 20 of its 128 rows.
    assert len(recent) >= 50
    assert recent.times.min() >= clock.now() - 3600


def test_the_sample_of_a_window_is_of_its_time(series, clock):
    """No row is older than the window, and under steady traffic all of the window is sampled."""
    rng = np.random.default_rng(7)
    for _ in range(100):
        series.append(traffic(rng, np.full(20, clock.advance(60))), clock.now())

    assert series.sample("5m", clock.now()) is None
    for name in WINDOW_SAMPLE_ROWS:
        sample = series.window_material(name, clock.now()).sample
        ages, seconds = clock.now() - sample.times, Timing().windows[name]
        assert ages.max() <= seconds
        assert len(sample) >= 50
        assert np.histogram(ages, bins=4, range=(0, min(seconds, 6000)))[0].min() > 0
