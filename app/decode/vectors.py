"""Vectors: from what senders write to rows of float32, their norms and their faults."""

from __future__ import annotations

import binascii
import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pybase64
from numpy.typing import NDArray

from app.decode.event import Embedding, refuse
from app.model import VECTOR_FAULTS, Floats, Ragged, VectorFault

_TRUSTED_FROM = 1e-30
"""A float32 sum of squares below it may have lost digits, or all, to underflow; at infinity, to overflow."""

FAULT_CODE = {fault: 1 + position for position, fault in enumerate(VECTOR_FAULTS)}
"""`EventBatch.fault` of each fault."""


_NO_FAULT = np.zeros(1, dtype=np.int8)
_NO_FAULT.setflags(write=False)


class Vectors(NamedTuple):
    """The columns that come of vectors; one entry an event."""

    rows: Ragged
    norm: Floats
    fault: NDArray[np.int8]


def float32_bytes(embedding: Embedding, dimension: int) -> bytes:
    """The vector as little-endian float32, null and numbers beyond float32 as NaN and infinity.

    Raises `Refused` for what is no vector at all, or has more than `dimension` numbers.
    """
    if isinstance(embedding, str):
        try:
            data = pybase64.b64decode(embedding, validate=True)
        except (binascii.Error, ValueError):
            raise refuse("embedding", "as text must be base64 (standard alphabet, padded, no line breaks)") from None
    elif isinstance(embedding, bytes):
        data = embedding
    else:
        # Exactly these types: bool is an int to Python, and None is read as NaN by numpy.
        if not {type(number) for number in embedding} <= {float, int, type(None)}:
            raise refuse("embedding")
        with np.errstate(over="ignore"):
            data = np.array(embedding, dtype=np.float64).astype("<f4").tobytes()
    if len(data) % 4:
        raise refuse("embedding", "as bytes must be little-endian float32: a multiple of 4 bytes")
    if len(data) > 4 * dimension:
        raise refuse("embedding", f"must have at most {dimension} numbers")
    return data


def plain_rows(embeddings: Sequence[Embedding | None], dimension: int) -> list[bytes] | None:
    """The vectors of a batch that is all base64, or all read before, and all in order; None for any other.

    Says what `float32_bytes` would say of each, without a call an event.
    """
    kinds = set(map(type, embeddings))
    rows: list[bytes]
    if kinds == {str}:
        try:
            rows = [pybase64.b64decode(text, validate=True) for text in embeddings]  # type: ignore[arg-type]
        except (binascii.Error, ValueError):
            return None
    elif kinds == {bytes}:
        rows = list(embeddings)  # type: ignore[arg-type]
    else:
        return None
    fit = all(length % 4 == 0 and length <= 4 * dimension for length in set(map(len, rows)))
    return rows if fit else None


def measure(vectors: Sequence[bytes | None]) -> Vectors:
    """The L2 norm of each vector, and which of them are empty, zero or not finite; those are dropped.

    Norms are right to float32's precision over the whole range of float32, denormals included.
    O(n d); one pass over one matrix where all have the same length.
    """
    if len(vectors) == 1 and vectors[0]:
        # A request of one event: without the calls that many rows need. What is not plain goes the way of all.
        row = np.frombuffer(vectors[0], dtype="<f4")
        square = float(np.vdot(row, row))
        if _TRUSTED_FROM < square < math.inf:
            return Vectors(ragged(row, [row.size]), np.array([math.sqrt(square)]), _NO_FAULT)
    held = [vector for vector in vectors if vector is not None]
    values, norms, faults = _norms(held)
    if faults:
        held = [b"" if i in faults else vector for i, vector in enumerate(held)]
        values = np.frombuffer(b"".join(held), dtype="<f4")
    fault_column = np.zeros(len(vectors), dtype=np.int8)
    if len(held) == len(vectors):
        for i, fault in faults.items():
            fault_column[i] = FAULT_CODE[fault]
        return Vectors(ragged(values, [len(vector) // 4 for vector in held]), norms, fault_column)
    norm_column = np.full(len(vectors), math.nan)
    lengths = [0] * len(vectors)
    present = [i for i, vector in enumerate(vectors) if vector is not None]
    for i, position in enumerate(present):
        norm_column[position] = norms[i]
        lengths[position] = len(held[i]) // 4
        if i in faults:
            fault_column[position] = FAULT_CODE[faults[i]]
    return Vectors(ragged(values, lengths), norm_column, fault_column)


def _norms(vectors: list[bytes]) -> tuple[NDArray[np.float32], Floats, dict[int, VectorFault]]:
    """All numbers in one array, the norm of each vector (NaN for a faulty one), and the faults by position."""
    values = np.frombuffer(b"".join(vectors), dtype="<f4")
    lengths = set(map(len, vectors))
    if len(vectors) > 1 and len(lengths) == 1 and 0 not in lengths:
        matrix = values.reshape(len(vectors), -1)
        squares = np.einsum("ij,ij->i", matrix, matrix)
    else:
        rows = (np.frombuffer(vector, dtype="<f4") for vector in vectors)
        squares = np.array([np.vdot(row, row) for row in rows], dtype=np.float32)
    norms = np.sqrt(squares, dtype=np.float64)
    faults = {}
    for i, square in enumerate(squares.tolist()):
        if not _TRUSTED_FROM < square < math.inf:
            norm = _exact_norm(vectors[i])
            if isinstance(norm, VectorFault):
                faults[i] = norm
                norm = math.nan
            norms[i] = norm
    return values, norms, faults


def _exact_norm(vector: bytes) -> float | VectorFault:
    row = np.frombuffer(vector, dtype="<f4").astype(np.float64)
    square = float(np.einsum("i,i->", row, row))
    if not row.size:
        return VectorFault.DIMENSION
    if not math.isfinite(square):
        return VectorFault.NON_FINITE
    return math.sqrt(square) if square else VectorFault.ZERO


def ragged(values: NDArray[np.float32] | Floats, lengths: list[int]) -> Ragged:
    """Rows of these lengths, one after the other in `values`; the offsets may be shared, hence read-only."""
    if lengths and lengths.count(lengths[0]) == len(lengths):
        return Ragged(values, _even_offsets(len(lengths), lengths[0]))
    return Ragged(values, np.array([0, *accumulate(lengths)], dtype=np.intp))


@lru_cache(maxsize=64)
def _even_offsets(rows: int, length: int) -> NDArray[np.intp]:
    offsets = np.arange(rows + 1) * length
    offsets.setflags(write=False)
    return offsets
