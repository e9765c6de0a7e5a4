"""Limits learned from the baseline's own blocks: they hold on healthy windows, and drift exceeds them."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from app.distribution import Distribution
from app.drift import STATISTICS, STATISTICS_BY_NAME, Limit, learn_limit, resolution_floor
from app.drift.limit import ALPHA

every = pytest.mark.parametrize("statistic", STATISTICS, ids=lambda s: s.name)
wasserstein = STATISTICS_BY_NAME["wasserstein"]
RESOLUTION = 1e-3


def learned(statistic, blocks, floor=0.0):
    """The limit from blocks of raw data, and the baseline that they make up."""
    whole = np.concatenate(blocks)
    baseline = Distribution.of(whole)
    values = [statistic.compute(Distribution.of(block), baseline) for block in blocks]
    return learn_limit(values, [block.size for block in blocks], whole.size, statistic, floor), baseline


def normal_blocks(rng, blocks=24, events=300):
    return [rng.normal(size=events) for _ in range(blocks)]


@every
def test_healthy_windows_stay_below_the_limit(statistic):
    """8 baselines of 24 blocks of 300 events, 30 windows each of 100, 300 and 900 events: none of 720 exceeds it."""
    rng = np.random.default_rng(7)
    scores = []
    for _ in range(8):
        limit, baseline = learned(statistic, normal_blocks(rng))
        # A grid of 400 steps is off by 1/800 in rank: it keeps the test fast and is what a baseline may keep.
        grid = baseline.compact(400)
        for n in (100, 300, 900):
            windows = (Distribution.of(rng.normal(size=n)) for _ in range(30))
            scores += [statistic.compute(window, grid) / limit.at(n) for window in windows]

    assert max(scores) < 1
    assert max(scores) > 0.2, "a limit that nothing comes near sees nothing"


@every
def test_a_shift_of_one_standard_deviation_exceeds_the_limit(statistic):
    """A window of 500 events against 24 blocks of 300."""
    rng = np.random.default_rng(7)
    limit, baseline = learned(statistic, normal_blocks(rng))

    assert statistic.compute(Distribution.of(rng.normal(1, 1, 500)), baseline) > 1.2 * limit.at(500)


@every
def test_wobble_from_block_to_block_widens_the_limit(statistic):
    """A baseline whose mean moves by 0.3 sd from block to block allows more than one that does not."""
    rng = np.random.default_rng(7)
    calm = normal_blocks(rng)
    moving = [block + rng.normal(0, 0.3) for block in calm]

    assert learned(statistic, moving)[0].at(300) > 1.3 * learned(statistic, calm)[0].at(300)


@every
def test_float16_storage_of_constant_norms_never_exceeds_the_limit(statistic):
    """Unit vectors, stored in float32 for the baseline and in float16 for the window, and the other way round."""
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(4000, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    stored = {
        dtype: np.linalg.norm(vectors.astype(dtype).astype(np.float64), axis=1) for dtype in (np.float32, np.float16)
    }

    for before, after in ((np.float32, np.float16), (np.float16, np.float32)):
        blocks = np.split(stored[before], 16)
        floor = resolution_floor(statistic, Distribution.of(stored[before]), RESOLUTION)
        limit, baseline = learned(statistic, blocks, floor)
        assert statistic.compute(Distribution.of(stored[after][:500]), baseline) <= limit.at(500)


def test_lost_normalisation_exceeds_the_limit_on_constant_norms():
    """Norms that were all 1: half a per cent more on all of them, or 1 % of the vectors at 5, is far over the limit."""
    ones = np.ones(4000)
    floor = resolution_floor(wasserstein, Distribution.of(ones), RESOLUTION)
    limit, baseline = learned(wasserstein, np.split(ones, 16), floor)
    few_lost = np.where(np.arange(500) < 5, 5.0, 1.0)

    assert wasserstein.compute(Distribution.of(np.full(500, 1.005)), baseline) > 4 * limit.at(500)
    assert wasserstein.compute(Distribution.of(few_lost), baseline) > 30 * limit.at(500)


def test_resolution_hardly_raises_the_limit_of_a_signal_that_is_spread_out():
    """The floor of every statistic stays below a third of what the blocks of a normal signal say by themselves."""
    blocks = normal_blocks(np.random.default_rng(7))
    for statistic in STATISTICS:
        limit, baseline = learned(statistic, blocks)
        assert resolution_floor(statistic, baseline, RESOLUTION) < limit.value / 3, statistic.name


@pytest.mark.parametrize("name", ["wasserstein", "energy_distance", "ks"])
def test_leaving_a_block_out_is_a_division(name):
    """For distances statistic(block, rest) is statistic(block, whole) / (1 - share of the block), exactly."""
    rng = np.random.default_rng(7)
    block, rest = rng.normal(0.2, 1, 300), rng.normal(size=1700)
    whole = Distribution.of(np.concatenate([block, rest]))
    compute = STATISTICS_BY_NAME[name].compute

    to_whole, to_rest = compute(Distribution.of(block), whole), compute(Distribution.of(block), Distribution.of(rest))

    assert to_rest == pytest.approx(to_whole / (1 - 0.15))


def test_the_limit_is_the_gamma_quantile_of_the_blocks():
    """With many blocks of one size in a large baseline it is scipy's gamma.ppf, but for the widening."""
    values = np.random.default_rng(7).gamma(6, 0.01, 5000)
    limit = learn_limit(values, [500] * 5000, 500 * 10**9, wasserstein)

    shape = values.mean() ** 2 / values.var()
    expected = scipy.stats.gamma.isf(ALPHA, shape, scale=values.mean() / shape)

    assert limit.at(500) == pytest.approx(expected, rel=0.005)


def test_few_blocks_give_a_wider_limit():
    """The same mean and variance from 8, 24 and 288 blocks."""
    values = [0.8, 1.2] * 4
    limits = [learn_limit(values * k, [300] * 8 * k, 10**9, wasserstein).at(300) for k in (1, 3, 36)]

    assert limits[0] > 1.3 * limits[1] > 1.3 * 1.05 * limits[2]


def test_eight_blocks_hold_on_healthy_windows_too():
    """60 baselines of 8 blocks, 10 windows each: none of 600 exceeds a limit that so little stands behind."""
    rng = np.random.default_rng(7)
    scores = []
    for _ in range(60):
        limit, baseline = learned(wasserstein, normal_blocks(rng, blocks=8, events=200))
        scores += [
            wasserstein.compute(Distribution.of(rng.normal(size=200)), baseline) / limit.at(200) for _ in range(10)
        ]

    assert max(scores) < 1


def test_no_block_of_the_baseline_exceeds_its_own_limit():
    """One block of 288 with a burst: the gamma quantile alone would stay below it."""
    values = [1.0] * 287 + [18.0]

    assert learn_limit(values, [300] * 288, 10**9, wasserstein).at(300) >= 18


@every
def test_fewer_than_eight_blocks_have_no_limit(statistic):
    """Blocks with less than the statistic's minimum of events do not count as blocks."""
    enough, too_few = statistic.minimum_events, statistic.minimum_events - 1

    assert learn_limit([0.1, 0.2] * 4, [enough] * 8, 10**6, statistic) is not None
    assert learn_limit([0.1, 0.2] * 4, [enough] * 7 + [too_few], 10**6, statistic) is None


def test_blocks_that_never_differ_have_no_limit_without_a_floor():
    """Nothing says what is large; with a resolution, that does."""
    assert learn_limit([0.0] * 24, [300] * 24, 7200, wasserstein) is None
    assert 0.001 == learn_limit([0.0] * 24, [300] * 24, 7200, wasserstein, 0.001).at(10)


def test_blocks_of_unlike_size_are_brought_to_one():
    """Half the blocks with a quarter of the events, and so twice the noise, give nearly the limit of equal ones."""
    rng = np.random.default_rng(7)
    equal = [learned(wasserstein, normal_blocks(rng, 40, 400))[0].at(400) for _ in range(5)]
    unlike = [learned(wasserstein, [rng.normal(size=n) for n in (400, 100) * 20])[0].at(400) for _ in range(5)]

    assert np.mean(unlike) == pytest.approx(np.mean(equal), rel=0.4)


@pytest.mark.parametrize(
    ("values", "events", "message"),
    [([0.1] * 8, [100] * 7, "one value a block is needed, got 8 values of 7 blocks"), ([0.1], [800], "a part of")],
)
def test_blocks_that_do_not_fit_their_baseline_are_refused(values, events, message):
    """The message names what would be right."""
    with pytest.raises(ValueError, match=message):
        learn_limit(values, events, 800, wasserstein)


@given(
    value=st.floats(1e-6, 1e3),
    events=st.floats(1, 1e5),
    exponent=st.sampled_from([0.5, 1]),
    floor=st.floats(0, 1e3),
    n=st.integers(1, 10**6),
)
def test_a_limit_never_rises_with_the_number_of_events(value, events, exponent, floor, n):
    """More events, less noise; above the blocks' own size it stays, since their wobble does not shrink."""
    limit = Limit(value, events, 10**5, exponent, floor, 24)

    assert limit.at(n) >= limit.at(n + 1) >= max(value, floor)
    assert np.isfinite(limit.at(n))
