"""The baseline that stays: learned once, pinned from a window or loaded, replaced only on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import RLock

import structlog

from app import __version__
from app.baseline.calibrate import MINIMUM_BLOCKS, Budget, calibrate
from app.baseline.continued import Continued
from app.baseline.reference import Origin, PinnedBaseline, State, freeze
from app.drift import kept_limits
from app.drift.calibration import Calibration
from app.drift.window import Window
from app.model import SeriesKey, Timing
from app.series import Learned, Material, Series
from app.tree import Piece, Pieces, Tree, new_stamp

log = structlog.get_logger(__name__)

RELEARN_GROWTH = 2.0
"""A provisional baseline is made anew when it has twice the events: its frame and limits cost a second of CPU, and what
was measured in the frame before is forgotten."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Limits:
    """The limits against one baseline, as they were learned last."""

    baseline: str
    """Its id."""
    calibrations: dict[str, Calibration]
    stamp: int = field(default_factory=new_stamp)


class Pinned:
    """The pinned baseline of each series. Safe from any thread.

    States: `learning` until there are `min_events` and blocks enough for a limit; then `provisional`, usable while
    learning goes on; `final` once the duration has passed too. Baselines outlive their series. One that was pinned
    from a window or loaded stays as it is, whatever its state.
    """

    def __init__(self, timing: Timing, min_events: int, budget: Budget, *, projected: bool = False) -> None:
        """With `projected` single vectors are measured, and may be kept, by projections alone."""
        self.projected = projected
        self._timing = timing
        self._min_events = min_events
        self._budget = budget
        # Held while a baseline is made of what was collected, or a slower thread could bring back a forgotten one.
        self._lock = RLock()
        self._baselines: dict[SeriesKey, PinnedBaseline] = {}
        self._limits: dict[SeriesKey, _Limits] = {}
        self._continued: dict[SeriesKey, tuple[str, Continued]] = {}
        # By the blocks at the last try: a try costs a second of CPU, and only another block may tell more.
        self._tried: dict[SeriesKey, tuple[int, bool]] = {}

    def of(self, series: Series, now: float) -> PinnedBaseline | None:
        """The baseline of a series as of now; None while there is too little of it."""
        with self._lock:
            return self._of(series, now)

    def _of(self, series: Series, now: float) -> PinnedBaseline | None:
        baseline = self._baselines.get(series.key)
        if baseline is not None and (baseline.state == "final" or baseline.origin != "learned"):
            series.stop_learning()
            return baseline
        learned = series.learned()
        if learned is None or not self._is_time(learned, baseline, now):
            return baseline
        done = now - learned.since >= self._timing.baseline_duration_seconds
        if self._tried.get(series.key) == (learned.blocks, done):
            return baseline
        self._tried[series.key] = (learned.blocks, done)
        material = series.learned_material(now)
        if material is None:
            return baseline
        made = self._freeze(series, material, "learned", "final" if done else "provisional", now)
        calibrations = calibrate(made.content, self._timing, self._budget)
        if not any(each.has_limits for each in calibrations.values()):
            return baseline
        if done:
            series.stop_learning()
        self._limits[series.key] = _Limits(made.id, calibrations)
        return self._keep(made)

    def _is_time(self, learned: Learned, baseline: PinnedBaseline | None, now: float) -> bool:
        """Whether a baseline, or another one in the place of a provisional one, can and should be made."""
        if learned.events < self._min_events or learned.blocks < MINIMUM_BLOCKS:
            return False
        passed = now - learned.since
        if baseline is None or passed >= self._timing.baseline_duration_seconds:
            return True
        # In the second half of its time the next one is the final one.
        return (
            learned.events >= RELEARN_GROWTH * baseline.events and passed <= self._timing.baseline_duration_seconds / 2
        )

    def observe(self, baseline: PinnedBaseline, windows: Mapping[str, tuple[Window, float]], now: float) -> None:
        """Learn from windows with their largest scores, in the week after a baseline that this exporter learned.

        One that came as a file keeps the limits that it has, or two replicas would no longer measure alike.
        """
        if baseline.state != "final" or baseline.origin not in {"learned", "window"}:
            return
        with self._lock:
            since = self._continued.get(baseline.key)
            if since is None or since[0] != baseline.id:
                since = self._continued[baseline.key] = (baseline.id, Continued(baseline.created, self._timing))
            continued = since[1]
            for name, (window, score) in windows.items():
                continued.observe(name, window, score, now)
            due = continued.is_due(now)
        if due:
            self._learn_limits(baseline, continued)

    def calibrations(self, baseline: PinnedBaseline) -> dict[str, Calibration]:
        """The limits against a baseline, for each window that has any; learned at the first call."""
        known = self._limits.get(baseline.key)
        if known is None or known.baseline != baseline.id:
            since = self._continued.get(baseline.key)
            known = self._learn_limits(baseline, None if since is None or since[0] != baseline.id else since[1])
        return known.calibrations

    def _learn_limits(self, baseline: PinnedBaseline, continued: Continued | None) -> _Limits:
        # Beside the lock: it takes some tenths of a second.
        learned = _Limits(baseline.id, calibrate(baseline.content, self._timing, self._budget, continued))
        with self._lock:
            before = self._limits.get(baseline.key)
            if before is not None and before.baseline == baseline.id:
                learned = replace(learned, calibrations=_with_joint(learned.calibrations, before.calibrations))
            self._limits[baseline.key] = learned
        return learned

    def freeze(self, pieces: Pieces) -> Tree:
        """What was learned since each baseline, and its limits; the baselines are kept apart, see `baseline.kept`."""
        with self._lock:
            # Without any vectors a baseline is another one after a start, and so are its limits.
            limits = self._limits if pieces.vectors or self.projected else {}
            return {
                "continued": [[list(key), each.freeze(pieces)] for key, (_, each) in self._continued.items()],
                "rules": self._rules_of_limits(),
                "limits": [
                    [
                        list(key),
                        each.baseline,
                        pieces.piece(each.stamp, partial(kept_limits.to_tree, each.calibrations)),
                    ]
                    for key, each in limits.items()
                ],
            }

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen, for the baselines that are there already."""
        with self._lock:
            for name, frozen in tree["continued"]:
                baseline = self._baselines.get(SeriesKey(*name))
                if baseline is not None and baseline.created == frozen["created"]:
                    self._continued[baseline.key] = baseline.id, Continued.thaw(frozen, self._timing)
            if tree.get("rules") == self._rules_of_limits():
                for name, of, piece in tree["limits"]:
                    self._thaw_limits(SeriesKey(*name), of, piece)

    def _thaw_limits(self, key: SeriesKey, of: str, piece: Piece) -> None:
        baseline = self._baselines.get(key)
        if baseline is None or baseline.id != of or piece.tree is None:
            return
        frame = baseline.content.frame
        try:
            calibrations = kept_limits.from_tree(piece.tree, None if frame is None else frame.whitening)
        except (KeyError, TypeError, ValueError):
            # Those of another layout: they are learned at the first evaluation.
            log.warning("limits not restored", **key._asdict())
            return
        self._limits[key] = _Limits(of, calibrations, piece.stamp)

    def _rules_of_limits(self) -> Tree:
        """What limits are learned by: those of another version, or of another budget, are learned again."""
        return {"version": __version__, "alpha": {name: self._budget.alpha(name) for name in self._timing.windows}}

    def find(self, key: SeriesKey) -> PinnedBaseline | None:
        """The baseline at hand, without looking for more."""
        return self._baselines.get(key)

    def all(self) -> list[PinnedBaseline]:
        """Every baseline, those of departed series too."""
        with self._lock:
            return list(self._baselines.values())

    def progress(self, series: Series, now: float) -> Progress:
        """How far learning has come."""
        learned = series.learned()
        return Progress(
            events=0 if learned is None else learned.events,
            events_needed=self._min_events,
            seconds=0.0 if learned is None else now - learned.since,
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

    def upload(self, baseline: PinnedBaseline, *, replace: bool) -> None:
        """Take a baseline that was sent.

        Raises:
            BaselineExists: there is a final one and `replace` is false.
        """
        with self._lock:
            present = self.find(baseline.key)
            if present is not None and present.state == "final" and not replace:
                raise BaselineExists
            self._keep(baseline)

    def adopt(self, baseline: PinnedBaseline) -> None:
        """Take a baseline that was made elsewhere."""
        with self._lock:
            self._baselines[baseline.key] = baseline

    def unpin(self, series: Series | None, key: SeriesKey, now: float) -> bool:
        """Forget a baseline and learn anew; say whether there was one."""
        with self._lock:
            present = self._baselines.pop(key, None)
            self._limits.pop(key, None)
            self._continued.pop(key, None)
            if series is not None:
                series.restart_learning(now)
            return present is not None

    def nbytes_of_departed(self, live: set[SeriesKey]) -> int:
        """Bytes of the baselines whose series is not live."""
        return sum(baseline.content.nbytes for baseline in self.all() if baseline.key not in live)

    def _freeze(self, series: Series, material: Material, origin: Origin, state: State, now: float) -> PinnedBaseline:
        return freeze(
            material,
            key=series.key,
            state=state,
            origin=origin,
            now=now,
            similarity_metric=series.similarity_metric,
            projected=self.projected,
        )

    def _keep(self, baseline: PinnedBaseline) -> PinnedBaseline:
        self.adopt(baseline)
        log.info("baseline", **baseline.key._asdict(), state=baseline.state, origin=baseline.origin, id=baseline.id)
        return baseline


def _with_joint(learned: dict[str, Calibration], before: Mapping[str, Calibration]) -> dict[str, Calibration]:
    """The limits; `joint` keeps its own where a baseline that was kept without sums of few vectors tells of none."""
    joined = {}
    for name, each in learned.items():
        vectors, known = each.vectors, before[name].vectors if name in before else None
        if vectors is not None and vectors.joint is None and known is not None:
            vectors = replace(vectors, joint=known.joint)
        joined[name] = replace(each, vectors=vectors)
    return joined
