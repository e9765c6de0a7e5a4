"""The columns that come of `embedding` and `norm`, of each batch by the shortest way that says all there is to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.decode.event import not_negative, refuse
from app.decode.fields import Refusals, Sent, judged
from app.decode.limits import Limits
from app.decode.number_rows import NumberRows
from app.decode.vectors import (
    FAULT_CODE,
    Vectors,
    float32_bytes,
    measure,
    measured,
    plain_matrix,
    plain_rows,
    plain_vector,
)
from app.model import VectorFault


def embeddings(sent: Sent, limits: Limits, refusals: Refusals, nothing: Vectors) -> Vectors:
    """Vectors, norms and faults: a norm that was sent goes before the vector's own. `nothing` where neither was."""
    column = sent.get("embedding", ())
    rows: Sequence[bytes | None] | None
    if isinstance(column, NumberRows):
        flat: NumberRows | None = column
    elif len(column) == 1:
        found = plain_vector(column[0], limits.dimension)
        if found is not None and "norm" not in sent:
            return found
        flat = None
    else:
        flat = plain_matrix(column, limits.dimension)
    if flat is not None:
        _check_dimension(flat, limits, refusals)
        if "norm" not in sent:
            return measured(flat)
        rows = flat.in_bytes()
    else:
        rows = plain_rows(column, limits.dimension)
        if rows is None:
            rows = judged(sent, "embedding", lambda value: float32_bytes(value, limits.dimension), None, refusals)
    return _with_norms(rows, sent, refusals, nothing)


def _with_norms(rows: Sequence[bytes | None] | None, sent: Sent, refusals: Refusals, nothing: Vectors) -> Vectors:
    norms = judged(sent, "norm", lambda value: not_negative("norm", value), None, refusals)
    if rows is not None and norms is not None:
        # A norm of 0 tells of a zero vector, whatever became of it on the way.
        rows = [None if norm == 0 else row for row, norm in zip(rows, norms, strict=True)]
    found = nothing if rows is None else measure(rows)
    if norms is None:
        return found
    norm_column, fault = found.norm.copy(), found.fault.copy()
    for i, norm in enumerate(norms):
        if norm == 0:
            fault[i] = FAULT_CODE[VectorFault.ZERO]
        elif norm is not None:
            norm_column[i] = norm
    return Vectors(found.rows, norm_column, fault)


def _check_dimension(vectors: NumberRows, limits: Limits, refusals: Refusals) -> None:
    length = vectors.rows.width
    if length is None or length > limits.dimension:
        refused = refuse("embedding", f"must have at most {limits.dimension} numbers")
        for i in np.flatnonzero(vectors.rows.lengths > limits.dimension).tolist():
            refusals.setdefault(i, refused)
