"""The embedding model: latent semantic analysis, trained at start with nothing but numpy.

Deerwester et al. 1990, "Indexing by latent semantic analysis": tf-idf rows of the passages, their truncated singular
value decomposition, and a text's embedding as its row projected on the right singular vectors.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.demo.tokenizer import Tokenizer

Vectors = NDArray[np.float32]

DIMENSIONS = 256
POWER_ITERATIONS = 2
OVERSAMPLING = 10
HASHED_TOKENS = 4096
"""Directions that tokens outside the vocabulary share: few enough to draw at once, enough that few of them collide."""
CHUNK_ENTRIES = 32768
"""Sparse entries multiplied at once: 35 MB of float32 at 266 columns."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """A matrix by its non-zero entries, row after row: as much of a sparse matrix as the decomposition needs."""

    columns: NDArray[np.intp]
    values: Vectors
    offsets: NDArray[np.intp]
    """Row i is the entries `offsets[i]:offsets[i + 1]`."""
    width: int

    def dot(self, dense: Vectors) -> Vectors:
        """The product with a dense matrix of `width` rows, in time linear in the entries times its columns."""
        rows = self.offsets.size - 1
        product = np.zeros((rows, dense.shape[1]), dtype=np.float32)
        filled = np.flatnonzero(np.diff(self.offsets))
        starts = self.offsets[filled]
        first = 0
        while first < filled.size:
            # At least one row, else as many as fit into the chunk.
            last = max(first + 1, int(np.searchsorted(starts, starts[first] + CHUNK_ENTRIES, side="right")) - 1)
            last = filled.size if last >= filled.size - 1 else last
            begin, end = starts[first], self.offsets[filled[last - 1] + 1]
            weighted = dense[self.columns[begin:end]] * self.values[begin:end, None]
            product[filled[first:last]] = np.add.reduceat(weighted, starts[first:last] - begin, axis=0)
            first = last
        return product

    def transposed(self) -> SparseRows:
        """The same entries, column after column."""
        rows = np.repeat(np.arange(self.offsets.size - 1), np.diff(self.offsets))
        order = np.argsort(self.columns, kind="stable")
        counts = np.bincount(self.columns, minlength=self.width)
        offsets = np.concatenate(([0], np.cumsum(counts)))
        return SparseRows(rows[order], self.values[order], offsets, self.offsets.size - 1)


def truncated_svd(matrix: SparseRows, rank: int, rng: np.random.Generator) -> Vectors:
    """The leading right singular vectors as columns, shape (width, rank).

    Randomised range finder with power iterations: Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1.
    """
    transposed = matrix.transposed()
    sample = rng.standard_normal((matrix.width, rank + OVERSAMPLING), dtype=np.float32)
    basis, _ = np.linalg.qr(matrix.dot(sample))
    for _ in range(POWER_ITERATIONS):
        basis, _ = np.linalg.qr(transposed.dot(basis))
        basis, _ = np.linalg.qr(matrix.dot(basis))
    _, _, right = np.linalg.svd(transposed.dot(basis).T, full_matrices=False)
    return np.ascontiguousarray(right[:rank].T)


@dataclass(frozen=True, slots=True, eq=False)
class LatentSemanticModel:
    """A trained model: the vocabulary with its weights, and the projection.

    A token outside the vocabulary has a direction that its hash says, as in random indexing (Sahlgren 2005): what the
    model never read lies where nothing else does. Embeddings are scaled to unit length, as those of sentence encoders
    are. The engine compares by cosine and would not notice if they were not; a monitor does.
    """

    vocabulary: dict[str, int]
    idf: Vectors
    """Shape (vocabulary + hashed tokens,)."""
    projection: Vectors
    """Shape (vocabulary + hashed tokens, dimensions)."""

    @classmethod
    def fit(cls, texts: Sequence[str], tokenizer: Tokenizer, *, dimensions: int = DIMENSIONS, seed: int = 7) -> Self:
        """Train on texts; tokens that stand in one text alone are hashed. About two seconds for 6,000 passages."""
        rng = np.random.default_rng(seed)
        tokens = [tokenizer(text) for text in texts]
        frequency = Counter(token for row in tokens for token in set(row))
        common = sorted(token for token, count in frequency.items() if count > 1)
        vocabulary = {token: i for i, token in enumerate(common)}
        counts = np.array([frequency[token] for token in common] + [1] * HASHED_TOKENS, dtype=np.float32)
        idf = np.log(len(texts) / counts) + 1
        known = [[token for token in row if token in vocabulary] for row in tokens]
        untrained = cls(vocabulary, idf, np.zeros((idf.size, 0), dtype=np.float32))
        projection = truncated_svd(untrained._rows(known), dimensions, rng)
        hashed = rng.standard_normal((HASHED_TOKENS, dimensions), dtype=np.float32)
        projection[len(common) :] = hashed / np.linalg.norm(hashed, axis=1, keepdims=True)
        return cls(vocabulary, idf, projection)

    def embed(self, texts: Sequence[str], tokenizer: Tokenizer, *, unit_length: bool = True) -> Vectors:
        """One embedding a text, shape (n, dimensions); zero where the text has no token.

        `unit_length` false leaves out the scaling: the direction stays, and the length is how much of the text's row
        the dimensions hold.
        """
        vectors = self._rows([tokenizer(text) for text in texts]).dot(self.projection)
        if not unit_length:
            return vectors
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(length > 0, length, np.float32(1))
        return vectors

    def _rows(self, tokens: Sequence[Sequence[str]]) -> SparseRows:
        """The tf-idf rows, each of unit length."""
        columns: list[int] = []
        occurrences: list[int] = []
        offsets = [0]
        for row in tokens:
            counts = Counter(map(self._column, row))
            columns += counts
            occurrences += counts.values()
            offsets.append(len(columns))
        starts = np.array(offsets, dtype=np.intp)
        position = np.array(columns, dtype=np.intp)
        values = (1 + np.log(np.array(occurrences, dtype=np.float64))) * self.idf[position]
        owner = np.repeat(np.arange(len(tokens)), np.diff(starts))
        values /= np.sqrt(np.bincount(owner, weights=values**2, minlength=len(tokens)))[owner]
        return SparseRows(position, values.astype(np.float32), starts, self.idf.size)

    def _column(self, token: str) -> int:
        column = self.vocabulary.get(token)
        return len(self.vocabulary) + zlib.crc32(token.encode()) % HASHED_TOKENS if column is None else column
