"""Diagnostics of a window against its own baseline: shown, never alarming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from app.baseline import PinnedBaseline, pictured
from app.drift import STATISTICS
from app.drift.energy_rows import energy_rows
from app.drift.mmd import mmd
from app.drift.sliced_wasserstein import sliced_wasserstein
from app.evaluate.look import Look
from app.evaluate.views import Picture
from app.model import Score
from app.series import FRAME_SIGNALS
from app.signals import SIGNALS

DIAGNOSED_WINDOW: Final = "1h"

DIAGNOSED_SIGNALS: Final = (*(signal.name for signal in SIGNALS), *FRAME_SIGNALS)

MINIMUM_ROWS: Final = 20
"""Fewer sampled vectors say nothing about a distance."""


def scalar_diagnostics(look: Look, baseline: PinnedBaseline, minimum: int) -> Iterator[Score]:
    """Every scalar statistic on every signal that both sides have enough of."""
    view = look.views[DIAGNOSED_WINDOW]
    for signal in DIAGNOSED_SIGNALS:
        current, before = view.signals.get(signal), baseline.content.signals.get(signal)
        if current is None or before is None or current.n < minimum:
            continue
        for statistic in STATISTICS:
            value = statistic.compute(current, before)
            yield Score(DIAGNOSED_WINDOW, baseline.name, signal, statistic.name, value, None)


def row_diagnostics(
    look: Look, baseline: PinnedBaseline, minimum: int, now: float
) -> tuple[list[Score], Picture | None]:
    """The statistics that need rows, from reservoirs in the leading components; and the picture of those rows."""
    frame, content = baseline.content.frame, baseline.content
    if frame is None or look.series.dimension != frame.dimension:
        return [], None
    scores = []
    sums = look.windows[DIAGNOSED_WINDOW].pane.frame
    if sums is not None and sums.n >= minimum and sums.features.size:
        scores.append(_score(baseline, "mmd", mmd(sums, content.sample_sums)))
    sample = look.series.sample(DIAGNOSED_WINDOW, now)
    if sample is None or len(sample) < MINIMUM_ROWS or look.views[DIAGNOSED_WINDOW].vectors < minimum:
        return scores, None
    current = frame.components(sample.directions.astype(np.float32) * sample.norms[:, None])
    before = pictured(content.components)
    if len(before) < MINIMUM_ROWS:
        # Kept without its vectors.
        return scores, None
    scores.append(_score(baseline, "energy_distance", energy_rows(current, before)))
    scores.append(_score(baseline, "sliced_wasserstein", sliced_wasserstein(current, before)))
    return scores, Picture(DIAGNOSED_WINDOW, current[:, :2], before[:, :2])


def _score(baseline: PinnedBaseline, statistic: str, value: float) -> Score:
    return Score(DIAGNOSED_WINDOW, baseline.name, "embedding", statistic, value, None)
