"""Simple detectors to compare with: what is in the textbooks and in other tools.

Each takes the reference once and gives one number a window, larger for more drift. Their thresholds are tuned on the
same healthy windows for all, so only the order of the numbers counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from bench.detection.data import Vectors
from bench.detection.sample import Sample, Verdict

Statistic = Callable[[Vectors], float]


def centroid_distance(reference: Vectors) -> Statistic:
    """Cosine distance of the centroids, 0 to 2: what most dashboards show."""
    mean = reference.mean(axis=0)

    def statistic(window: Vectors) -> float:
        centre = window.mean(axis=0)
        lengths = float(np.linalg.norm(mean) * np.linalg.norm(centre))
        return 1.0 - float(mean @ centre) / max(lengths, 1e-12)

    return statistic


def mmd(reference: Vectors, *, permutations: int = 100) -> Statistic:
    """Squared maximum mean discrepancy in standard deviations of its permutation law.

    Gaussian kernel on all dimensions and all rows, bandwidth the reference's median distance (Gretton et al. 2012).
    O((n + m)^2 (d + permutations)).
    """
    m = len(reference)
    squares = _squared_distances(reference, reference)
    scale = np.float32(-0.5 / max(float(np.median(squares[:200])), 1e-12))
    within = np.exp(squares * scale)

    def statistic(window: Vectors) -> float:
        n = len(window)
        kernel = np.empty((m + n, m + n), np.float32)
        kernel[:m, :m] = within
        kernel[m:, m:] = np.exp(_squared_distances(window, window) * scale)
        kernel[m:, :m] = np.exp(_squared_distances(window, reference) * scale)
        kernel[:m, m:] = kernel[m:, :m].T
        sides = np.concatenate([np.full(m, 1 / m), np.full(n, -1 / n)]).astype(np.float32)
        rng = np.random.default_rng(n)
        labels = np.stack([sides, *(rng.permutation(sides) for _ in range(permutations))], axis=1)
        values = np.asarray((labels * (kernel @ labels)).sum(axis=0, dtype=np.float64))
        permuted = values[1:]
        return float((values[0] - permuted.mean()) / permuted.std())

    return statistic


def ks_bonferroni(reference: Vectors) -> Statistic:
    """The largest Kolmogorov-Smirnov distance of any dimension, 0 to 1.

    With n and m fixed its order is that of the smallest p value, so a tuned threshold stands for any Bonferroni level.
    """
    m, dimensions = reference.shape
    ordered = np.sort(reference.T, axis=1)

    def statistic(window: Vectors) -> float:
        n = len(window)
        rank = np.arange(1, n + 1)
        largest = 0.0
        points = np.sort(window.T, axis=1)
        for dimension in range(dimensions):
            at, own = points[dimension], ordered[dimension]
            last = np.append(at[1:] != at[:-1], True)
            first = np.append(True, last[:-1])
            above = rank[last] / n - np.searchsorted(own, at[last], side="right") / m
            below = np.searchsorted(own, at[first], side="left") / m - (rank[first] - 1) / n
            largest = max(largest, float(above.max()), float(below.max()))
        return largest

    return statistic


def sliced_wasserstein(reference: Vectors, *, projections: int = 128) -> Statistic:
    """Mean Wasserstein-1 distance over random directions, in the vectors' unit (Rabin et al. 2011)."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((reference.shape[1], projections)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    expected = np.sort(reference @ directions, axis=0)[_middles(len(reference))]

    def statistic(window: Vectors) -> float:
        return float(np.abs(np.sort(window @ directions, axis=0)[_middles(len(window))] - expected).mean())

    return statistic


def classifier(reference: Vectors, *, components: int = 64, folds: int = 5) -> Statistic:
    """Cross-fitted area under the ROC curve of a linear discriminant that tells window from reference, 0 to 1.

    In the reference's first principal components, with a ridge of 1 % of the mean variance (Lopez-Paz & Oquab 2017).
    """
    mean = reference.mean(axis=0)
    _, _, axes = np.linalg.svd(reference - mean, full_matrices=False)
    frame = axes[:components].T
    projected = ((reference - mean) @ frame).astype(np.float64)
    scale = projected.std(axis=0) + 1e-12
    ours = projected / scale

    def statistic(window: Vectors) -> float:
        theirs = ((window - mean) @ frame).astype(np.float64) / scale
        areas = []
        for fold in range(folds):
            a, b = np.arange(len(ours)) % folds == fold, np.arange(len(theirs)) % folds == fold
            learned, other = ours[~a], theirs[~b]
            gap = other.mean(axis=0) - learned.mean(axis=0)
            pooled = (np.cov(learned.T) * len(learned) + np.cov(other.T) * len(other)) / (len(learned) + len(other))
            ridge = 0.01 * np.trace(pooled) / len(pooled)
            weights = np.linalg.solve(pooled + ridge * np.eye(len(pooled)), gap)
            areas.append(_area(theirs[b] @ weights, ours[a] @ weights))
        return float(np.mean(areas))

    return statistic


PEERS: Mapping[str, Callable[[Vectors], Statistic]] = {
    "centroid": centroid_distance,
    "mmd": mmd,
    "ks": ks_bonferroni,
    "sliced_wasserstein": sliced_wasserstein,
    "classifier": classifier,
}


def fit(reference: Sample) -> Callable[[Sample], Verdict]:
    """Every peer at once, as a detector."""
    statistics = {name: peer(reference.vectors) for name, peer in PEERS.items()}
    return lambda window: Verdict({name: statistic(window.vectors) for name, statistic in statistics.items()})


def _middles(n: int, shares: int = 256) -> NDArray[np.intp]:
    """Positions among n sorted values of the middles of equal shares."""
    return ((np.arange(shares) + 0.5) / shares * n).astype(np.intp)


def _squared_distances(a: Vectors, b: Vectors) -> Vectors:
    squares = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None, :] - 2 * (a @ b.T)
    return np.asarray(np.maximum(squares, 0), np.float32)


def _area(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """P(positive > negative), ties counted half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left") + np.searchsorted(ordered, positive, side="right")
    return float(below.mean() / (2 * len(negative)))
