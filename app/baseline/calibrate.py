"""Limits of a baseline, for windows of each duration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app import compare
from app.baseline.content import Content
from app.baseline.continued import Continued
from app.drift.blocks import FOLDS, Blocks, Spans
from app.drift.budget import alpha_of_budget
from app.drift.calibration import Calibration
from app.model import Timing

MINIMUM_BLOCKS = 2 * FOLDS
"""Time blocks that limits of vectors are learned from at least; fewer give limits of norms and similarities alone."""

WHOLE_DAY = 0.98
"""The first and the last time block of a day may be missing."""

SHARING_BASELINES = 2
"""The pinned baseline and a trailing one share the budget of false alarms."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How often healthy windows may exceed a limit."""

    false_alarms_per_series_year: float
    windows: Mapping[str, float]
    """Seconds of each, in real time."""

    def alpha(self, window: str) -> float:
        """Probability for a look at one window against one baseline."""
        return alpha_of_budget(
            self.false_alarms_per_series_year, self.windows[window], len(self.windows), SHARING_BASELINES
        )


def calibrate(
    content: Content, timing: Timing, budget: Budget, continued: Continued | None = None
) -> dict[str, Calibration]:
    """The limits for each window of `timing`; a window is missing where the baseline has too few blocks for any.

    `continued` has windows that closed after the baseline was frozen. A sample without time has the limits that
    `compare` gives it, the same for every window. Some tenths of a second for a day of blocks.
    """
    panes = [block.window(sums) for block, sums in zip(content.blocks, content.frame_sums, strict=True)]
    if content.frame is not None and not content.block_seconds:
        return dict.fromkeys(timing.windows, compare.calibrate(content.frame, panes))
    calibrations = {}
    day_seconds = timing.rungs[-1].pane_seconds * WHOLE_DAY
    for name, seconds in timing.windows.items():
        span = max(1, round(seconds / content.block_seconds))
        spans: Spans
        if content.frame is not None and sum(pane.vectors.n > 0 for pane in panes) >= MINIMUM_BLOCKS:
            try:
                spans = Blocks.of(
                    content.frame,
                    panes,
                    span,
                    () if continued is None else continued.later.get(name, ()),
                    None if continued is None else continued.after(),
                    whole_days=min(seconds, content.block_seconds * len(panes)) >= day_seconds,
                )
            except ValueError:
                # Most of the vectors came in a few of the blocks.
                spans = Spans.joined(panes, span)
        else:
            spans = Spans.joined(panes, span)
        calibrations[name] = Calibration.learn(spans, budget.alpha(name))
    return calibrations
