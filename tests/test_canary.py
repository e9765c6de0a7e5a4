"""The canary's verdict: right on equal versions and on worse ones, and never a pass on too little."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from scipy import stats

from app.canary import CanaryLimits, Verdict, Version, compare_versions
from app.distribution import Distribution
from app.drift.differences import median_difference, share_difference
from app.sketch import QuantileSketch

NO_WORSE = CanaryLimits(
    median_drop=0.0, poor_match_increase=0.0, error_increase=0.0, recall_drop=0.0, kl_nats=0.0, drift_score=None
)
POOR_BELOW = 0.45
SESSION = 1.75
"""Mean length of a session of one repeated query, geometric: its design effect is 2 x 1.75 - 1, so 2.5."""


def in_sessions(rng, n, draw):
    """n values, each repeated through a session."""
    lengths = rng.geometric(1 / SESSION, size=n)
    return np.repeat(draw(n), lengths)[:n]


def version(rng, n=2000, labelled=0, drop=0.0, errors=0.005, missed=0.1):
    """A stream in sessions: top-1 similarities around 0.6, failures, and recall of 0 or 1."""
    top1 = in_sessions(rng, n, lambda size: rng.normal(0.6 - drop, 0.1, size))
    failed = int(in_sessions(rng, n, lambda size: rng.random(size) < errors).sum())
    return Version(
        queries=n + failed,
        failed_queries=failed,
        poor_matches=int((top1 < POOR_BELOW).sum()),
        top1=Distribution.of(top1),
        labelled_queries=labelled,
        recall=float(in_sessions(rng, labelled, lambda size: rng.random(size) >= missed).sum()) if labelled else 0.0,
    )


def check(comparison, name):
    return next(each for each in comparison.checks if each.name == name)


def test_equal_versions_pass_and_do_not_fail():
    """300 pairs of 3,000 queries in sessions at the limits given: none fails, nearly all pass, the rest waits."""
    rng = np.random.default_rng(7)
    results = [compare_versions(version(rng, 3000), version(rng, 3000)).result for _ in range(300)]

    assert 0 == results.count(Verdict.FAIL)
    assert results.count(Verdict.PASS) >= 270


def test_equal_versions_fail_a_check_as_rarely_as_stated_even_at_limits_of_zero():
    """600 pairs in sessions: at most the 2.5 % of a one-sided interval, with three standard errors of that count."""
    rng = np.random.default_rng(7)
    comparisons = [
        compare_versions(version(rng, 800, 400), version(rng, 1500, 400), limits=NO_WORSE) for _ in range(600)
    ]

    for name in ("top1_similarity_median", "poor_match_ratio", "error_ratio", "recall", "similarity_kl_nats"):
        failed = sum(check(each, name).result is Verdict.FAIL for each in comparisons)
        assert failed <= 600 * 0.025 + 3 * np.sqrt(600 * 0.025 * 0.975), name
    assert not any(each.result is Verdict.PASS for each in comparisons)


@pytest.mark.parametrize(
    ("worse", "name"),
    [
        ({"drop": 0.06}, "top1_similarity_median"),
        ({"drop": 0.1}, "poor_match_ratio"),
        ({"drop": 0.1}, "similarity_kl_nats"),
        ({"errors": 0.06}, "error_ratio"),
        ({"missed": 0.28, "labelled": 1000}, "recall"),
    ],
)
def test_a_worse_version_fails_by_the_check_that_sees_it(worse, name):
    """Two to four times the limit, 2,000 queries: in at least 95 of 100 pairs."""
    rng = np.random.default_rng(7)
    seen = 0
    for _ in range(100):
        healthy = version(rng, labelled=worse.get("labelled", 0))
        comparison = compare_versions(healthy, version(rng, **worse))
        seen += comparison.result is Verdict.FAIL and check(comparison, name).result is Verdict.FAIL

    assert seen >= 95


def test_a_version_that_is_worse_by_exactly_the_limit_is_not_passed():
    """More than 2.5 % of such versions would not be right; most are told to wait."""
    rng = np.random.default_rng(7)
    limits = CanaryLimits(kl_nats=None, poor_match_increase=None)
    results = [compare_versions(version(rng), version(rng, drop=0.03), limits=limits).result for _ in range(400)]

    assert results.count(Verdict.PASS) <= 400 * 0.025 + 3 * np.sqrt(400 * 0.025 * 0.975)


def test_a_better_version_passes_where_divergence_is_not_judged():
    """Higher similarities and fewer errors are no harm; another distribution is one unless its limit is taken away."""
    rng = np.random.default_rng(7)
    old, new = version(rng, errors=0.03), version(rng, drop=-0.1, errors=0.001)

    assert Verdict.PASS is compare_versions(old, new, limits=CanaryLimits(kl_nats=None)).result
    assert Verdict.FAIL is compare_versions(old, new).result


def test_nothing_known_is_inconclusive():
    """No traffic at all, with the reason; and nothing but a low drift score of some queries."""
    nothing = compare_versions(Version(), Version())

    assert Verdict.INCONCLUSIVE is nothing.result
    assert ("there is nothing to judge the candidate by",) == nothing.reasons
    assert all(each.result is None for each in nothing.checks)


@pytest.mark.parametrize("side", ["baseline", "candidate"])
@pytest.mark.parametrize("n", [0, 1, 40, 499])
def test_too_few_queries_are_inconclusive_however_good_or_bad(side, n):
    """On either side; the reason says how many there are and how many are wanted."""
    rng = np.random.default_rng(7)
    few = Version(queries=n, failed_queries=n, poor_matches=0)
    if n:
        few = replace(few, top1=Distribution.of(np.full(n, 0.1)))
    many = version(rng)
    pair = (few, many) if side == "baseline" else (many, few)

    comparison = compare_versions(*pair, drift_score=0.1)

    assert Verdict.INCONCLUSIVE is comparison.result
    assert f"{pair[0].queries} and {pair[1].queries} queries" in check(comparison, "error_ratio").reason
    assert "500 of each are wanted" in check(comparison, "error_ratio").reason


def test_labels_that_one_version_has_alone_are_too_little():
    """Recall was known and is not: that is no pass. Where neither has labels it is not asked for."""
    rng = np.random.default_rng(7)
    old, new = version(rng, 4000, labelled=1000), version(rng, 4000)

    assert Verdict.INCONCLUSIVE is compare_versions(old, new).result
    assert Verdict.INCONCLUSIVE is check(compare_versions(old, new), "recall").result
    assert Verdict.PASS is compare_versions(replace(old, labelled_queries=0, recall=0.0), new).result


@pytest.mark.parametrize(("score", "result"), [(0.7, Verdict.PASS), (1.2, Verdict.FAIL), (None, Verdict.PASS)])
def test_a_drift_score_within_one_space_is_judged_by_its_own_limit(score, result):
    """1 is the limit; between two spaces there is none, and nothing is missing."""
    rng = np.random.default_rng(7)

    assert result is compare_versions(version(rng, 4000), version(rng, 4000), drift_score=score).result


def test_a_number_without_a_limit_is_shown_and_not_judged():
    """Also where it is bad."""
    rng = np.random.default_rng(7)
    limits = CanaryLimits(error_increase=None)
    comparison = compare_versions(version(rng, 4000), version(rng, 4000, errors=0.5), limits=limits)

    errors = check(comparison, "error_ratio")
    assert (None, None) == (errors.result, errors.limit)
    assert errors.worse_by > 0.3
    assert "no limit" in errors.reason
    assert Verdict.PASS is comparison.result


def test_the_reply_is_fit_for_json_and_says_all_numbers():
    """What a roll-out's controller reads: the result, then each number with its interval and its limit."""
    rng = np.random.default_rng(7)
    told = msgspec.to_builtins(compare_versions(version(rng), version(rng, drop=0.2)))

    median = next(each for each in told["checks"] if each["name"] == "top1_similarity_median")
    assert "fail" == told["result"]
    assert 0.03 == median["limit"] == told["limits"]["median_drop"]
    assert median["limit"] < median["lower"] < median["worse_by"] < median["upper"]
    assert pytest.approx(median["worse_by"]) == median["baseline"] - median["candidate"]
    assert any(reason.startswith("top1_similarity_median: worse by 0.") for reason in told["reasons"])


@pytest.mark.parametrize("draw", [stats.norm(), stats.expon(), stats.t(2)], ids=["normal", "exponential", "t2"])
@pytest.mark.parametrize("n", [40, 500])
def test_the_interval_of_medians_holds_the_difference_as_often_as_it_says(draw, n):
    """95 of 100, whatever the distribution: 600 pairs, within three standard errors and some for few events."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(600):
        a, b = (Distribution.of(draw.rvs(size=size, random_state=rng)) for size in (n, 2 * n))
        found = median_difference(a, b)
        held += found.lower <= 0 <= found.upper

    assert 0.95 - 0.027 <= held / 600 <= 0.985


def test_the_interval_of_medians_holds_from_sketches_too():
    """100,000 events, where the sketch is off by more than chance is: 95 of 100 at least, as its error is added."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(60):
        sketches = QuantileSketch(), QuantileSketch()
        for sketch in sketches:
            sketch.update(rng.normal(size=100_000))
        a, b = sketches
        found = median_difference(a.distribution(), b.distribution(), rank_errors=(a.rank_error, b.rank_error))
        held += found.lower <= 0 <= found.upper

    assert held >= 57


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((48, 80), (56, 70), (0.0524, 0.3339)),
        ((3, 10), (9, 10), (0.1705, 0.8090)),
        ((2, 84), (6, 70), None),
        ((0, 20), (10, 10), None),
    ],
)
def test_the_interval_of_shares_is_newcombes(first, second, expected):
    """Against his table of 1998 where it has the case, and scipy's score intervals put together."""
    found = share_difference(first, second)
    p, q = second[0] / second[1], first[0] / first[1]
    low_p, high_p = stats.binomtest(*second).proportion_ci(method="wilson")
    low_q, high_q = stats.binomtest(*first).proportion_ci(method="wilson")

    assert pytest.approx(p - q) == found.estimate
    assert pytest.approx(p - q - np.hypot(p - low_p, high_q - q)) == found.lower
    assert pytest.approx(p - q + np.hypot(high_p - p, q - low_q)) == found.upper
    if expected:
        assert pytest.approx(expected, abs=5e-5) == (found.lower, found.upper)


def test_half_as_many_independent_queries_make_a_wider_interval():
    """As wide as that of half the queries."""
    assert share_difference((20, 400), (30, 600), 2.0) == pytest.approx(share_difference((10, 200), (15, 300)))
