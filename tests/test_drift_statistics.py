"""Statistics on scalar signals: a contract for every entry, scipy as the oracle, sketches within their error."""

import subprocess
import sys
import warnings
from pathlib import Path

import datasketches
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from app.distribution import Distribution
from app.drift import STATISTICS, STATISTICS_BY_NAME
from app.drift.bins import BINS, edges, shares

ROOT = Path(__file__).parents[1]

every = pytest.mark.parametrize("statistic", STATISTICS, ids=lambda s: s.name)
symmetric = pytest.mark.parametrize("name", ["wasserstein", "energy_distance", "ks"])

float32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
anything = st.lists(float32, min_size=1, max_size=40) | st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1)
moderate = st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=40)


def normal(n, seed=7, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, n)


def compute(name, current, baseline):
    return STATISTICS_BY_NAME[name].compute(Distribution.of(current), Distribution.of(baseline))


def sketched(data):
    """The data through a KLL sketch, with its rank error: the largest at any point, at 99 % confidence."""
    sketch = datasketches.kll_floats_sketch(200)
    sketch.update(data.astype(np.float32))
    values, weights = zip(*sketch, strict=True)
    return Distribution.weighted(values, weights, sketch.n), sketch.normalized_rank_error(False)


# The contract of every entry.


def test_names_are_distinct_and_descriptions_are_sentences():
    """The table feeds labels and docs."""
    assert len(STATISTICS) == len(STATISTICS_BY_NAME)
    assert all(s.unit and s.description.endswith(".") and s.minimum_events > 0 for s in STATISTICS)


@every
def test_the_docs_describe_each_statistic_in_the_words_of_the_table(statistic):
    """docs/drift.md holds name, unit and description as one row."""
    row = f"| `{statistic.name}` | {statistic.unit} | {statistic.description} |"

    assert row in (ROOT / "docs" / "drift.md").read_text().splitlines()


@every
def test_a_distribution_does_not_drift_from_itself(statistic):
    """Comparing a distribution with itself gives zero."""
    d = Distribution.of(normal(2000))

    assert 0 == statistic.compute(d, d)


@every
@given(current=anything, baseline=anything)
def test_values_are_finite_and_not_negative(statistic, current, baseline):
    """Whatever two distributions of float32 numbers there are: disjoint, constant, a single event."""
    value = statistic.compute(Distribution.of(current), Distribution.of(baseline))

    assert isinstance(value, float)
    assert np.isfinite(value)
    assert value >= 0


@every
def test_the_value_grows_with_the_shift(statistic):
    """A larger shift of a normal signal is a larger value, until the two no longer overlap."""
    baseline = Distribution.of(normal(5000))
    values = [statistic.compute(Distribution.of(normal(1000, 8, shift)), baseline) for shift in (0, 0.2, 0.5, 1, 2)]

    assert values == sorted(values)
    assert values[0] < values[1]


@every
@pytest.mark.parametrize("elsewhere", [0.99, np.nextafter(1, 0), np.nextafter(1, 2), 1.01])
def test_a_shift_to_either_side_of_a_constant_signal_is_seen(statistic, elsewhere):
    """Norms that are all 1.0: leaving the atom by any amount, up or down, is a change for every statistic."""
    baseline = Distribution.of(np.ones(1000))

    assert statistic.compute(Distribution.of(np.full(500, elsewhere)), baseline) > 0
    assert 0 == statistic.compute(Distribution.of(np.ones(1000)), baseline)


@pytest.mark.parametrize("name", ["ks", "kl", "jensen_shannon", "psi"])
def test_tied_scores_that_move_beside_their_atom_are_seen(name):
    """A third of the scores is exactly 1 (the query is in the index); they fall to 0.999, within the top bin."""
    scores = np.concatenate([np.random.default_rng(7).uniform(0.2, 0.9, 1000), np.ones(500)])
    moved = np.where(scores == 1, 0.999, scores)

    assert compute(name, moved, scores) > 10 * compute(name, scores[::3], scores)
    assert compute(name, moved, scores) > 0.3


@every
def test_noise_shrinks_with_the_stated_exponent(statistic):
    """With no drift, four times the events divide the mean value by 4^noise_exponent, within a quarter."""
    rng = np.random.default_rng(7)
    small, large = (
        np.mean([statistic.compute(*(Distribution.of(rng.normal(size=n)) for _ in "cb")) for _ in range(150)])
        for n in (300, 1200)
    )

    assert small / large == pytest.approx(4**statistic.noise_exponent, rel=0.25)


@pytest.mark.parametrize("statistic", [s for s in STATISTICS if s.noise_quantile], ids=lambda s: s.name)
def test_independent_events_exceed_the_noise_quantile_as_often_as_stated(statistic):
    """At alpha = 0.05, 600 pairs with no drift: 30 expected, 14 to 46 is three standard deviations."""
    rng = np.random.default_rng(7)
    quantile = statistic.noise_quantile(0.05) * (1 / 1000 + 1 / 4000) ** statistic.noise_exponent
    exceeded = sum(
        statistic.compute(Distribution.of(rng.normal(size=1000)), Distribution.of(rng.normal(size=4000))) > quantile
        for _ in range(600)
    )

    assert 14 <= exceeded <= 46


def test_importing_the_statistics_does_not_import_scipy_stats():
    """scipy.stats costs twice the memory of scipy.special; the exporter runs as a sidecar."""
    program = "import sys, app.drift; print('scipy.stats' in sys.modules)"

    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "False" == answer.stdout.strip()


# Against scipy on the same data.


@symmetric
@given(a=moderate, b=moderate)
def test_distances_are_symmetric(name, a, b):
    """Current and baseline may change places."""
    assert compute(name, a, b) == pytest.approx(compute(name, b, a))


@given(moderate, moderate)
def test_distances_equal_scipys(a, b):
    """Wasserstein, energy and Kolmogorov-Smirnov are scipy's, on any data."""
    assert compute("wasserstein", a, b) == pytest.approx(scipy.stats.wasserstein_distance(a, b), abs=1e-9)
    assert compute("energy_distance", a, b) == pytest.approx(scipy.stats.energy_distance(a, b), abs=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's p-value warns on tiny samples; its statistic is what is wanted
        oracle = scipy.stats.ks_2samp(a, b, method="asymp").statistic
    assert compute("ks", a, b) == pytest.approx(oracle, abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.3, 5.0])
def test_divergences_equal_scipys_on_the_same_bins(shift):
    """scipy's entropy and jensenshannon, numpy's histogram over the baseline's quantiles and half an event a bin."""
    current, baseline = normal(700, 8, shift), normal(3000)
    ends = np.concatenate(([-np.inf], np.sort(baseline)[149:2999:150], [np.inf]))
    # Bins are closed above, numpy's below: mirrored they agree.
    p, q = ((np.histogram(-x, -ends[::-1])[0] + 0.5) / (x.size + 0.5 * BINS) for x in (current, baseline))
    floor = (BINS - 1) / 2 * (1 / 700 + 1 / 3000)

    assert compute("kl", current, baseline) == pytest.approx(max(0, scipy.stats.entropy(p, q) - floor))
    assert compute("psi", current, baseline) == pytest.approx(scipy.stats.entropy(p, q) + scipy.stats.entropy(q, p))
    assert compute("jensen_shannon", current, baseline) == pytest.approx(
        scipy.spatial.distance.jensenshannon(p, q, base=2)
    )


# The bins.


@given(anything, anything)
def test_shares_are_positive_and_sum_to_one(current, baseline):
    """Smoothing leaves no bin empty, so that every logarithm is finite."""
    binned = shares(Distribution.of(current), Distribution.of(baseline))

    for side in (binned.current, binned.baseline):
        assert np.all(side > 0)
        assert 1 == pytest.approx(side.sum())
    assert binned.current.shape == binned.baseline.shape


@given(anything)
def test_edges_ascend_and_each_atom_has_a_bin_of_its_own(values):
    """A value with more than a bin's share of the baseline stands alone, with a bin below and one above."""
    baseline = Distribution.of(values)
    at = edges(baseline)
    mass = np.diff(baseline.cumulative, prepend=0)

    assert np.all(np.diff(at) > 0)
    for atom in baseline.values[mass > 1 / BINS + 1e-6]:
        upper = np.searchsorted(at, atom)
        assert (np.nextafter(atom, -np.inf), atom) == (at[upper - 1], at[upper])


def test_a_smooth_baseline_has_twenty_bins_of_one_share():
    """No atoms: 19 edges, 5 % of the baseline in each bin."""
    baseline = Distribution.of(normal(2000))

    assert BINS - 1 == edges(baseline).size
    np.testing.assert_allclose(np.diff(baseline.cdf(edges(baseline)), prepend=0, append=1), 1 / BINS, atol=1e-9)


# From sketches: what their rank error lets follow. A trial outside happens to less than one in a thousand,
# since both sketches (both ends of a bin) would have to exceed their 99 % error at once, in opposite directions.


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_distances_from_sketches_are_within_what_the_rank_errors_allow(shift):
    """KS by the sum of them, W1 by rank error x range a side, energy by rank error x sqrt(2 range) a side."""
    current, baseline = normal(5000, 8, shift), normal(20_000)
    (c, c_error), (b, b_error) = sketched(current), sketched(baseline)
    bounds = {
        "ks": c_error + b_error,
        "wasserstein": c_error * np.ptp(current) + b_error * np.ptp(baseline),
        "energy_distance": c_error * np.sqrt(2 * np.ptp(current)) + b_error * np.sqrt(2 * np.ptp(baseline)),
    }

    for name, bound in bounds.items():
        exact = compute(name, current, baseline)
        assert abs(STATISTICS_BY_NAME[name].compute(c, b) - exact) <= bound, name
        assert bound < 0.3


def test_shares_from_sketches_are_within_their_error():
    """Over the same bins, each share is off by at most the rank error at both ends of its bin."""
    current, baseline = normal(5000, 8, 0.3), normal(20_000)
    (c, c_error), (b, b_error) = sketched(current), sketched(baseline)
    at = edges(b)

    for data, sketch, error in ((current, c, c_error), (baseline, b, b_error)):
        exact = np.diff(Distribution.of(data).cdf(at), prepend=0, append=1)
        assert np.max(np.abs(np.diff(sketch.cdf(at), prepend=0, append=1) - exact)) <= 2 * error


@pytest.mark.parametrize(("name", "bound"), [("kl", 0.04), ("psi", 0.08), ("jensen_shannon", 0.12)])
def test_divergences_from_sketches_read_little_with_no_drift(name, bound):
    """Shares off by 1 % (root mean square, both sides) are 1/2 x 20 x 20 x 2 x 0.01^2 = 0.04 nats of KL, twice that of
    PSI, and sqrt(0.08 / 8 / ln 2) = 0.12 of Jensen-Shannon: that much may come on top of the exact value.
    """
    current, baseline = normal(20_000, 8), normal(20_000)
    (c, _), (b, _) = sketched(current), sketched(baseline)

    assert STATISTICS_BY_NAME[name].compute(c, b) <= compute(name, current, baseline) + bound
