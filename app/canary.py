"""Whether a new version may take over: its numbers against the old one's, with what chance alone would do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Final

from app.distribution import Distribution
from app.drift import kl
from app.drift.bins import shares
from app.drift.differences import CONFIDENCE, Interval, median_difference, share_difference


class Verdict(StrEnum):
    """The answer to a roll-out."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """What one version did in the time that is compared."""

    queries: int = 0
    """All that tell of a retrieval, failed ones too."""
    failed_queries: int = 0
    poor_matches: int | None = None
    """Queries that did not fail and matched poorly or found nothing; None where no limit says what is poor.

    Both versions are judged by one limit, the baseline version's."""
    poor_match_error: float = 0.0
    """By how much their share may be off, with 99 % confidence: a sketch's rank error; 0 where they were counted."""
    top1: Distribution | None = None
    """Similarities of the best results; None where none were sent."""
    rank_error: float = 0.0
    """By how much a rank in `top1` may be off, as a share: the sketch's, 0 for exact data."""
    labelled_queries: int = 0
    recall: float = 0.0
    """Sum over the labelled queries of their recall at 10."""


@dataclass(frozen=True, slots=True)
class CanaryLimits:
    """How much worse the candidate may be, and how much must be known; None where a number is shown but not judged."""

    min_queries: int = 500
    """Of each version, of the kind that a check counts: fewer and the check is inconclusive."""
    min_labelled_queries: int = 100
    median_drop: float | None = 0.03
    """Of the median top-1 similarity."""
    poor_match_increase: float | None = 0.05
    """Of the share of queries that did not fail, as a difference."""
    error_increase: float | None = 0.02
    """Of the share of all queries, as a difference."""
    recall_drop: float | None = 0.05
    """Of the mean recall at 10."""
    kl_nats: float | None = 0.05
    """Divergence of the distribution of top-1 similarities, upwards or downwards."""
    drift_score: float | None = 1.0
    """The largest of the candidate against the baseline, each statistic over its own limit."""
    design_effect: float = 2.5
    """How many queries say as much as one independent one: sessions and repeats measured 2.5; 1 for a shuffled set."""


_Z_OF_ERROR: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) / NormalDist().inv_cdf(0.995)
"""From an error with 99 % confidence to one with that of the intervals."""

DEFAULT_LIMITS: Final = CanaryLimits()


@dataclass(frozen=True, slots=True)
class Check:
    """One number of the comparison. All but `name` and `result` are None where they are not known."""

    name: str
    result: Verdict | None
    """None where nothing was to be judged: neither version has such numbers, or there is no limit."""
    reason: str
    """The result in words."""
    baseline: float | None = None
    candidate: float | None = None
    worse_by: float | None = None
    """How much worse the candidate is; below 0 where it is better."""
    lower: float | None = None
    upper: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer and all that it rests on."""

    result: Verdict
    reasons: tuple[str, ...]
    """The reasons of the checks that made the result."""
    checks: tuple[Check, ...]
    limits: CanaryLimits


def compare_versions(
    baseline: Version, candidate: Version, drift_score: float | None = None, limits: CanaryLimits = DEFAULT_LIMITS
) -> Comparison:
    """Whether the candidate is no worse than the baseline by more than the limits.

    Each check looks at the 95 % interval of how much worse the candidate is. It fails if the whole interval is above
    the limit, passes if the whole of it is below, and is inconclusive otherwise, and where either version has too few
    queries of its kind. The comparison fails if any check fails, and passes only if one passes and none is
    inconclusive: nothing known never passes. `drift_score` is the largest of the candidate's drift scores against the
    baseline, within one vector space; None where they cannot be compared.

    Two versions that are alike fail a check with 2.5 % where its limit is 0, and hardly ever at the limits given here:
    none of 2,000 simulated pairs with sessions. Of those with 1,000 queries each 56 % pass, with 2,000 98 %; the rest
    are told to wait.

    >>> old = Version(queries=2000, failed_queries=4, poor_matches=100)
    >>> compare_versions(old, Version(queries=1900, failed_queries=6, poor_matches=97)).result.value
    'pass'
    >>> compare_versions(old, Version(queries=1900, failed_queries=6, poor_matches=400)).reasons
    ('poor_match_ratio: worse by 0.161 (0.128 to 0.194), more than 0.05',)
    >>> compare_versions(old, Version(queries=190, failed_queries=0, poor_matches=9)).result.value
    'inconclusive'
    """
    checks = (
        _median(baseline, candidate, limits),
        _poor_matches(baseline, candidate, limits),
        _errors(baseline, candidate, limits),
        _recall(baseline, candidate, limits),
        _divergence(baseline, candidate, limits),
        _drift(drift_score, limits),
    )
    results = [check.result for check in checks]
    if Verdict.FAIL in results:
        result = Verdict.FAIL
    elif Verdict.INCONCLUSIVE in results or Verdict.PASS not in results:
        result = Verdict.INCONCLUSIVE
    else:
        result = Verdict.PASS
    reasons = tuple(f"{check.name}: {check.reason}" for check in checks if check.result is result)
    return Comparison(result, reasons or ("there is nothing to judge the candidate by",), checks, limits)


def _median(baseline: Version, candidate: Version, limits: CanaryLimits) -> Check:
    name, old, new = "top1_similarity_median", baseline.top1, candidate.top1
    short = _short(name, (old.n if old else 0, new.n if new else 0), limits.min_queries, "queries with scores")
    if short or old is None or new is None:
        return short or _absent(name)
    risen = median_difference(old, new, limits.design_effect, (baseline.rank_error, candidate.rank_error))
    medians = (float(old.quantile(0.5)), float(new.quantile(0.5)))
    return _judged(name, *medians, _fall(risen), limits.median_drop)


def _poor_matches(baseline: Version, candidate: Version, limits: CanaryLimits) -> Check:
    name = "poor_match_ratio"
    if baseline.poor_matches is None or candidate.poor_matches is None:
        return _absent(name)
    old = (baseline.poor_matches, baseline.queries - baseline.failed_queries)
    new = (candidate.poor_matches, candidate.queries - candidate.failed_queries)
    # What the two sketches keep is drawn by coins of their own: errors of mean 0, that add up as chance does.
    error = _Z_OF_ERROR * math.hypot(baseline.poor_match_error, candidate.poor_match_error)
    return _ratio(name, old, new, limits.poor_match_increase, limits, counted="queries that did not fail", error=error)


def _errors(baseline: Version, candidate: Version, limits: CanaryLimits) -> Check:
    old, new = (baseline.failed_queries, baseline.queries), (candidate.failed_queries, candidate.queries)
    return _ratio("error_ratio", old, new, limits.error_increase, limits, counted="queries")


def _recall(baseline: Version, candidate: Version, limits: CanaryLimits) -> Check:
    name, minimum = "recall", limits.min_labelled_queries
    labelled = baseline.labelled_queries, candidate.labelled_queries
    if (short := _short(name, labelled, minimum, "labelled queries")) is not None:
        return short
    found = baseline.recall, candidate.recall
    risen = share_difference((found[0], labelled[0]), (found[1], labelled[1]), limits.design_effect)
    return _judged(name, found[0] / labelled[0], found[1] / labelled[1], _fall(risen), limits.recall_drop)


def _ratio(
    name: str,
    baseline: tuple[int, int],
    candidate: tuple[int, int],
    limit: float | None,
    limits: CanaryLimits,
    *,
    counted: str,
    error: float = 0.0,
) -> Check:
    """Of a share that is worse where it is more; `error` is that of the counts, with the interval's confidence."""
    if (short := _short(name, (baseline[1], candidate[1]), limits.min_queries, counted)) is not None:
        return short
    value, lower, upper = share_difference(baseline, candidate, limits.design_effect)
    worse = Interval(value, value - math.hypot(value - lower, error), value + math.hypot(upper - value, error))
    return _judged(name, baseline[0] / baseline[1], candidate[0] / candidate[1], worse, limit)


def _divergence(baseline: Version, candidate: Version, limits: CanaryLimits) -> Check:
    name, old, new = "similarity_kl_nats", baseline.top1, candidate.top1
    short = _short(name, (old.n if old else 0, new.n if new else 0), limits.min_queries, "queries with scores")
    if short or old is None or new is None:
        return short or _absent(name)
    assert kl.STATISTIC.noise_quantile is not None
    # What two versions that are alike read by chance is that of fewer independent queries: of its mean, kl has removed
    # what as many independent ones would read, and nothing of its spread.
    value = max(kl.kl(new, old) - (limits.design_effect - 1) * shares(new, old).noise, 0.0)
    noise = kl.STATISTIC.noise_quantile((1 - CONFIDENCE) / 2) * limits.design_effect * (1 / old.n + 1 / new.n)
    return _judged(name, None, None, Interval(value, max(value - noise, 0.0), value + noise), limits.kl_nats)


def _drift(score: float | None, limits: CanaryLimits) -> Check:
    name, limit = "drift_score", limits.drift_score
    if score is None:
        return _absent(name)
    # Its limit knows the number of events already.
    return _judged(name, None, score, Interval(score, score, score), limit)


def _fall(risen: Interval) -> Interval:
    return Interval(-risen.estimate, -risen.upper, -risen.lower)


def _short(name: str, counts: tuple[int, int], minimum: int, counted: str) -> Check | None:
    """The check that cannot be made, of nothing on both sides or too little on either; None where it can be."""
    if not any(counts):
        return _absent(name)
    if min(counts) >= max(minimum, 1):
        return None
    reason = f"{counts[0]} and {counts[1]} {counted} (baseline, candidate), {minimum} of each are wanted"
    return Check(name, Verdict.INCONCLUSIVE, reason)


def _absent(name: str) -> Check:
    return Check(name, None, "not known of both versions")


def _judged(name: str, baseline: float | None, candidate: float | None, worse: Interval, limit: float | None) -> Check:
    numbers = (baseline, candidate, *worse, limit)
    said = f"worse by {worse.estimate:.3g} ({worse.lower:.3g} to {worse.upper:.3g})"
    if limit is None:
        return Check(name, None, f"{said}; no limit", *numbers)
    if worse.lower > limit:
        return Check(name, Verdict.FAIL, f"{said}, more than {limit:g}", *numbers)
    if worse.upper < limit:
        return Check(name, Verdict.PASS, f"{said}, less than {limit:g}", *numbers)
    return Check(name, Verdict.INCONCLUSIVE, f"{said}, around {limit:g}: more queries are wanted", *numbers)
