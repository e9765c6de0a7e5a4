"""Scores: from what an engine returns, in its own metric, to similarities, best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.decode.errors import Refused
from app.decode.event import refuse
from app.decode.vectors import ragged
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


def similarities(
    rows: Sequence[Sequence[float]], metrics: Sequence[SimilarityMetric]
) -> tuple[Ragged, dict[int, Refused]]:
    """Every row of scores as similarities, and why rows are refused, by position.

    A row is refused whose scores are not finite, out of its metric's range, or not best first.
    Linear in the number of scores.

    >>> found, refused = similarities([[0.0, 1.0], [1.0, 0.0]], [SimilarityMetric.L2, SimilarityMetric.L2])
    >>> found.values[:2].tolist(), list(refused)
    ([1.0, 0.5], [1])
    """
    if metrics and metrics.count(metrics[0]) == len(metrics):
        return _converted(rows, metrics[0])
    pieces: list[NDArray[Any]] = [np.empty(0)] * len(rows)
    refused: dict[int, Refused] = {}
    for metric in set(metrics):
        members = [i for i, each in enumerate(metrics) if each is metric]
        found, faulty = _converted([rows[i] for i in members], metric)
        refused |= {members[i]: refusal for i, refusal in faulty.items()}
        for position, piece in zip(members, np.split(found.values, found.offsets[1:-1]), strict=True):
            pieces[position] = piece
    return ragged(np.concatenate(pieces) if pieces else np.empty(0), [len(row) for row in rows]), refused


def _converted(rows: Sequence[Sequence[float]], metric: SimilarityMetric) -> tuple[Ragged, dict[int, Refused]]:
    plain = _plain_row(rows[0]) if len(rows) == 1 and metric is SimilarityMetric.COSINE else None
    if plain is not None:
        return plain, {}
    scale = SCALES[metric]
    scores = np.fromiter(chain.from_iterable(rows), dtype=np.float64)
    refused: dict[int, Refused] = {}
    # Asked this way round, since NaN is neither above nor below; count_nonzero costs a tenth of `all` on few scores.
    valid = (scores >= scale.lowest) & (scores <= scale.highest)
    all_valid = np.count_nonzero(valid) == scores.size
    if not all_valid:
        scores[~valid] = 0.0
    values = scale.similarity(scores)
    found = ragged(values, [len(row) for row in rows])
    if scale.order is not None:
        rises = values[1:] > values[:-1] + ORDER_TOLERANCE
        if len(rows) > 1:
            # From the last score of one row to the first of the next they may.
            starts = found.offsets[1:-1]
            rises[starts[(starts > 0) & (starts < scores.size)] - 1] = False
        if np.count_nonzero(rises):
            refused = _refused(found, rises, f"must come best first: for {metric} the {scale.order}")
    if not all_valid:
        refused |= _refused(found, ~valid, scale.wanted)
    return found, refused


def _plain_row(row: Sequence[float]) -> Ragged | None:
    """The cosines of a single event that are all in range and in order; None for any others.

    Says what the judgement of many rows would say, in a third of its time: numpy's fixed costs are most of that.
    """
    # A sum that is NaN has one in it, of which min and max say nothing.
    if row and not math.isnan(sum(row)) and min(row) >= -1.0 and max(row) <= 1.0 and sorted(row, reverse=True) == row:
        return ragged(np.array(row), [len(row)])
    return None


def _refused(found: Ragged, faulty: NDArray[np.bool_], message: str) -> dict[int, Refused]:
    rows = np.unique(np.searchsorted(found.offsets, np.flatnonzero(faulty), side="right") - 1)
    return dict.fromkeys(rows.tolist(), refuse("scores", message))
