"""How much two versions differ in a median or a share, with what chance alone would do."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final, NamedTuple

import scipy

from app.distribution import Distribution

CONFIDENCE: Final = 0.95
"""Of each interval, two-sided: a side is crossed by chance with 2.5 %."""

_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


class Interval(NamedTuple):
    """An estimate, and between what it lies with 95 % confidence."""

    estimate: float
    lower: float
    upper: float


def median_difference(
    baseline: Distribution,
    candidate: Distribution,
    design_effect: float = 1.0,
    rank_errors: tuple[float, float] = (0.0, 0.0),
) -> Interval:
    """The candidate's median less the baseline's, with its 95 % interval.

    The standard error of each median is taken from two order statistics around it, whatever the distribution (Price and
    Bonett 2002, Distribution-free confidence intervals for difference and ratio of medians, doi
    10.1080/00949650212140). `design_effect` divides the number of events, `rank_errors` (of the sketches) are added to
    the interval in full, since more events do not make them less.

    >>> found = median_difference(Distribution.of(range(1000)), Distribution.of(range(50, 1050)))
    >>> found.estimate, round(found.lower), round(found.upper)
    (50.0, 6, 94)
    """
    sides = [
        _median_error(side, design_effect, rank_error)
        for side, rank_error in zip((baseline, candidate), rank_errors, strict=True)
    ]
    estimate = float(candidate.quantile(0.5) - baseline.quantile(0.5))
    width = _Z * math.hypot(*(standard for standard, _ in sides)) + sum(error for _, error in sides)
    return Interval(estimate, estimate - width, estimate + width)


def _median_error(distribution: Distribution, design_effect: float, rank_error: float) -> tuple[float, float]:
    """The standard error of the median, and by how much the sketch may be off."""
    n = max(round(distribution.n / design_effect), 2)
    c = max(round((n + 1) / 2 - math.sqrt(n)), 1)
    # How many standard errors the two are apart is known exactly: ranks of the median are binomial.
    apart = -2 * float(scipy.special.ndtri(scipy.special.bdtr(c - 1, n, 0.5)))
    low, high = distribution.quantile([c / n, 1 - (c - 1) / n])
    below, above = distribution.quantile([max(0.5 - rank_error, 0.0), min(0.5 + rank_error, 1.0)])
    return float(high - low) / apart, float(above - below) / 2


def share_difference(
    baseline: tuple[float, float], candidate: tuple[float, float], design_effect: float = 1.0
) -> Interval:
    """The candidate's share less the baseline's, with its 95 % interval; each side is (how many, of how many).

    Newcombe's hybrid of two score intervals (1998, Interval estimation for the difference between independent
    proportions, method 10, doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I). For sums of numbers
    from 0 to 1 in place of counts it is wider than need be, as none of them vary more than zeros and ones do.

    >>> [round(bound, 4) for bound in share_difference((48, 80), (56, 70))]
    [0.2, 0.0524, 0.3339]
    """
    p, low_p, high_p = _score(*candidate, design_effect)
    q, low_q, high_q = _score(*baseline, design_effect)
    estimate = p - q
    return Interval(
        estimate, estimate - math.hypot(p - low_p, high_q - q), estimate + math.hypot(high_p - p, q - low_q)
    )


def _score(count: float, of: float, design_effect: float) -> Interval:
    """Wilson's interval of a share."""
    p, n = count / of, of / design_effect
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    width = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return Interval(p, centre - width, centre + width)
