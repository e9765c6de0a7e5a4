"""Scores: from what an engine returns, in its own metric, to similarities, best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.decode.errors import Refused
from app.decode.event import NOT_FLOAT32, refuse
from app.decode.fields import Refusals, Sent
from app.decode.number_rows import NumberRows, ragged
from app.model import Floats, Ragged, SimilarityMetric

RANGE_TOLERANCE = 1e-3
"""Cosines of vectors in half precision pass 1 by as much."""

ORDER_TOLERANCE = 1e-4
"""Engines sort by more digits than they print, and quantised indexes by fewer."""

_HUGE = 1e18
"""Not finite for our purposes: the square of a larger distance is beyond float32, in which sketches keep it."""


class Scale(NamedTuple):
    """How the scores of one metric are to be read."""

    similarity: Callable[[Floats], Floats]
    lowest: float
    highest: float
    wanted: str
    order: str | None
    """What best first means; None where it is not known."""


SCALES: Mapping[SimilarityMetric, Scale] = {
    SimilarityMetric.COSINE: Scale(
        lambda score: np.minimum(np.maximum(score, -1.0), 1.0),
        -1.0 - RANGE_TOLERANCE,
        1.0 + RANGE_TOLERANCE,
        "must lie between -1 and 1 for cosine; for others set similarity_metric to dot, l2, l2_squared or other",
        "highest similarity first",
    ),
    SimilarityMetric.DOT: Scale(lambda score: score, -_HUGE, _HUGE, "must be finite numbers", "highest product first"),
    SimilarityMetric.L2: Scale(
        lambda distance: 1.0 - distance * distance / 2.0,
        0.0,
        _HUGE,
        "must be finite distances for l2, not negative; for similarities set similarity_metric to cosine or dot",
        "smallest distance first",
    ),
    SimilarityMetric.L2_SQUARED: Scale(
        lambda distance: 1.0 - distance / 2.0,
        0.0,
        _HUGE,
        "must be finite squares for l2_squared, not negative; for similarities set similarity_metric to cosine or dot",
        "smallest distance first",
    ),
    SimilarityMetric.OTHER: Scale(lambda score: score, -_HUGE, _HUGE, "must be finite numbers", None),
}
"""For unit vectors |a - b|^2 = 2 - 2 cos(a, b), hence the two conversions of distances."""


def similarities(scores: Ragged, metrics: Sequence[SimilarityMetric]) -> tuple[Ragged, dict[int, Refused]]:
    """Every row of scores as similarities, and why rows are refused, by position.

    A row is refused whose scores are not finite, out of its metric's range, or not best first.
    Linear in the number of scores.

    >>> rows = ragged(np.array([0.0, 1.0, 1.0, 0.0]), [2, 2])
    >>> found, refused = similarities(rows, [SimilarityMetric.L2, SimilarityMetric.L2])
    >>> found.values[:2].tolist(), list(refused)
    ([1.0, 0.5], [1])
    """
    if metrics and metrics.count(metrics[0]) == len(metrics):
        return _converted(scores, metrics[0])
    values = np.empty(scores.values.size)
    refused: dict[int, Refused] = {}
    for metric in set(metrics):
        members = np.array([i for i, each in enumerate(metrics) if each is metric], np.intp)
        found, faulty = _converted(scores.take(members), metric)
        refused |= {int(members[i]): refusal for i, refusal in faulty.items()}
        for position, begun, end in zip(members, found.offsets, found.offsets[1:], strict=False):
            values[scores.offsets[position] : scores.offsets[position + 1]] = found.values[begun:end]
    return Ragged(values, scores.offsets), refused


def listed(rows: Sequence[Sequence[float] | None], lengths: Sequence[int | None]) -> Ragged:
    """Rows of scores in one array; those that are None are empty."""
    if len(rows) == 1 and rows[0]:
        return ragged(np.array(rows[0], np.float64), [len(rows[0])])  # a third of the time of what follows
    sizes = [length or 0 for length in lengths]
    return ragged(np.fromiter(chain.from_iterable(row for row in rows if row), np.float64, sum(sizes)), sizes)


def plain_cosines(scores: Ragged, top_k: int) -> Ragged | None:
    """The cosines of rows of one length that are all in range and in order; None for any others.

    Says what the judgement of any rows would say, in a third of its time: numpy's fixed costs are most of that.
    """
    values = np.asarray(scores.values, np.float64)
    if scores.offsets.size == 2:
        row = values.tolist()
        # A sum that is NaN has one in it, which no sorting and comparing tells.
        ordered = 0 < len(row) <= top_k and sorted(row, reverse=True) == row and not math.isnan(sum(row))
        fit = ordered and row[0] <= 1.0 and row[-1] >= -1.0
    else:
        length = scores.width
        if not length or length > top_k:
            return None
        # Over all of them flat, as few calls as can be. NaN is not within.
        fit = np.count_nonzero(np.abs(values) <= 1.0) == values.size
        rises = values[1:] > values[:-1] + ORDER_TOLERANCE
        rises[length - 1 :: length] = False  # from the last score of one row to the first of the next they may
        fit = fit and not np.count_nonzero(rises)
    return Ragged(values, scores.offsets) if fit else None


def _converted(rows: Ragged, metric: SimilarityMetric) -> tuple[Ragged, dict[int, Refused]]:
    scale = SCALES[metric]
    scores = np.asarray(rows.values, np.float64)
    refused: dict[int, Refused] = {}
    # Asked this way round, since NaN is neither above nor below; count_nonzero costs a tenth of `all` on few scores.
    valid = (scores >= scale.lowest) & (scores <= scale.highest)
    all_valid = np.count_nonzero(valid) == scores.size
    if not all_valid:
        scores = np.where(valid, scores, 0.0)
    found = Ragged(scale.similarity(scores), rows.offsets)
    if scale.order is not None:
        rises = found.values[1:] > found.values[:-1] + ORDER_TOLERANCE
        if rows.offsets.size > 2:
            # From the last score of one row to the first of the next they may.
            starts = found.offsets[1:-1]
            rises[starts[(starts > 0) & (starts < scores.size)] - 1] = False
        if np.count_nonzero(rises):
            refused = _refused(found, rises, f"must come best first: for {metric} the {scale.order}")
    if not all_valid:
        refused |= _refused(found, ~valid, scale.wanted)
    return found, refused


def _refused(found: Ragged, faulty: NDArray[np.bool_], message: str) -> dict[int, Refused]:
    rows = np.unique(np.searchsorted(found.offsets, np.flatnonzero(faulty), side="right") - 1)
    return dict.fromkeys(rows.tolist(), refuse("scores", message))


def score_rows(sent: Sent, refusals: Refusals) -> NumberRows | Sequence[Sequence[float] | None] | None:
    """The scores of each event: its `scores`, else those of its `top_k`; None where no event has any."""
    rows = sent.get("scores")
    if rows is not None and not isinstance(rows, NumberRows) and bytes in set(map(type, rows)):
        rows = _unpacked(rows, refusals)
    if "top_k" not in sent:
        return rows
    nothing = (None,) * len(sent["top_k"])
    listed: Sequence[Any] = rows.in_lists() if isinstance(rows, NumberRows) else rows or nothing
    return [
        [document.score for document in top_k] if row is None and top_k is not None else row
        for row, top_k in zip(listed, sent["top_k"], strict=True)
    ]


def _unpacked(rows: Sequence[Any], refusals: Refusals) -> NumberRows | Sequence[Sequence[float] | None]:
    """Scores of which some came as bytes of little-endian float32."""
    if set(map(type, rows)) == {bytes}:
        sizes = list(map(len, rows))
        if not any(size % 4 for size in set(sizes)):
            return NumberRows(ragged(np.frombuffer(b"".join(rows), "<f4"), [size // 4 for size in sizes]), None)
    refused = refuse("scores", NOT_FLOAT32)
    whole = []
    for i, row in enumerate(rows):
        if isinstance(row, bytes) and len(row) % 4:
            refusals.setdefault(i, refused)
            row = b""  # noqa: PLW2901
        whole.append(row)
    if set(map(type, whole)) <= {bytes, type(None)}:
        values = np.frombuffer(b"".join([row for row in whole if row]), "<f4")
        lengths = [len(row) // 4 if row else 0 for row in whole]
        absent = None in whole
        present = np.array([row is not None for row in whole]) if absent else None
        return NumberRows(ragged(values, lengths), present)
    return [np.frombuffer(row, "<f4").tolist() if isinstance(row, bytes) else row for row in whole]
