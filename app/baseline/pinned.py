"""The baseline that stays: learned once, pinned from a window or loaded, replaced only on request."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as with_changes
from threading import RLock

import structlog

from app.baseline.reference import Origin, PinnedBaseline, State, freeze
from app.drift.limit import MINIMUM_BLOCKS
from app.model import SeriesKey, Timing
from app.series import Material, Series

log = structlog.get_logger(__name__)

RELEARN_GROWTH = 1.5
"""A provisional baseline is made anew when it has half as many events again: its limits cost some hundred ms of CPU."""


class BaselineExists(Exception):  # noqa: N818 - says what is there, not what failed
    """The series has a baseline and nobody asked to replace it."""


class NotEnoughEvents(Exception):  # noqa: N818
    """The window holds too few events for a baseline."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the learning of a baseline has come."""

    events: int
    events_needed: int
    seconds: float
    seconds_needed: float


class Pinned:
    """The pinned baseline of each series. Safe from any thread.

    States: `learning` until there are `min_events` and blocks enough for a limit; then `provisional`, usable while
    learning goes on; `final` once the duration has passed too. Baselines outlive their series. One that was pinned
    from a window or loaded stays as it is, whatever its state.
    """

    def __init__(self, timing: Timing, min_events: int) -> None:
        self._timing = timing
        self._min_events = min_events
        # Held while a baseline is made of what was collected, or a slower thread could bring back a forgotten one.
        self._lock = RLock()
        self._baselines: dict[SeriesKey, PinnedBaseline] = {}

    def of(self, series: Series, now: float) -> PinnedBaseline | None:
        """The baseline of a series as of now; None while there is too little of it."""
        with self._lock:
            return self._of(series, now)

    def _of(self, series: Series, now: float) -> PinnedBaseline | None:
        baseline = self._baselines.get(series.key)
        if baseline is not None and (baseline.state == "final" or baseline.origin != "learned"):
            series.stop_learning()
            return baseline
        events, since = series.learned_events(), series.learning_since()
        if events is None or since is None or events < self._min_events:
            return baseline
        done = now - since >= self._timing.baseline_duration_seconds
        if not done and baseline is not None and events < RELEARN_GROWTH * baseline.events:
            return baseline
        material = series.learned_material(now)
        if material is None or all(len(blocks) < MINIMUM_BLOCKS for blocks in material.blocks.values()):
            return baseline
        if not done:
            # The sample is still being drawn: a copy of it would cost as much again.
            material = with_changes(material, sample=None)
        learned = self._freeze(series, material, "learned", "final" if done else "provisional", now)
        if not learned.limits:
            return baseline
        if done:
            series.stop_learning()
        return self._keep(learned)

    def find(self, key: SeriesKey) -> PinnedBaseline | None:
        """The baseline at hand, without looking for more."""
        return self._baselines.get(key)

    def all(self) -> list[PinnedBaseline]:
        """Every baseline, those of departed series too."""
        with self._lock:
            return list(self._baselines.values())

    def progress(self, series: Series, now: float) -> Progress:
        """How far learning has come."""
        since = series.learning_since()
        return Progress(
            events=series.learned_events() or 0,
            events_needed=self._min_events,
            seconds=0.0 if since is None else now - since,
            seconds_needed=self._timing.baseline_duration_seconds,
        )

    def pin_window(self, series: Series, window: str, now: float, *, replace: bool) -> PinnedBaseline:
        """Make a window of the series its baseline, final if it holds as long a time as a learned one would.

        Raises:
            BaselineExists: there is a final one and `replace` is false.
            NotEnoughEvents: the window has fewer than `min_events`.
        """
        with self._lock:
            present = self.find(series.key)
            if present is not None and present.state == "final" and not replace:
                raise BaselineExists
            material = series.window_material(window, now)
            if material.events < self._min_events:
                message = f"the window has {material.events} of the {self._min_events} events that a baseline needs"
                raise NotEnoughEvents(message)
            covered = now - material.started >= self._timing.baseline_duration_seconds
            pinned = self._freeze(series, material, "window", "final" if covered else "provisional", now)
            series.stop_learning()
            return self._keep(pinned)

    def adopt(self, baseline: PinnedBaseline) -> None:
        """Take a baseline that was made elsewhere."""
        with self._lock:
            self._baselines[baseline.key] = baseline

    def unpin(self, series: Series | None, key: SeriesKey, now: float) -> bool:
        """Forget a baseline and learn anew; say whether there was one."""
        with self._lock:
            present = self._baselines.pop(key, None)
            if series is not None:
                series.restart_learning(now)
            return present is not None

    def nbytes_of_departed(self, live: set[SeriesKey]) -> int:
        """Bytes of the baselines whose series is not live."""
        return sum(baseline.nbytes for baseline in self.all() if baseline.key not in live)

    def _freeze(self, series: Series, material: Material, origin: Origin, state: State, now: float) -> PinnedBaseline:
        return freeze(
            material,
            key=series.key,
            state=state,
            origin=origin,
            now=now,
            similarity_metric=series.similarity_metric,
            windows=tuple(self._timing.windows),
        )

    def _keep(self, baseline: PinnedBaseline) -> PinnedBaseline:
        self.adopt(baseline)
        log.info("baseline", **baseline.key._asdict(), state=baseline.state, origin=baseline.origin, id=baseline.id)
        return baseline
