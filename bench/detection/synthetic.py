"""A data set without any data: topics on the sphere as encoders make them, and changes of known kinds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.detection.data import DataSet, Vectors, Version

Inner = NDArray[np.float64]
"""Coordinates before they are turned and made unit length."""

DEAD_DIMENSIONS = 3
NEAR_DUPLICATE_SHARE = 0.15


def synthetic(*, rows: int = 8000, dimension: int = 384, topics: int = 80, seed: int = 7) -> DataSet:
    """Texts of `topics` groups around one common direction, with a decaying spectrum as real encoders have it.

    Three dimensions are dead (1e-8), 15 % of the rows are near-duplicates (cosine about 0.99) of another one, topics
    differ in size by a factor of about 4. The first quarter of the rows comes in the changed versions, too.
    """
    rng = np.random.default_rng(seed)
    live = dimension - DEAD_DIMENSIONS
    scale = np.asarray((np.arange(live) + 3.0) ** -0.6, np.float64)
    scale /= np.linalg.norm(scale)
    axes = _rotation(live, rng)

    common = np.concatenate([[1.0], np.zeros(live - 1)]) * 0.7
    centres = common + rng.standard_normal((topics, live)) * scale * 0.75
    sizes = np.exp(rng.normal(0, 0.35, topics))
    topic = rng.choice(topics, rows, p=sizes / sizes.sum())
    inner: Inner = centres[topic] + rng.standard_normal((rows, live)) * scale * 0.65

    copies = rng.choice(rows, int(rows * NEAR_DUPLICATE_SHARE), replace=False)
    originals = rng.integers(0, rows, copies.size)
    inner[copies] = inner[originals] + rng.standard_normal((copies.size, live)) * scale * 0.12
    topic[copies] = topic[originals]

    norms = 5.5 * np.exp(rng.normal(0, 0.12, rows))
    vectors = _embed(inner @ axes, rng)
    changed = rows // 4
    changes = {
        name: Version(_embed(changed_inner @ axes, rng), norms[:changed] * factor)
        for name, (changed_inner, factor) in _changed(inner[:changed], scale, rng).items()
    }
    return DataSet("synthetic", vectors, norms, topic.astype(np.intp), changes)


def _changed(inner: Inner, scale: Inner, rng: np.random.Generator) -> dict[str, tuple[Inner, float]]:
    """Each change of the texts in the inner coordinates, and how it scales the norm."""
    rows, live = inner.shape
    tokens = rng.standard_normal((200, live)) * scale
    swapped = tokens[rng.integers(0, 200, rows)] + tokens[rng.integers(0, 200, rows)]
    hit = (rng.random((rows, 1)) < 0.6).astype(np.float64)
    mean = inner.mean(axis=0)
    return {
        "tok_swapped_vocabulary": (inner + 0.7 * swapped * hit, 0.97),
        "tok_small_vocabulary": (inner + rng.standard_normal(inner.shape) * scale * 0.5, 0.95),
        "parser_truncated": (mean + 0.6 * (inner - mean) + rng.standard_normal(inner.shape) * scale * 0.3, 0.98),
        "prep_prefix": (inner + 0.25 * tokens[0], 1.02),
        "model_rotated": (inner @ _rotation(live, rng, 0.15), 1.0),
        "model_other": (inner @ _rotation(live, rng), 1.1),
        "model_int8": (inner + rng.standard_normal(inner.shape) * scale * 0.2, 1.0),
    }


def _embed(inner: Inner, rng: np.random.Generator) -> Vectors:
    dead = 1e-8 * rng.standard_normal((len(inner), DEAD_DIMENSIONS))
    vectors = np.concatenate([inner, dead], axis=1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _rotation(dimension: int, rng: np.random.Generator, share: float = 1.0) -> Inner:
    """An orthogonal matrix that is random where share is 1 and near the identity where it is near 0."""
    noise = rng.standard_normal((dimension, dimension)) / np.sqrt(dimension)
    blended = noise if share == 1.0 else np.eye(dimension) + share * (noise - noise.T)
    return np.linalg.qr(blended)[0] if share == 1.0 else _nearest_rotation(blended)


def _nearest_rotation(matrix: Inner) -> Inner:
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)
