"""Histograms over bins that the baseline alone decides, for the statistics that compare shares."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from app.distribution import Distribution
from app.model import Floats

BINS: Final = 20
"""Bins of a baseline without atoms, each with the same share of it. 20 keep ten events in each at n = 200."""

PRIOR_EVENTS: Final = 0.5
"""Added to each count of each side (Jeffreys' prior), so that an empty bin has a finite logarithm."""

_QUANTILES: Final = np.arange(1, BINS) / BINS


class Shares(NamedTuple):
    """The share of events in each bin, smoothed: (count + 0.5) / (n + 0.5 bins). Positive, each side sums to 1."""

    current: Floats
    baseline: Floats
    noise: float
    """(b - 1) / 2 x (1/n + 1/m) with b the bins that the baseline fills: what KL in nats reads with no drift."""


def edges(baseline: Distribution) -> Floats:
    """The upper ends of all bins but the last: bin i is (edges[i-1], edges[i]], the outer two are unbounded.

    They are the baseline's quantiles at 5 %, 10 % ... 95 %, so they depend on nothing else and are frozen with it.
    A value with more than one bin's share of the baseline (an atom: norms that are all 1.0, tied scores) gets a bin
    of its own, closed by the next smaller float below and by itself above, so that a shift to either side leaves it.

    >>> edges(Distribution.of(range(1, 101)))[:3].tolist()
    [5.0, 10.0, 15.0]
    >>> constant = edges(Distribution.of([1.0] * 100))
    >>> Distribution.of([0.9, 1.0, 1.0, 1.1]).cdf(constant).tolist()
    [0.25, 0.75]
    """
    mass = np.diff(baseline.cumulative, prepend=0.0)
    # A hair above the share, or the rounding of a cumulative sum makes atoms of 20 distinct events.
    atoms = baseline.values[mass > 1 / BINS + 1e-9]
    return np.unique(np.concatenate((baseline.quantile(_QUANTILES), atoms, np.nextafter(atoms, -np.inf))))


def shares(current: Distribution, baseline: Distribution) -> Shares:
    """Both distributions over the baseline's bins. Off by at most twice the rank error in each bin from sketches.

    >>> binned = shares(Distribution.of([0, 0, 0]), Distribution.of([0, 0, 0, 0]))
    >>> binned.baseline.tolist()
    [0.09090909090909091, 0.8181818181818182, 0.09090909090909091]
    >>> binned.noise
    0.0
    """
    at = edges(baseline)
    of_current = np.diff(current.cdf(at), prepend=0.0, append=1.0)
    of_baseline = np.diff(baseline.cdf(at), prepend=0.0, append=1.0)
    filled = int(np.count_nonzero(of_baseline > 1e-12))
    return Shares(
        _smoothed(of_current, current.n),
        _smoothed(of_baseline, baseline.n),
        (filled - 1) / 2 * (1 / current.n + 1 / baseline.n),
    )


def _smoothed(share: Floats, n: int) -> Floats:
    return (share * n + PRIOR_EVENTS) / (n + PRIOR_EVENTS * share.size)
