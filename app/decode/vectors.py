"""Vectors: from what senders write to rows of float32, their norms and their faults."""

from __future__ import annotations

import binascii
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pybase64
from numpy.typing import NDArray

from app.decode.event import NOT_FLOAT32, Embedding, refuse
from app.decode.number_rows import NumberRows, ragged
from app.model import VECTOR_FAULTS, Floats, Ragged, VectorFault, offsets_of

_TRUSTED_FROM = 1e-30
"""A float32 sum of squares below it may have lost digits, or all, to underflow; at infinity, to overflow."""

FAULT_CODE = {fault: 1 + position for position, fault in enumerate(VECTOR_FAULTS)}
"""`EventBatch.fault` of each fault."""


_FLOAT32 = np.dtype("<f4")

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
        raise refuse("embedding", NOT_FLOAT32)
    if len(data) > 4 * dimension:
        raise refuse("embedding", f"must have at most {dimension} numbers")
    return data


def plain_vector(embedding: Embedding, dimension: int) -> Vectors | None:
    """The vector of a single event, in base64 or bytes, of which there is nothing to say; None for any other.

    Says what `float32_bytes` and `measure` would say of it, in half the time: a request of one event is made of calls.
    """
    data: bytes
    if isinstance(embedding, str):
        try:
            data = pybase64.b64decode(embedding, validate=True)
        except (binascii.Error, ValueError):
            return None
    elif isinstance(embedding, bytes):
        data = embedding
    else:
        return None
    if len(data) % 4 or len(data) > 4 * dimension:
        return None
    row = np.frombuffer(data, _FLOAT32)
    return _one(ragged(row, [row.size]))


def plain_matrix(embeddings: Sequence[Embedding | None], dimension: int) -> NumberRows | None:
    """The vectors of a batch of one length, all bytes or all base64 without padding; None for any other.

    Says what `float32_bytes` would say of each, base64 in a third of the time: it is decoded in one go. Without padding
    are the dimensions that 3 divides, such as 384, 768, 1536 and 3072.
    """
    kinds = set(map(type, embeddings))
    if kinds not in ({str}, {bytes}):
        return None
    texts: Sequence[str] | Sequence[bytes] = embeddings  # type: ignore[assignment]
    # Four characters are three bytes, so sixteen are three numbers.
    size, numbers = (16, 3) if kinds == {str} else (4, 1)
    length = len(texts[0])
    row = length // size * numbers
    if not 0 < row <= dimension or length % size or set(map(len, texts)) != {length}:
        return None
    data: bytes | bytearray
    if kinds == {bytes}:
        data = b"".join(texts)  # type: ignore[arg-type]
    else:
        try:
            data = pybase64.b64decode_as_bytearray("".join(texts), validate=True)  # type: ignore[arg-type]
        except (binascii.Error, ValueError):
            return None
        if len(data) != 4 * row * len(texts):
            return None  # the last one is padded
    return NumberRows(ragged(np.frombuffer(data, "<f4"), [row] * len(texts)), None)


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
    held = [vector for vector in vectors if vector is not None]
    values = np.frombuffer(b"".join(held), dtype="<f4")
    if len(held) == len(vectors):
        return measured(NumberRows(ragged(values, [len(vector) // 4 for vector in held]), None))
    lengths = [0 if vector is None else len(vector) // 4 for vector in vectors]
    return measured(NumberRows(ragged(values, lengths), np.array([vector is not None for vector in vectors])))


def measured(vectors: NumberRows) -> Vectors:
    """As `measure`, of rows that are in memory as numbers."""
    rows = vectors.rows
    n, offsets = len(vectors), rows.offsets
    if n == 1 and (found := _one(rows)) is not None:
        return found
    length = rows.width
    if length:
        matrix = rows.values.reshape(n, length)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.vecdot(matrix, matrix)
    else:
        each = (rows.values[a:b] for a, b in pairwise(offsets))
        squares = np.array([np.vdot(row, row) for row in each], dtype=np.float32)
    norms = np.sqrt(squares, dtype=np.float64)
    fault = np.zeros(n, dtype=np.int8)
    trusted = (squares > _TRUSTED_FROM) & (squares < math.inf)
    if np.count_nonzero(trusted) < n:
        for i in np.flatnonzero(~trusted).tolist():
            norms[i] = math.nan
            if vectors.present is None or vectors.present[i]:
                norm = _exact_norm(rows.values[offsets[i] : offsets[i + 1]])
                if isinstance(norm, VectorFault):
                    fault[i] = FAULT_CODE[norm]
                else:
                    norms[i] = norm
        if fault.any():
            lengths = np.where(fault == 0, rows.lengths, 0)
            rows = Ragged(rows.values[np.repeat(fault == 0, rows.lengths)], offsets_of(lengths))
    return Vectors(rows, norms, fault)


def _one(rows: Ragged) -> Vectors | None:
    """A single row without a fault; None for any other."""
    square = float(np.vdot(rows.values, rows.values))  # `dot` warns where it is infinite
    if not _TRUSTED_FROM < square < math.inf:
        return None
    return Vectors(rows, np.array([math.sqrt(square)]), _NO_FAULT)


def _exact_norm(vector: NDArray[np.float32] | Floats) -> float | VectorFault:
    with np.errstate(invalid="ignore"):  # of a NaN that signals
        row = vector.astype(np.float64)
    square = float(np.einsum("i,i->", row, row))
    if not row.size:
        return VectorFault.DIMENSION
    if not math.isfinite(square):
        return VectorFault.NON_FINITE
    return math.sqrt(square) if square else VectorFault.ZERO
