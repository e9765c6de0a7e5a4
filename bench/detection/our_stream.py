"""The project's own frame, calibration and limits on the stream."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.drift.blocks import Blocks
from app.drift.budget import alpha_of_budget
from app.drift.calibration import MINIMUM_EVENTS, Calibration
from app.drift.learning import LEARNING_SECONDS, settled, teaches
from app.drift.sums import NOVELTY_LEVELS, FrameSums, VectorSums
from app.drift.window import Window
from app.frame import Frame
from bench.detection.data import DataSet, Rows
from bench.detection.ours import known
from bench.detection.rules import HOUR, WINDOWS, Reading
from bench.detection.stream import EVALUATION_SECONDS
from bench.detection.traffic import DAY
from bench.detection.window_sums import WindowSum, WindowSums

FALSE_ALARMS_PER_SERIES_YEAR = 1.0
BASELINES = 2
"""That share the budget: the pinned one, and a trailing one that is not simulated."""
BASELINE_SAMPLE = 2048
"""Rows that the frame is fitted from, spread evenly over the baseline's events."""
PANE_SECONDS = 300.0
PANES = 24
"""A shorter baseline than so many panes has shorter panes."""
CALIBRATION_SECONDS = 3 * HOUR
"""Limits are learned anew so often on the first day after the baseline, and once a day after it."""


class OurStream:
    """Learns a frame and limits from the first events; then scores windows from running sums, as an exporter would.

    Each row is measured in the frame once, whatever number of times it is asked.
    """

    def __init__(self, data: DataSet, baseline_seconds: float) -> None:
        self._vectors = data.vectors
        self._baseline_seconds = baseline_seconds
        self._pane_seconds = min(PANE_SECONDS, baseline_seconds / PANES)
        self._rows: list[Rows] = []
        self._times: list[NDArray[np.float64]] = []
        self._frame: Frame | None = None
        self._panes: list[Window] = []
        self._later: dict[str, list[Window]] = {name: [] for name in WINDOWS}
        self._calibrations: dict[str, Calibration] = {}
        self._sums = WindowSums(np.zeros((len(data.vectors), 1)), WINDOWS, EVALUATION_SECONDS)

    def add(self, rows: Rows, times: NDArray[np.float64]) -> None:
        """Keep the events of the baseline, count those after it."""
        if self._frame is None:
            self._rows.append(rows)
            self._times.append(times)
        else:
            self._sums.add(rows)

    def evaluate(self, now: float) -> Mapping[str, Reading]:
        """Score over limit, and effects; nothing while the baseline is learned."""
        if self._frame is None:
            if now >= self._baseline_seconds:
                self._freeze(now)
            return {}
        since = now - self._baseline_seconds
        readings = {}
        for name, found in self._sums.close().items():
            # A window that is not yet full is none of that duration: its hours are not those of a day.
            if found.n < MINIMUM_EVENTS or since < WINDOWS[name]:
                continue
            window = _window(found)
            calibration = self._calibrations[name]
            scores = {reading.statistic: reading.score for reading in calibration.read(window)}
            score = max(scores.values())
            if since % WINDOWS[name] == 0 and teaches(score, since):
                self._later[name].append(window)
            final = now >= DAY and calibration.time_matched
            readings[name] = Reading(scores, known(calibration.effects(window)), final, found.n)
        if since % (CALIBRATION_SECONDS if since < DAY else DAY) == 0 and since <= LEARNING_SECONDS:
            self._calibrate()
        return readings

    def _freeze(self, now: float) -> None:
        rows, times = np.concatenate(self._rows), np.concatenate(self._times)
        self._rows, self._times = [], []
        chosen = np.unique(np.linspace(0, len(rows) - 1, BASELINE_SAMPLE).astype(np.intp))
        mean = self._vectors[rows].mean(axis=0, dtype=np.float64)
        self._frame, held_out = Frame.fit(self._vectors[rows[chosen]], mean)

        pane = (times // self._pane_seconds).astype(np.intp)
        for i in range(round(now / self._pane_seconds)):
            sampled = np.flatnonzero(pane[chosen] == i)
            frame_sums = self._frame.sums(self._vectors[rows[chosen[sampled]]], held_out.take(sampled))
            self._panes.append(Window(VectorSums.of(self._vectors[rows[pane == i]]), frame_sums))
        self._calibrate()
        self._sums = WindowSums(self._features(), WINDOWS, EVALUATION_SECONDS)

    def _calibrate(self) -> None:
        assert self._frame is not None
        after = settled(self._later["1h"], HOUR)
        for name, seconds in WINDOWS.items():
            span = round(seconds / self._pane_seconds)
            whole_days = min(seconds, self._baseline_seconds) >= DAY
            blocks = Blocks.of(self._frame, self._panes, span, self._later[name], after=after, whole_days=whole_days)
            alpha = alpha_of_budget(FALSE_ALARMS_PER_SERIES_YEAR, seconds, len(WINDOWS), BASELINES)
            self._calibrations[name] = Calibration.learn(blocks, alpha)

    def _features(self) -> NDArray[np.float64]:
        """What a pane adds up, for each row of the data set, as `_window` takes it apart again."""
        assert self._frame is not None
        measured = self._frame.measure(self._vectors)
        squares = np.einsum("ij,ij->i", self._vectors, self._vectors, dtype=np.float64)
        frame_sums = []
        for row in range(len(self._vectors)):
            one = slice(row, row + 1)
            sums = self._frame.sums(self._vectors[one], measured.take(one))
            scalars = [sums.depth, sums.depth_squares, sums.distance, sums.distance_squares]
            frame_sums.append(np.concatenate([scalars, sums.below, sums.novel]))
        return np.column_stack([squares, self._vectors, np.asarray(frame_sums)])


def _window(found: WindowSum) -> Window:
    levels = len(NOVELTY_LEVELS)
    dimension = (found.total.size - 5 - levels) // 2
    squares, total, scalars, below, novel = np.split(found.total, np.cumsum([1, dimension, 4, levels]))
    depth, depth_squares, distance, distance_squares = scalars.tolist()
    return Window(
        VectorSums(found.n, total, float(squares[0])),
        FrameSums(
            n=found.n,
            depth=depth,
            depth_squares=depth_squares,
            distance=distance,
            distance_squares=distance_squares,
            below=np.rint(below).astype(np.int64),
            novel=novel,
            features=np.empty(0),
        ),
    )
