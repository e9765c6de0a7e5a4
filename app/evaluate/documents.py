"""Queries against documents: whether the way from the one to the other has changed, however far it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from app.drift.calibration import MINIMUM_EVENTS
from app.drift.mean_shift import MeanShift
from app.drift.window import Window
from app.evaluate.look import Look, readable
from app.evaluate.rules import Rules
from app.model import Floats, Score, SeriesKey

STATISTIC: Final = "query_document"

DOCUMENTS_WINDOW: Final = "24h"
"""Documents come in bursts: a day of them stands for what the index takes in."""


def documents_of(looks: Iterable[Look]) -> dict[SeriesKey, Look]:
    """For each series of queries that of documents of the same versions and vector space, if both have a baseline."""
    every = {look.series.key: look for look in looks if look.baseline is not None}
    pairs = {}
    for key, look in every.items():
        other = every.get(key._replace(kind="document"))
        if key.kind == "query" and other is not None and other.series.space == look.series.space:
            pairs[key] = other
    return pairs


def hold_documents(look: Look, documents: Look, window: str, current: Window, rules: Rules) -> Score | None:
    """Q - k h of (queries - documents) now against (queries - documents) of the baselines; None where too few came.

    Where queries and documents moved alike, as with another model, it stays about 0; where one side alone did, another
    preprocessing or a part of the index that was embedded anew, it is that side's `mean_shift`. In the queries' frame,
    in squared standard deviations; the limit is what both sides may move by: (sqrt(a) + sqrt(b))^2 of their own limits.
    """
    limits, theirs = look.calibrations.get(window), documents.calibrations.get(DOCUMENTS_WINDOW)
    recent = readable(documents, DOCUMENTS_WINDOW, rules.min_window_events)
    if limits is None or limits.vectors is None or theirs is None or theirs.vectors is None:
        return None
    dimension = limits.vectors.mean_shift.centre.size
    if current.vectors.n < MINIMUM_EVENTS or recent.vectors.n < MINIMUM_EVENTS or recent.vectors.dimension != dimension:
        return None
    before = theirs.vectors.mean_shift
    moved = np.asarray(recent.vectors.mean, np.float64) - before.centre
    shift = _moved(limits.vectors.mean_shift, moved, before.design_effect / recent.vectors.n + before.centre_noise)
    reach = math.sqrt(shift.limit(current, limits.alpha)) + math.sqrt(before.limit(recent, theirs.alpha))
    limit = rules.limits.get(STATISTIC, reach**2)
    name = "pinned" if look.baseline is None else look.baseline.name
    return Score(window, name, "embedding", STATISTIC, shift.value(current), limit)


def _moved(shift: MeanShift, way: Floats, noise: float) -> MeanShift:
    """Around a centre that has gone along with the documents."""
    return replace(shift, centre=shift.centre + way, centre_noise=shift.centre_noise + noise)
