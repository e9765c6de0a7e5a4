"""The search engine: exact nearest neighbours by cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.demo.lsa import Vectors

TOP_K = 10


@dataclass(frozen=True, slots=True)
class Hits:
    """The best passages of one query, best first; none where the query vector was zero."""

    scores: list[float]
    ids: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Unit vectors of the indexed passages and their ids."""

    unit: Vectors
    """Shape (dimensions, passages)."""
    ids: NDArray[np.intp]

    @classmethod
    def of(cls, vectors: Vectors) -> Self:
        """An index of all vectors that have a direction; ids are row numbers."""
        length = np.linalg.norm(vectors, axis=1)
        ids = np.flatnonzero(length > 0)
        return cls(np.ascontiguousarray((vectors[ids] / length[ids, None]).T), ids)

    def first(self, count: int) -> Index:
        """The index as it was after the first `count` passages."""
        here = self.ids < count
        return Index(np.ascontiguousarray(self.unit[:, here]), self.ids[here])

    def search(self, queries: Vectors, top_k: int = TOP_K) -> list[Hits]:
        """The `top_k` nearest passages of each row; one matrix product for all of them."""
        length = np.linalg.norm(queries, axis=1, keepdims=True)
        similarity = np.divide(queries, length, out=np.zeros_like(queries), where=length > 0) @ self.unit
        top_k = min(top_k, self.ids.size)
        best = np.argpartition(similarity, -top_k, axis=1)[:, -top_k:]
        scores = np.take_along_axis(similarity, best, axis=1)
        order = np.argsort(-scores, axis=1)
        scores = np.clip(np.take_along_axis(scores, order, axis=1), -1.0, 1.0)
        ids = self.ids[np.take_along_axis(best, order, axis=1)]
        return [
            Hits(row_scores, row_ids) if has_direction else Hits([], [])
            for row_scores, row_ids, has_direction in zip(scores.tolist(), ids.tolist(), length[:, 0] > 0, strict=True)
        ]
