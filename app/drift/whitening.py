"""A whitened space: in it a shift counts by how rarely the baseline itself moves that way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.model import Floats

RANK: Final = 128
"""Directions that are whitened one by one; the rest share one scale, as the ridge would nearly have it anyway.

On MiniLM vectors the 128th eigenvalue is as small as the ridge, and no statistic saw more with all 384.
"""

WIDE_RANK: Final = 4 * RANK
"""Directions that the distances of rows left out are measured within."""

RIDGE: Final = 0.01
"""Share of the largest eigenvalue that is added to all: real models have dead dimensions, and without it storage in
float16 alone moves them by many standard deviations."""


class Covariance(NamedTuple):
    """Leading directions of a sample and how far it reaches along each."""

    axes: NDArray[np.float32]
    """Orthonormal rows, the longest direction first; shape (r, d)."""
    eigenvalues: Floats
    """Variance along each; shape (r,)."""
    total: float
    """Variance along all d directions together."""


def leading_directions(rows: NDArray[np.float32], rank: int) -> Covariance:
    """The `rank` leading eigenvectors of the covariance of centred rows, shape (n, d).

    Exact, from the smaller of the covariance and the Gram matrix: O(n d min(n, d) + min(n, d)^3).
    """
    n, d = rows.shape
    if n < d:
        values, left = np.linalg.eigh(rows @ rows.T)
        scale = np.sqrt(np.maximum(values[: -rank - 1 : -1], TINY))
        axes = (left[:, : -rank - 1 : -1] / scale).T @ rows
        # Directions of no variance come out of the Gram matrix as noise: made orthonormal all the same.
        axes = np.linalg.qr(axes.T)[0].T
    else:
        values, right = np.linalg.eigh(rows.T @ rows)
        axes = right[:, : -rank - 1 : -1].T
    eigenvalues = np.maximum(values[: -rank - 1 : -1], 0.0).astype(np.float64) / n
    total = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64)) / n
    return Covariance(np.ascontiguousarray(axes, np.float32), eigenvalues, max(total, float(eigenvalues.sum())))


class Dimensions(NamedTuple):
    """How many directions a mean of whitened rows effectively varies in: what a sum of squares has by chance."""

    in_sample: float
    """Trace of the whitened covariance over the very rows that P comes from; less than `effective`."""
    effective: float
    """The same over rows that had no part in P; > 0."""
    squared: float
    """Trace of the square of it, over rows that had no part in P; > 0."""
    length_variance: float
    """Variance of one row's squared length, over rows that had no part in P."""

    @classmethod
    def of(cls, in_sample: float, effective: float, squared_in_sample: float, length_variance: float) -> Dimensions:
        """From both traces in the sample, and what rows left out have."""
        inside = max(in_sample, 1e-9)
        return cls(
            inside, max(effective, 1e-9), max(squared_in_sample * (effective / inside) ** 2, 1e-18), length_variance
        )

    def times(self, factor: float) -> Dimensions:
        """As if each row's part had so many times its variance."""
        return Dimensions(
            self.in_sample * factor, self.effective * factor, self.squared * factor**2, self.length_variance * factor**2
        )

    @property
    def gamma_shape(self) -> float:
        """Of the gamma distribution with the mean and variance of a squared length (Satterthwaite)."""
        return max(self.effective**2 / (2 * self.squared), 0.05)

    def of_baseline(self, share: float) -> float:
        """The trace over a baseline's events, of which `share` made P."""
        inside = min(share, 1.0)
        return inside * self.in_sample + (1 - inside) * self.effective


TINY: Final = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """x -> P'(x - mean) with P P' = (C + ridge)^-1, C the baseline's covariance of low rank plus a scaled identity.

    A row costs O(d r), a vector in it keeps its d coordinates.
    """

    mean: Floats
    """Shape (d,)."""
    axes: NDArray[np.float32]
    """Shape (r, d)."""
    eigenvalues: Floats
    """Shape (r,)."""
    tail: float
    """Mean eigenvalue of the d - r other directions."""
    ridge: float
    """> 0."""
    rows: int
    """Rows that the directions come from."""
    effective_dimension: float
    """Mean of |P'(x - mean)|^2 over rows that had no part in P: trace of (C + ridge)^-1 C."""
    distance_variance: float
    """Variance of |P'(x - mean)|^2 over rows that had no part in P."""
    length_variance: float
    """Variance of |x - mean|^2 over the rows, in units of its squared mean."""

    @classmethod
    def fit(cls, rows: NDArray[np.float32], folds: Sequence[NDArray[np.intp]], mean: Floats | None = None) -> Fitted:
        """The whitening of rows, shape (n, d), and each row's squared distance where its fold had no part in it.

        `folds` are positions that make up the rows, two or more; `mean` stands in for that of the rows where a better
        one is known. O(n d min(n, d)) and, for the distances left out, O(folds r^3 + n r^2).
        """
        n, d = rows.shape
        own_mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows - own_mean.astype(np.float32)
        rank = max(1, min(RANK, d, n // 8))
        wide, spectrum, total = leading_directions(centred, max(rank, min(WIDE_RANK, d, n // 2)))
        # A copy: a view would keep all the wide directions.
        axes, eigenvalues = wide[:rank].copy(), spectrum[:rank]
        rest = max(total - float(eigenvalues.sum()), 0.0)
        tail = rest / (d - rank) if d > rank else 0.0
        mean_square = float(own_mean @ own_mean) / d
        ridge = _ridge(float(eigenvalues[0]), mean_square)
        distances = _distances_left_out(centred, wide, rank, mean_square, folds)
        # A fold's P comes from fewer rows than the frame's: its excess is that much too large.
        inside = float(eigenvalues @ (1 / (eigenvalues + ridge))) + tail * (d - rank) / (tail + ridge)
        left_out = float(distances.mean())
        if left_out > inside:
            distances *= 1 - (left_out - inside) / left_out / len(folds)
        lengths = np.einsum("ij,ij->i", centred, centred)
        whitening = cls(
            mean=own_mean if mean is None else mean,
            axes=axes,
            eigenvalues=eigenvalues,
            tail=tail,
            ridge=ridge,
            rows=n,
            effective_dimension=max(float(distances.mean()), 1e-9),
            distance_variance=float(distances.var()),
            length_variance=float(lengths.var()) / max(float(lengths.mean()) ** 2, TINY),
        )
        return Fitted(whitening, distances)

    @property
    def dimensions(self) -> Dimensions:
        """Those of one row."""
        beyond = self.mean.size - self.eigenvalues.size
        shares = self.eigenvalues / (self.eigenvalues + self.ridge)
        share = self.tail / (self.tail + self.ridge)
        inside = max(float(shares.sum()) + share * beyond, 1e-9)
        squares = float((shares**2).sum()) + share**2 * beyond
        return Dimensions.of(inside, self.effective_dimension, squares, self.distance_variance)

    def distances(self, rows: NDArray[np.float32]) -> Floats:
        """|P'(x - mean)|^2 of each row, shape (n,)."""
        return self.distances_from(*self.coordinates(rows))

    def coordinates(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Along the axes, from the mean, of each row, shape (n, r); and its squared distance from the mean, (n,)."""
        centred = rows - self.mean.astype(np.float32)
        return centred @ self.axes.T, np.vecdot(centred, centred)

    def distances_from(self, coordinates: NDArray[np.float32], lengths: NDArray[np.float32]) -> Floats:
        """What `distances` says, of rows with these `coordinates`."""
        outer = 1 / (self.tail + self.ridge)
        inner = (1 / (self.eigenvalues + self.ridge) - outer).astype(np.float32)
        return np.maximum(np.asarray(coordinates**2 @ inner + outer * lengths, np.float64), 0.0)

    def whiten(self, differences: Floats) -> Floats:
        """P'v of differences of means, shape (k, d) -> (k, d)."""
        outer = 1 / np.sqrt(self.tail + self.ridge)
        inner = (1 / np.sqrt(self.eigenvalues + self.ridge) - outer).astype(np.float32)
        # The axes are float32: in float64 they would be copied at every call.
        along = (differences.astype(np.float32) @ self.axes.T) * inner
        return np.asarray(differences * outer + along @ self.axes, np.float64)

    def reach(self, directions: Floats) -> Floats:
        """Variance of a row along whitened unit directions, u' E u with E = C (C + ridge)^-1; shape (k, d) -> (k,)."""
        outer = self.tail / (self.tail + self.ridge)
        inner = self.eigenvalues / (self.eigenvalues + self.ridge) - outer
        lengths = np.einsum("ij,ij->i", directions, directions)
        return np.asarray((directions @ self.axes.T) ** 2 @ inner + outer * lengths, np.float64)


class Fitted(NamedTuple):
    """A whitening, and the squared distance of each of its rows measured without the row's own fold."""

    whitening: Whitening
    distances: Floats


def _distances_left_out(
    centred: NDArray[np.float32],
    wide: NDArray[np.float32],
    rank: int,
    mean_square: float,
    folds: Sequence[NDArray[np.intp]],
) -> Floats:
    """|P'(x - mean)|^2 with mean and P of all other folds.

    Each P is fitted anew within the `wide` leading directions, so many that no fold had much to do with choosing them.
    """
    n, d = centred.shape
    coordinates = np.asarray(centred @ wide.T, np.float64)
    outside = np.maximum(np.einsum("ij,ij->i", centred, centred) - (coordinates**2).sum(axis=1), 0.0)
    scatter = coordinates.T @ coordinates
    result = np.empty(n)
    for fold in folds:
        others = n - fold.size
        inside = coordinates[fold]
        values, axes = np.linalg.eigh((scatter - inside.T @ inside) / others)
        kept, leading = np.maximum(values[::-1][:rank], 0.0), axes[:, ::-1][:, :rank]
        rest = float(values.sum() - kept.sum()) + float(outside.sum() - outside[fold].sum()) / others
        tail = max(rest, 0.0) / (d - rank) if d > rank else 0.0
        ridge = _ridge(float(kept[0]), mean_square)
        shifted = inside + inside.sum(axis=0) / others
        projected = shifted @ leading
        beyond = (shifted**2).sum(axis=1) - (projected**2).sum(axis=1) + outside[fold]
        result[fold] = projected**2 @ (1 / (kept + ridge)) + beyond / (tail + ridge)
    return result


def _ridge(largest: float, mean_square: float) -> float:
    # A baseline that is one point has no scale: its own length stands in, at what float16 resolves.
    return max(RIDGE * largest, 2.0**-22 * (mean_square + 2.0**-40))
