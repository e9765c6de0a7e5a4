"""What a series keeps of its baseline's time while it is learned."""

from itertools import pairwise

import numpy as np
import pytest

from app.model import Timing
from app.series import Learning, Pane, Series
from app.series.block import BLOCK_STEPS
from app.series.learning import BLOCKS_A_DURATION, KEPT_BLOCKS, SAMPLE_ROWS, block_panes
from app.series.rows import Memory, Vectors, number_rows, vector_rows, without_vectors
from tests.builders import KEY, events, traffic
from tests.fakes import FakeClock

DAY = 86400.0


def fed(seconds, step, per_step=1, *, delay=0.0, timing=None, clock=None, seed=7):
    """A series that got `per_step` events every `step` seconds, each `delay` old on arrival."""
    clock = clock or FakeClock()
    rng = np.random.default_rng(seed)
    series = Series(KEY, clock.now(), timing or Timing(), rng)
    for _ in range(int(seconds / step)):
        clock.advance(step)
        series.append(traffic(rng, np.full(per_step, clock.now() - delay), dimension=4), clock.now())
    return series, clock


def pane_of(batch):
    """All events of a batch as one pane."""
    matrix = batch.vectors.values.reshape(len(batch), -1)
    vectors = Vectors(len(batch), matrix, np.arange(len(batch)), None)
    positions, pane = np.zeros(len(batch)), Pane()
    for _, rows in vector_rows(vectors, positions, Memory(None, None, 0.0)):
        pane.update(rows)
    for _, rows in number_rows(without_vectors(batch, vectors), positions):
        pane.update(rows)
    return pane


def test_a_steady_day_is_learned_in_blocks_of_five_minutes():
    """All events of the day, in closed blocks, oldest first, without a gap."""
    series, clock = fed(DAY + 600, step=60, per_step=6)

    material = series.learned_material(clock.now())

    assert 300 == material.block_seconds
    assert pytest.approx(DAY / 300, abs=1.01) == len(material.blocks) == series.learned().blocks
    assert {300.0} == set(np.diff([block.start for block in material.blocks]))
    assert {30} == {block.events for block in material.blocks[1:]}
    assert {30} == {block.vectors.n for block in material.blocks[1:]}
    # The last five minutes are still in the first rung.
    assert pytest.approx(6 * (DAY + 600) / 60, abs=6 * 7) == material.events == series.learned().events


@pytest.mark.parametrize(("duration", "seconds"), [(DAY, 300.0), (7 * DAY, 300.0), (3600.0, 150.0), (600.0, 20.0)])
def test_a_short_baseline_has_shorter_blocks(duration, seconds):
    """24 in its time at least: limits need sixteen."""
    timing = Timing(baseline_duration_seconds=duration)

    assert seconds == 10 * block_panes(timing)
    assert duration / seconds >= BLOCKS_A_DURATION


def test_an_hour_is_learned_in_24_blocks():
    """As the series does it, not the arithmetic alone."""
    series, clock = fed(3600 + 310, step=10, per_step=3, timing=Timing(baseline_duration_seconds=3600))

    material = series.learned_material(clock.now())

    assert 150 == material.block_seconds
    assert pytest.approx(24, abs=1) == len(material.blocks)
    assert {45} == {block.events for block in material.blocks[1:]}


def test_the_sample_is_spread_over_the_whole_time():
    """Not the first second of traffic, nor the last: every hour of the day has about its share."""
    series, clock = fed(DAY, step=60, per_step=6)

    sample = series.learned_material(clock.now()).sample

    hours = np.histogram(clock.now() - sample.times, bins=24, range=(0, DAY))[0]
    assert SAMPLE_ROWS == len(sample) == hours.sum()
    assert 0.5 * SAMPLE_ROWS / 24 < hours.min()
    assert hours.max() < 1.6 * SAMPLE_ROWS / 24


def test_a_quiet_series_learns_on_within_bounds():
    """Ten days at six events an hour: all are in the blocks, which are longer and no more than there is room for."""
    series, clock = fed(10 * DAY, step=600)

    material = series.learned_material(clock.now())

    assert pytest.approx(10 * 144, abs=2) == material.events
    assert KEPT_BLOCKS / 2 <= len(material.blocks) < 1.5 * KEPT_BLOCKS
    assert material.block_seconds >= 2400
    starts = [block.start for block in material.blocks]
    assert all(after - before >= material.block_seconds for before, after in pairwise(starts))
    assert {0.0} == {start % material.block_seconds for start in starts}
    # What is not in a block is in the open one.
    assert material.events - material.block_seconds / 600 <= sum(block.events for block in material.blocks)


@pytest.mark.parametrize("gaps", [False, True])
def test_joined_blocks_lose_no_event_and_no_vector(gaps):
    """Halved several times, with and without silences: the sums are those of all panes, within float32."""
    rng = np.random.default_rng(7)
    learning = Learning(Timing(), 0.0, rng)
    count, total, norms = 0, np.zeros(4), []
    position = 0
    for step in range(1600):
        position += 30 if not gaps or step % 5 else int(rng.integers(30, 400))
        batch = traffic(rng, np.full(1 + step % 3, 0.0), dimension=4)
        learning.add_pane(position, pane_of(batch))
        count += len(batch)
        total += batch.vectors.values.reshape(-1, 4).astype(np.float64).sum(axis=0)
        norms.append(batch.norm)
    # Closes what is open.
    learning.add_pane(position + 10**6, Pane())

    blocks = learning.blocks
    assert len(blocks) < 1.5 * KEPT_BLOCKS < 1600
    assert count == learning.whole.events == sum(block.events for block in blocks)
    assert count == sum(block.vectors.n for block in blocks)
    np.testing.assert_allclose(sum(block.vectors.total.astype(float) for block in blocks), total, atol=1e-3)
    squares = float((np.concatenate(norms) ** 2).sum())
    assert pytest.approx(squares, rel=1e-5) == sum(block.vectors.squares for block in blocks)
    assert count == sum(block.distribution("norm").n for block in blocks)
    mean = sum(block.distribution("norm").n * block.distribution("norm").quantile(0.5) for block in blocks) / count
    assert pytest.approx(np.median(np.concatenate(norms)), abs=0.01) == mean


def test_a_block_and_its_neighbour_are_one_block_of_both():
    """The very block that a pane of twice the length would have left, as far as so few steps can say."""
    rng = np.random.default_rng(7)
    learning = Learning(Timing(), 0.0, rng)
    batches = [traffic(rng, np.full(20, 0.0), dimension=4) for _ in range(324)]
    for number, batch in enumerate(batches):
        learning.add_pane(30 * number, pane_of(batch))
    assert 300 == learning.material().block_seconds
    learning.add_pane(30 * 324, Pane())

    material = learning.material()
    assert (600, 162) == (material.block_seconds, len(material.blocks))
    for number, block in enumerate(material.blocks):
        pair = batches[2 * number : 2 * number + 2]
        values = np.concatenate([batch.vectors.values.reshape(-1, 4) for batch in pair])
        assert 600.0 * number == block.start
        np.testing.assert_allclose(block.vectors.total, values.sum(axis=0), atol=1e-4)
        exact = np.sort(np.concatenate([batch.norm for batch in pair]))
        np.testing.assert_allclose(block.steps_of("norm"), exact, rtol=1e-6)


def test_events_that_always_come_late_are_learned_too():
    """A pipeline that ships every 20 minutes would never have a baseline: its events skip the first rung."""
    series, clock = fed(7200, step=60, per_step=4, delay=1200.0)

    material = series.learned_material(clock.now())

    # What happened before the series began is not learned.
    assert pytest.approx(4 * (7200 - 1200) / 60, abs=8) == material.events
    assert len(material.blocks) >= 19
    assert {20} == {block.events for block in material.blocks[1:]}


def test_a_late_event_counts_for_the_whole_and_not_for_a_later_block():
    """Its own block has closed: those of other times are not made to hold it."""
    series, clock = fed(7200, step=60, per_step=4)
    series.learned_material(clock.now())
    before, rng = series.learned().events, np.random.default_rng(8)

    series.append(traffic(rng, [clock.now() - 3000] * 7, dimension=4), clock.now())
    assert before + 7 == series.learned_material(clock.now()).events

    for _ in range(20):
        series.append(traffic(rng, [clock.advance(60)] * 4, dimension=4), clock.now())
    blocks = series.learned_material(clock.now()).blocks
    assert {20} == {block.events for block in blocks[1:]}


def test_learning_anew_forgets_the_time_before():
    """Neither its events nor its vectors: the first rung still holds five minutes of them."""
    series, clock = fed(3600, step=10, per_step=5)

    series.restart_learning(clock.now())
    began = clock.now()
    rng = np.random.default_rng(8)
    for _ in range(60):
        series.append(traffic(rng, [clock.advance(10)], dimension=4), clock.now())

    material = series.learned_material(clock.now())
    assert began == material.started == series.learned().since
    # At most the rest of the pane in which it began is of before.
    assert material.events <= 60 - 30 + 2 + 5
    assert material.sample.times.min() > began


def test_nothing_is_kept_once_learning_has_stopped():
    """Its memory is free, and there is no material to make a baseline of."""
    series, clock = fed(3600, step=10, per_step=5)
    assert series.nbytes()["baseline being learned"] > SAMPLE_ROWS * 4 * 2

    series.stop_learning()

    assert series.learned_material(clock.now()) is None
    assert series.learned() is None
    assert 0 == series.nbytes()["baseline being learned"]


@pytest.mark.parametrize("time_scale", [10, 288, 2880])
def test_blocks_are_as_many_at_any_time_scale(time_scale):
    """Widths that floats do not hold exactly move no pane into the block before."""
    timing = Timing().scaled(time_scale)
    clock = FakeClock(start=1_800_000_123.4)
    series, clock = fed(DAY / 4 / time_scale, step=10 / time_scale, timing=timing, clock=clock)

    blocks = series.learned_material(clock.now()).blocks

    assert pytest.approx(72, abs=2) == len(blocks)
    assert {29, 30, 31} >= {block.events for block in blocks[1:]}


@pytest.mark.parametrize("per_block", [1, 40, 400])
def test_a_block_is_the_distribution_of_its_events(per_block):
    """Exact up to 64 events, and otherwise within half a step and the sketch's error."""
    series, clock = fed(900, step=300, per_step=per_block)
    rng = np.random.default_rng(7)
    batches = [traffic(rng, np.full(per_block, 0.0), dimension=4) for _ in range(3)]

    (block, *_) = series.learned_material(clock.advance(600)).blocks

    exact = np.sort(batches[0].norm.astype(np.float32))
    values = block.steps_of("norm")
    assert per_block == dict(block.signals)["norm"] == block.distribution("norm").n
    assert min(per_block, BLOCK_STEPS) == values.size
    ranks = np.searchsorted(exact, values, side="right") / per_block
    expected = (np.arange(values.size) + (1 if per_block <= BLOCK_STEPS else 0.5)) / values.size
    assert np.abs(ranks - expected).max() <= (1e-9 if per_block <= BLOCK_STEPS else 0.03)
    assert block.distribution("no such signal") is None


def test_a_window_is_material_for_a_baseline():
    """Its blocks are panes of its rung; it starts no earlier than the series, and has a sample where it keeps one."""
    series, clock = fed(2 * 3600, step=30, per_step=3)

    short, hour, day = (series.window_material(window, clock.now()) for window in ("5m", "1h", "24h"))

    assert (10, 300, 3600) == (short.block_seconds, hour.block_seconds, day.block_seconds)
    assert len(hour.blocks) >= 11
    assert short.sample is None
    assert len(hour.sample) >= 60
    assert 3600 == clock.now() - hour.started
    assert 2 * 3600 == clock.now() - day.started
    assert 2 * 3600 / 30 * 3 == day.events
    assert 3600 / 30 * 3 <= hour.events <= 3900 / 30 * 3
    assert hour.events == hour.whole.quantiles["norm"].n


def test_the_most_frequent_inputs_and_every_probe_are_kept():
    """A thousand inputs that come once do not push out those that come often, nor a probe that came once."""
    clock, rng = FakeClock(), np.random.default_rng(7)
    series = Series(KEY, clock.now(), Timing(), rng)
    often, probe = list(range(1, 11)), 10**9
    vectors = {key: rng.normal(size=4) for key in [*often, probe]}
    series.append(events([clock.now()], vectors=[vectors[probe]], inputs=[probe], probe=[True]), clock.now())
    for turn in range(30):
        once = list(range(1000 + 200 * turn, 1200 + 200 * turn))
        inputs = [*often, *often, *once]
        rows = [vectors.get(key, rng.normal(size=4)) for key in inputs]
        series.append(events([clock.advance(30)] * len(inputs), vectors=rows, inputs=inputs), clock.now())

    inputs = series.learned_material(clock.now()).inputs

    kept = inputs.keys.tolist()
    assert {*often, probe} <= set(kept)
    assert len(kept) == len(set(kept)) <= 512
    assert sorted(kept) == kept
    for key in [*often, probe]:
        direction = inputs.directions[kept.index(key)].astype(float)
        np.testing.assert_allclose(direction, vectors[key] / np.linalg.norm(vectors[key]), atol=1e-3)


def test_probes_are_counted_and_are_no_traffic():
    """They make no vector of the totals, no norm of a window, no row of a sample; an event they are."""
    clock, rng = FakeClock(), np.random.default_rng(7)
    series = Series(KEY, clock.now(), Timing(), rng)
    series.append(traffic(rng, [clock.now()] * 20, dimension=4), clock.now())
    rows = np.full((5, 4), 50.0)
    series.append(events([clock.now()] * 5, vectors=rows, inputs=range(1, 6), probe=[True] * 5), clock.now())

    totals, window = series.totals(clock.now()), series.windows(clock.now())["5m"]

    assert (25, 25.0, 20) == (totals.events, totals.represented_events, totals.vectors)
    assert 20 == totals.buckets["norm"].cumulative[-1]
    assert (20, 20, 20) == (window.pane.events, window.pane.vectors.n, window.distribution("norm").n)
    assert window.distribution("norm").values.max() < 2
    sample = series.sample("1h", clock.now())
    assert (20, True) == (len(sample), bool(sample.norms.max() < 2))
    material = series.learned_material(clock.now())
    assert 20 == len(material.sample)
    assert [1, 2, 3, 4, 5] == material.inputs.keys.tolist()


def test_a_vote_that_turns_leaves_no_vectors_of_the_other_length():
    """A slow series has closed blocks before its first hundred vectors: those of the strays go from them too."""
    clock, rng = FakeClock(), np.random.default_rng(7)
    series = Series(KEY, clock.now(), Timing(), rng)
    for turn in range(60):
        dimension = 3 if turn < 10 else 4
        batch = events([clock.advance(100)] * 3, vectors=rng.normal(size=(3, dimension)), inputs=[1, 2, 3])
        series.append(batch, clock.now())
        series.windows(clock.now())

    material = series.learned_material(clock.now())

    assert 4 == series.dimension
    assert {4} == {block.vectors.dimension for block in material.blocks if block.vectors.n}
    assert 4 == material.whole.vectors.dimension == material.sample.directions.shape[1]
    assert 4 == material.inputs.directions.shape[1]
    assert material.events > 150
