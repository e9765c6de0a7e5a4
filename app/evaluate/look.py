"""One series at a moment: its windows, as the statistics read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.baseline import PinnedBaseline
from app.distribution import Distribution
from app.drift.calibration import Calibration
from app.drift.repeats import Repeats
from app.drift.sums import FrameSums, VectorSums
from app.drift.window import Window
from app.evaluate.views import WindowView
from app.series import Pane, Series
from app.series import Window as SeriesWindow


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A series, its windows and its own baseline."""

    series: Series
    windows: Mapping[str, SeriesWindow]
    views: Mapping[str, WindowView]
    baseline: PinnedBaseline | None
    calibrations: Mapping[str, Calibration]
    """By window; empty without a baseline."""
    now: float

    def is_full(self, window: str) -> bool:
        """Whether the series is as old as the window is long, and the exporter was there to see it.

        Limits of a day say nothing of its first hour, nor of the first one after a day without an exporter. Those of a
        baseline without time hold for any window.
        """
        return self._timeless or self.series.is_full(self.windows[window].seconds, self.now)

    def is_measured(self, window: str) -> bool:
        """Whether all of the window came since its vectors are measured in the frame."""
        since = self.series.measured_since
        return self._timeless or (since is not None and self.now - since >= self.windows[window].seconds)

    @property
    def _timeless(self) -> bool:
        return self.baseline is not None and not self.baseline.content.block_seconds

    def events(self, window: str) -> int:
        """Events of a window."""
        return self.views[window].events


def look_at(
    series: Series, now: float, baseline: PinnedBaseline | None, calibrations: Mapping[str, Calibration]
) -> Look:
    """The windows of a series as of now."""
    windows = series.windows(now)
    views = {name: _view(window) for name, window in windows.items()}
    return Look(series, windows, views, baseline, calibrations, now)


def _view(window: SeriesWindow) -> WindowView:
    pane = window.pane
    signals = {name: sketch.distribution() for name, sketch in pane.quantiles.items() if sketch.n}
    vectors = 0 if pane.vectors is None else pane.vectors.n
    return WindowView(window.name, pane.events, vectors, signals, window.same_input, pane.queries)


def readable(look: Look, window: str, minimum: int) -> Window:
    """What a window offers to the statistics; parts with fewer than `minimum` events are left out."""
    view, pane = look.views[window], look.windows[window].pane
    found = of_pane(pane, view.signals)
    if found.vectors.n + found.invalid < minimum:
        found = replace(found, vectors=VectorSums.none(), frame=FrameSums.none(), invalid=0)
    if not look.is_measured(window):
        found = replace(found, frame=FrameSums.none())
    return replace(
        found,
        norms=_enough(found.norms, minimum),
        top1=_enough(found.top1, minimum),
        same_input=view.same_input,
        repeats=Repeats(1.0, 0.0, largest_repeat(pane, look.baseline)),
    )


def of_pane(pane: Pane, signals: Mapping[str, Distribution]) -> Window:
    """A pane as the statistics read it."""
    return Window(
        vectors=VectorSums.none() if pane.vectors is None else pane.vectors,
        frame=FrameSums.none() if pane.frame is None else pane.frame,
        invalid=pane.invalid,
        norms=signals.get("norm"),
        top1=signals.get("top1_similarity"),
    )


def largest_repeat(pane: Pane, baseline: PinnedBaseline | None) -> float:
    """Share of a pane's most frequent input above its share of the baseline."""
    if pane.inputs is None:
        return 0.0
    before = {} if baseline is None else baseline.content.top_inputs
    keys, shares = pane.inputs.shares()
    grown = (share - before.get(key, 0.0) for key, share in zip(keys.tolist(), shares.tolist(), strict=True))
    return max(0.0, *grown) if keys.size else 0.0


def _enough(distribution: Distribution | None, minimum: int) -> Distribution | None:
    return distribution if distribution is not None and distribution.n >= minimum else None
