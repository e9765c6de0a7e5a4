"""The embedding model: latent semantic analysis, trained at start with nothing but numpy.

Deerwester et al. 1990, "Indexing by latent semantic analysis": tf-idf rows of the passages, their truncated singular
value decomposition, and a text's embedding as its row projected on the right singular vectors.
"""

from __future__ import annotations

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

    The length of an embedding, between 0 and 1, is how much of the text the model understands: rare and unknown words
    shorten it. The engine compares by cosine and never sees that length; a monitor does.
    """

    vocabulary: dict[str, int]
    idf: Vectors
    unknown_idf: float
    """The weight of a token outside the vocabulary: it counts in the length of the row and points nowhere."""
    projection: Vectors
    """Shape (tokens, dimensions)."""

    @classmethod
    def fit(cls, texts: Sequence[str], tokenizer: Tokenizer, *, dimensions: int = DIMENSIONS, seed: int = 7) -> Self:
        """Train on texts; tokens that stand in one text alone are left out. About two seconds for 6,000 passages."""
        tokens = [tokenizer(text) for text in texts]
        frequency = Counter(token for row in tokens for token in set(row))
        vocabulary = {token: i for i, token in enumerate(sorted(t for t, count in frequency.items() if count > 1))}
        counts = np.array([frequency[token] for token in vocabulary], dtype=np.float32)
        idf = np.log(len(texts) / counts) + 1
        unknown_idf = float(np.log(len(texts)) + 1)
        projection = np.zeros((len(vocabulary), 0), dtype=np.float32)
        model = cls(vocabulary, idf, unknown_idf, projection)
        right = truncated_svd(model._rows(tokens, unit_length=True), dimensions, np.random.default_rng(seed))
        return cls(vocabulary, idf, unknown_idf, right)

    def embed(self, texts: Sequence[str], tokenizer: Tokenizer, *, unit_length: bool = True) -> Vectors:
        """One embedding a text, shape (n, dimensions); zero where the text has no known token.

        `unit_length` false leaves out the scaling of the tf-idf row: the direction stays, the length is wrong.
        """
        return self._rows([tokenizer(text) for text in texts], unit_length=unit_length).dot(self.projection)

    def _rows(self, tokens: Sequence[Sequence[str]], *, unit_length: bool) -> SparseRows:
        columns: list[int] = []
        occurrences: list[int] = []
        offsets = [0]
        unknown: list[int] = []
        for row in tokens:
            known = Counter(self.vocabulary[token] for token in row if token in self.vocabulary)
            columns += known
            occurrences += known.values()
            offsets.append(len(columns))
            unknown.append(len(row) - known.total())
        starts = np.array(offsets, dtype=np.intp)
        position = np.array(columns, dtype=np.intp)
        values = (1 + np.log(np.array(occurrences, dtype=np.float64))) * self.idf[position]
        if unit_length:
            owner = np.repeat(np.arange(len(tokens)), np.diff(starts))
            squares = np.bincount(owner, weights=values**2, minlength=len(tokens))
            length = np.sqrt(squares + np.array(unknown) * self.unknown_idf**2)
            values /= length[owner]
        return SparseRows(position, values.astype(np.float32), starts, len(self.vocabulary))
