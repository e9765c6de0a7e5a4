"""A data set: real or made-up vectors in groups, and other versions of the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]

VECTORS = ("embedding", "embeddings", "vectors")
GROUPS = ("intent", "topic", "label")


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """Rows 0 to k-1 of a data set as another model, tokenizer, parser or preprocessing makes them."""

    vectors: Vectors
    """Unit length, shape (k, d)."""
    norms: NDArray[np.float64]
    """The L2 norms before normalisation, shape (k,)."""


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Distinct texts as vectors; row i is the same text in every version."""

    name: str
    vectors: Vectors
    """Unit length, shape (rows, d)."""
    norms: NDArray[np.float64]
    """The L2 norms before normalisation, shape (rows,)."""
    topics: NDArray[np.intp]
    """The group (intent, topic) of each row, from 0, shape (rows,)."""
    changes: Mapping[str, Version]

    @property
    def changed_rows(self) -> int:
        """How many of the first rows every change covers; all rows where there is no change."""
        return min((len(version.vectors) for version in self.changes.values()), default=len(self.vectors))


def load(directory: Path) -> DataSet:
    """Read a data set from every .npz file of a directory.

    One file holds the texts as they are: `embedding` (rows, d), and if known `norm` (rows,) and `intent` (rows,).
    Every other array of shape (k, d) is a change of rows 0 to k-1, with its `norm_<name>` (k,) beside it if known.
    Without groups, rows are grouped by direction, so that topics can be held out all the same.
    Raises ValueError where no file, or more than one, holds the texts.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for path in sorted(directory.glob("*.npz")):
        with np.load(path) as file:
            for name in file.files:
                if name in arrays:
                    raise ValueError(f"{path.name}: a second array named {name!r}; names must differ over all files")
                arrays[name] = file[name]
    originals = [name for name in VECTORS if name in arrays]
    if len(originals) != 1:
        raise ValueError(
            f"{directory}: exactly one array named one of {', '.join(VECTORS)} is needed in its .npz files"
        )

    vectors, lengths = _unit(arrays[originals[0]])
    norms = np.asarray(arrays.get("norm", lengths), np.float64)
    groups = next((arrays[name] for name in GROUPS if name in arrays), None)
    topics = grouped(vectors) if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.intp)
    changes = {}
    for name, array in arrays.items():
        if name != originals[0] and array.ndim == 2 and array.shape[1] == vectors.shape[1]:
            changed, lengths = _unit(array)
            changes[name] = Version(changed, np.asarray(arrays.get(f"norm_{name}", lengths), np.float64))
    return DataSet(directory.name, vectors, norms, topics, changes)


def grouped(vectors: Vectors, *, groups: int = 64, rounds: int = 8) -> NDArray[np.intp]:
    """The nearest of `groups` centres for each row: spherical k-means from evenly spaced rows, shape (rows,)."""
    centred = vectors - vectors.mean(axis=0)
    centres = centred[np.linspace(0, len(vectors) - 1, min(groups, len(vectors))).astype(np.intp)]
    nearest = np.zeros(len(vectors), np.intp)
    for _ in range(rounds):
        nearest = np.argmax(centred @ centres.T, axis=1)
        for group in np.unique(nearest):
            centre = centred[nearest == group].mean(axis=0)
            centres[group] = centre / max(float(np.linalg.norm(centre)), 1e-12)
    return np.unique(nearest, return_inverse=True)[1].astype(np.intp)


def _unit(array: NDArray[np.generic]) -> tuple[Vectors, NDArray[np.float64]]:
    vectors = np.asarray(array, np.float32)
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors / np.maximum(lengths, 1e-12)[:, None], lengths.astype(np.float64)
