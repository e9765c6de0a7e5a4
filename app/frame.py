"""The fixed measuring frame of a vector space: mean, whitening, leading components, anchors, random features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.drift.sums import NOVELTY_LEVELS, FrameSums
from app.drift.whitening import Dimensions, Whitening
from app.halves import widened
from app.model import Floats
from app.projection import projected as projection_of

ANCHORS: Final = 1024
COMPONENTS: Final = 32
FEATURES: Final = 256
FOLDS: Final = 8
MINIMUM_ROWS: Final = 200
DEPTH_LEVEL: Final = NOVELTY_LEVELS.index(0.2)
NOVEL_LEVEL: Final = NOVELTY_LEVELS.index(0.5)
"""Rows below this quantile have a part in the mean of the novel ones."""
LARGEST_WEIGHT: Final = 1.5
KNOWN_COSINE: Final = 0.999
"""A row this near to an anchor is no news, as near as others may be: where inputs come again a quantile would be 1, and
rounding would say who is below it."""

_CHUNK_ROWS: Final = 512


class Measured(NamedTuple):
    """Rows measured in a frame."""

    novelty: Floats
    """Cosine to the nearest anchor, -1 to 1: the lower, the newer; shape (n,)."""
    distance: Floats
    """Squared whitened distance from the baseline's mean; shape (n,)."""
    components: NDArray[np.float32]
    """Coordinates along the leading components, from the baseline's mean; shape (n, 32 or less)."""

    def take(self, rows: NDArray[np.intp] | slice) -> Measured:
        """The rows at these positions."""
        return Measured(self.novelty[rows], self.distance[rows], self.components[rows])


class FrameFit(NamedTuple):
    """A new frame, and what its own rows measure in it when their fold had no part in it."""

    frame: Frame
    held_out: Measured


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Fitted once from a baseline's vectors and never changed: what is measured in it can be added up for ever."""

    whitening: Whitening
    anchors: NDArray[np.float16]
    """Unit vectors, drawn from the baseline evenly over time; shape (a, d), or (a, p) where they are projections."""
    novelty_quantiles: Floats
    """The baseline's own quantiles of novelty at NOVELTY_LEVELS, each row without its fold's anchors, at most
    KNOWN_COSINE; shape (7,)."""
    novel_dimensions: Dimensions
    """Of the part that one row has in the mean of the novel ones, see `drift.joint`."""
    frequencies: NDArray[np.float32]
    """Of the random Fourier features, in the leading components; shape (components, f)."""
    phases: NDArray[np.float32]
    """Shape (f,)."""

    @classmethod
    def fit(
        cls,
        rows: NDArray[np.float32],
        mean: Floats | None = None,
        most_anchors: int = ANCHORS,
        *,
        projected: bool = False,
    ) -> FrameFit:
        """The frame of valid vectors in the order of time, shape (n, d), n >= 200.

        `mean` is that of all the baseline's events where the rows are a sample of them. With `projected` novelty is
        measured between fixed random projections, and no anchor is kept whole. The same rows give the same frame on
        every machine that rounds alike. Raises ValueError where there are too few rows.
        O(n d (min(n, d) + anchors)): 0.4 s for 2,000 x 768.
        """
        if rows.ndim != 2 or rows.shape[0] < MINIMUM_ROWS:
            raise ValueError(f"a frame needs at least {MINIMUM_ROWS} vectors, got {rows.shape[0]}")
        folds = np.array_split(np.arange(rows.shape[0]), FOLDS)
        whitening, distance = Whitening.fit(rows, folds, mean)
        generator = np.random.default_rng(int.from_bytes(_digest(rows[:: max(1, rows.shape[0] // 64)]), "big"))
        unit = projection_of(rows) if projected else _unit(rows)
        chosen, spare = _anchors(rows.shape[0], most_anchors, generator)
        novelty = _novelty_left_out(unit, chosen, spare, folds)
        quantiles = np.minimum(np.quantile(novelty, NOVELTY_LEVELS), KNOWN_COSINE)
        components = _components(rows, whitening)
        frequencies = generator.normal(size=(components.shape[1], FEATURES)) / _bandwidth(
            components, float(np.linalg.norm(rows[0]))
        )
        frame = cls(
            whitening,
            unit[chosen].astype(np.float16),
            quantiles,
            _novel_dimensions(rows, _novel_weights(novelty, quantiles), whitening, distance),
            frequencies.astype(np.float32),
            generator.uniform(0, 2 * np.pi, FEATURES).astype(np.float32),
        )
        return FrameFit(frame, Measured(novelty, distance, components))

    @property
    def id(self) -> str:
        """A name of the content: equal for equal frames, on every replica."""
        return _digest(*self.to_arrays().values()).hex()

    @property
    def dimension(self) -> int:
        """Length of the vectors that it measures."""
        return self.whitening.mean.size

    @property
    def projected(self) -> bool:
        """Whether its anchors are projections of vectors."""
        return bool(self.anchors.shape[1] != self.dimension)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return sum(array.nbytes for array in self.to_arrays().values())

    def measure(self, rows: NDArray[np.float32]) -> Measured:
        """Valid vectors, shape (n, d), measured one by one. O(n d (anchors + rank))."""
        anchors = widened(self.anchors).T
        novelty = np.empty(rows.shape[0])
        for start in range(0, rows.shape[0], _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            unit = projection_of(rows[chunk]) if self.projected else _unit(rows[chunk])
            novelty[chunk] = (unit @ anchors).max(axis=1)
        coordinates, lengths = self.whitening.coordinates(rows)
        return Measured(novelty, self.whitening.distances_from(coordinates, lengths), coordinates[:, :COMPONENTS])

    def components(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Coordinates of vectors, shape (n, d), along the leading components; shape (n, 32 or less)."""
        return _components(rows, self.whitening)

    def sums(self, rows: NDArray[np.float32], measured: Measured) -> FrameSums:
        """The sums of rows, shape (n, d), and of what they measure in this frame."""
        depth = np.maximum(self.novelty_quantiles[DEPTH_LEVEL] - measured.novelty, 0.0)
        return FrameSums(
            n=measured.novelty.size,
            depth=float(depth.sum()),
            depth_squares=float(depth @ depth),
            distance=float(measured.distance.sum()),
            distance_squares=float(measured.distance @ measured.distance),
            below=(measured.novelty[:, None] < self.novelty_quantiles).sum(axis=0, dtype=np.int64),
            novel=_novel_total(rows, _novel_weights(measured.novelty, self.novelty_quantiles), self.whitening.mean),
            features=self.features(measured.components).sum(axis=0, dtype=np.float64),
        )

    def features(self, components: NDArray[np.float32]) -> NDArray[np.float32]:
        """Random Fourier features of a Gaussian kernel on the leading components; shape (n, f)."""
        turned = components @ self.frequencies + self.phases
        return np.asarray(np.sqrt(2 / FEATURES) * np.cos(turned), np.float32)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """All of the frame as plain arrays, for a file."""
        space = self.whitening
        return {
            "mean": space.mean,
            "axes": space.axes,
            "eigenvalues": space.eigenvalues,
            "scalars": np.array(
                [
                    space.tail,
                    space.ridge,
                    space.rows,
                    space.effective_dimension,
                    space.distance_variance,
                    space.length_variance,
                ]
            ),
            "anchors": self.anchors,
            "novelty_quantiles": self.novelty_quantiles,
            "novel_dimensions": np.array(self.novel_dimensions),
            "frequencies": self.frequencies,
            "phases": self.phases,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The frame that `to_arrays` was asked of. Raises KeyError where an array is missing."""
        tail, ridge, rows, dimension, distances, lengths = np.asarray(arrays["scalars"], np.float64).tolist()
        whitening = Whitening(
            np.asarray(arrays["mean"], np.float64),
            np.asarray(arrays["axes"], np.float32),
            np.asarray(arrays["eigenvalues"], np.float64),
            tail,
            ridge,
            int(rows),
            dimension,
            distances,
            lengths,
        )
        return cls(
            whitening,
            np.asarray(arrays["anchors"], np.float16),
            np.asarray(arrays["novelty_quantiles"], np.float64),
            Dimensions(*np.asarray(arrays["novel_dimensions"], np.float64).tolist()),
            np.asarray(arrays["frequencies"], np.float32),
            np.asarray(arrays["phases"], np.float32),
        )


def _novel_weights(novelty: Floats, quantiles: Floats) -> Floats:
    """The root of how far a row is below the median novelty, 1 at the 20 % quantile and at most 1.5; shape (n,).

    The depth itself would listen to the few outliers that every sample has; whether a row is below, to no degree of it.
    """
    top, unit = quantiles[NOVEL_LEVEL], quantiles[NOVEL_LEVEL] - quantiles[DEPTH_LEVEL]
    roots = np.sqrt(np.maximum(top - novelty, 0.0) / max(unit, 1 - KNOWN_COSINE))
    return np.asarray(np.minimum(roots, LARGEST_WEIGHT), np.float64)


def _novel_total(rows: NDArray[np.float32], weights: Floats, mean: Floats) -> Floats:
    return np.asarray(weights @ rows - weights.sum() * mean, np.float64)


def _novel_dimensions(rows: NDArray[np.float32], weights: Floats, whitening: Whitening, left_out: Floats) -> Dimensions:
    """Traces of the covariance of y = P'(x - mean), each row times its weight."""
    n = rows.shape[0]
    novel = weights > 0
    whitened = whitening.whiten(rows[novel] - whitening.mean) * weights[novel, None]
    mean = whitened.sum(axis=0) / n
    products = whitened @ whitened.T
    lengths = np.diagonal(products)
    # Over pairs of different rows, or each row's own length would count as covariance.
    squares = (float((products**2).sum()) - float(lengths @ lengths)) / (n * (n - 1))
    centre = float(mean @ mean)
    squares -= 2 * float(((whitened @ mean) ** 2).sum()) / n - centre**2
    effective = float(weights**2 @ left_out) / n
    variance = float(weights**4 @ left_out**2) / n - effective**2
    return Dimensions.of(float(lengths.sum()) / n - centre, effective - centre, squares, variance)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _components(rows: NDArray[np.float32], whitening: Whitening) -> NDArray[np.float32]:
    return (rows - whitening.mean.astype(np.float32)) @ whitening.axes[:COMPONENTS].T


def _anchors(n: int, most: int, generator: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the anchors, and of the spares that stand in for those of a fold that is left out.

    One at random from each of as many equal spans of time, so that no hour speaks for the rest.
    """
    # With a fold's anchors gone the spares of the other folds make the number up again.
    anchors = min(most, n * (FOLDS - 1) // FOLDS)
    spares = min(-(-anchors // (FOLDS - 1)) + FOLDS, n - anchors)
    chosen = np.floor((np.arange(anchors) + generator.random(anchors)) * n / anchors).astype(np.intp)
    chosen = np.unique(chosen)
    rest = np.setdiff1d(np.arange(n), chosen)
    spare = rest[np.floor((np.arange(spares) + generator.random(spares)) * rest.size / spares).astype(np.intp)]
    return chosen, np.unique(spare)


def _novelty_left_out(
    unit: NDArray[np.float32], chosen: NDArray[np.intp], spare: NDArray[np.intp], folds: list[NDArray[np.intp]]
) -> Floats:
    """Cosine of each row to the nearest anchor of another fold, over as many anchors as the frame has."""
    novelty = np.empty(unit.shape[0])
    for fold in folds:
        first, last = fold[0], fold[-1]
        kept = chosen[(chosen < first) | (chosen > last)]
        others = spare[(spare < first) | (spare > last)]
        wanted = min(chosen.size - kept.size, others.size)
        stand_in = others[np.linspace(0, others.size - 1, wanted).astype(np.intp)]
        novelty[fold] = (unit[fold] @ unit[np.concatenate((kept, stand_in))].T).max(axis=1)
    return novelty


def _bandwidth(components: NDArray[np.float32], length: float) -> float:
    """The median distance of two rows: the usual choice for a Gaussian kernel (Gretton et al. 2012).

    Of a baseline that is one point, what float32 leaves of its `length`.
    """
    half = components.shape[0] // 2
    distances = np.linalg.norm(components[:half] - components[half : 2 * half], axis=1)
    return max(float(np.median(distances)), 1e-6 * length)


def _digest(*arrays: NDArray[np.generic]) -> bytes:
    content = blake2b(digest_size=8)
    for array in arrays:
        content.update(str((array.dtype, array.shape)).encode())
        content.update(np.ascontiguousarray(array).tobytes())
    return content.digest()
