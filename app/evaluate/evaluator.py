"""Scores of every series at a moment: store x baselines x statistics. A scrape renders the last result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol

import structlog

from app.baseline import Pinned, PinnedBaseline
from app.drift.calibration import Calibration
from app.drift.sums import FrameSums, VectorSums
from app.evaluate.against import Found, hold, suspects
from app.evaluate.canary import canaries
from app.evaluate.diagnostics import row_diagnostics, scalar_diagnostics
from app.evaluate.documents import documents_of, hold_documents
from app.evaluate.look import Look, look_at, readable
from app.evaluate.peers import peers
from app.evaluate.results import results_of
from app.evaluate.rules import Rules
from app.evaluate.sources import tokenizers
from app.evaluate.trailing import TRAILING_DAYS, trailing
from app.evaluate.views import BaselineView, Evaluation, SeriesView
from app.model import SeriesKey, SimilarityMetric
from app.series import Series
from app.store import SeriesStore

PEER_WINDOWS: Final = ("5m", "1h")
"""Those that a peer is held against: a canary is not waited for a day."""

LONG_WINDOWS: Final = ("1h", "24h")
"""Those that trailing baselines are held against."""

log = structlog.get_logger(__name__)


class Upkeep(Protocol):
    """What an evaluation changes of what is counted; in its turn among the requests, so maybe a moment later."""

    def expire(self, now: float) -> None:
        """Let idle series go."""
        ...

    def judge_by(self, series: Series, poor_match_limit: float | None) -> None:
        """Judge the matches of a series by this limit from now on."""
        ...


class _AtOnce:
    """Upkeep of a store that nobody else writes down."""

    def __init__(self, store: SeriesStore) -> None:
        self._store = store

    def expire(self, now: float) -> None:
        self._store.expire(now)

    def judge_by(self, series: Series, poor_match_limit: float | None) -> None:
        series.set_poor_match_limit(poor_match_limit)


class Evaluator:
    """Evaluates the store now and then; `latest` is the last result.

    Runs beside ingest: it holds a series only while it copies its windows.
    """

    def __init__(self, store: SeriesStore, pinned: Pinned, rules: Rules, upkeep: Upkeep | None = None) -> None:
        self._store = store
        self._upkeep = _AtOnce(store) if upkeep is None else upkeep
        self._pinned = pinned
        self._rules = rules
        self.latest = Evaluation()

    def tick(self, now: float) -> Evaluation:
        """Let idle series go, bring baselines up to date, score what is left."""
        begun = time.perf_counter()
        self._upkeep.expire(now)
        live = self._store.series()
        self._store.reserve(self._pinned.nbytes_of_departed({series.key for series in live}))
        looks = dict(self._looks(live, now))
        rivals = peers(looks.values())
        others = rivals if "peer" in self._rules.baselines else {}
        documents = documents_of(looks.values())
        views = {}
        for key, look in looks.items():
            try:
                views[key] = self._view(look, others.get(key), documents.get(key), now)
            except Exception:
                # A bug met in one series must not cost the others their scores; its own are absent, not stale.
                log.exception("series not evaluated", **key._asdict())
        counts = [look.series.measured for look in looks.values()]
        self.latest = Evaluation(
            at=now,
            duration_seconds=time.perf_counter() - begun,
            series=views,
            measured=sum(measured for measured, _ in counts),
            measurable=sum(offered for _, offered in counts),
            canaries=canaries(views, {key: look.series.key for key, look in rivals.items()}),
            tokenizers=tokenizers(looks.values()),
        )
        return self.latest

    def _looks(self, live: list[Series], now: float) -> Iterator[tuple[SeriesKey, Look]]:
        for series in live:
            try:
                baseline = self._pinned.of(series, now)
                calibrations: Mapping[str, Calibration] = {}
                if baseline is not None:
                    series.measure_with(baseline.yardstick, now)
                    calibrations = self._pinned.calibrations(baseline)
                look = look_at(series, now, baseline, calibrations)
                # After the look, by which all that came before has been counted.
                self._upkeep.judge_by(series, self._poor_match_limit(series, baseline))
                yield series.key, look
            except Exception:
                log.exception("series not evaluated", **series.key._asdict())

    def _view(self, look: Look, peer: Look | None, documents: Look | None, now: float) -> SeriesView:
        found: dict[tuple[str, str], Found] = {}
        baselines = [self._own(look, now)]
        if look.baseline is not None:
            found |= self._held(look, baselines[0].name, look.calibrations, look.baseline)
            if documents is not None:
                found = {place: self._with_documents(each, place[0], look, documents) for place, each in found.items()}
            self._pinned.observe(
                look.baseline, {window: (each.window, each.highest) for (window, _), each in found.items()}, now
            )
            for name in (each for each in TRAILING_DAYS if each in self._rules.baselines):
                view, window = trailing(look, name, self._rules.day_seconds, now)
                baselines.append(view)
                if window is not None:
                    # Five minutes against weeks would say what they say against the pinned baseline.
                    long = [each for each in look.calibrations if each in LONG_WINDOWS]
                    rebased = {each: look.calibrations[each].rebased(window) for each in long}
                    found |= self._held(look, name, rebased, look.baseline)
        if peer is not None and (limits := self._peer_limits(look, peer)):
            baselines.append(_peer_view(peer))
            found |= self._held(look, "peer", limits, peer.baseline)
        scores = [score for each in found.values() for score in each.scores]
        picture = None
        if look.baseline is not None:
            minimum = self._rules.min_window_events
            scores += scalar_diagnostics(look, look.baseline, minimum)
            of_rows, picture = row_diagnostics(look, look.baseline, minimum, now)
            scores += of_rows
        return SeriesView(
            look.series.key,
            look.views,
            tuple(baselines),
            tuple(scores),
            effects={place: each.effects for place, each in found.items()},
            similarity_kl={
                place: each.similarity_kl for place, each in found.items() if each.similarity_kl is not None
            },
            suspects={
                view.name: suspects([each for (_, name), each in found.items() if name == view.name])
                for view in baselines
                if any(name == view.name for _, name in found)
            },
            picture=picture,
            results=results_of(look.series, look.baseline, now) if look.series.key.kind == "query" else None,
            space=look.series.space,
            similarity_metric=look.series.similarity_metric,
            poor_match_limit=self._poor_match_limit(look.series, look.baseline),
        )

    def _held(
        self, look: Look, name: str, calibrations: Mapping[str, Calibration], baseline: PinnedBaseline | None
    ) -> dict[tuple[str, str], Found]:
        """Each window that has limits, against one baseline."""
        found = {}
        for window, calibration in calibrations.items():
            if not look.is_full(window):
                continue
            current = readable(look, window, self._rules.min_window_events)
            growth = _label_growth(look, window, baseline)
            found[window, name] = hold(
                current, window, name, calibration, overrides=self._rules.limits, label_growth=growth
            )
        return found

    def _with_documents(self, found: Found, window: str, look: Look, documents: Look) -> Found:
        score = hold_documents(look, documents, window, found.window, self._rules) if window in LONG_WINDOWS else None
        return found if score is None else replace(found, scores=(*found.scores, score))

    def _peer_limits(self, look: Look, peer: Look) -> dict[str, Calibration]:
        """The limits of the peer's own baseline around its present windows: what both met alike is no difference."""
        limits = {}
        same_space = look.series.space == peer.series.space and look.series.dimension == peer.series.dimension
        for window, calibration in (peer.calibrations or look.calibrations).items():
            if window not in PEER_WINDOWS:
                continue
            other = readable(peer, window, self._rules.min_window_events)
            # Each is measured in the frame of its own baseline: what compares is sums of vectors, within one space.
            other = replace(other, frame=FrameSums.none())
            if not same_space:
                other = replace(other, vectors=VectorSums.none(), norms=None, invalid=0)
            limits[window] = calibration.rebased(other)
        return limits

    def _own(self, look: Look, now: float) -> BaselineView:
        baseline = look.baseline
        progress = self._pinned.progress(look.series, now)
        if baseline is None:
            return BaselineView("pinned", "learning", "learned", None, progress.events, {}, progress=progress)
        return BaselineView(
            baseline.name,
            baseline.state,
            baseline.origin,
            baseline.id,
            baseline.events,
            baseline.content.signals,
            created=baseline.created,
            progress=progress,
        )

    def _poor_match_limit(self, series: Series, baseline: PinnedBaseline | None) -> float | None:
        """The absolute limit where one is set and the scores are cosines; else that of the baseline."""
        bounded = {SimilarityMetric.COSINE, SimilarityMetric.L2, SimilarityMetric.L2_SQUARED}
        if self._rules.poor_match_similarity is not None and series.similarity_metric in bounded:
            return self._rules.poor_match_similarity
        return None if baseline is None else baseline.poor_match_limit


def _peer_view(peer: Look) -> BaselineView:
    day = peer.views["24h"]
    state = "provisional" if peer.baseline is None else peer.baseline.state
    return BaselineView("peer", state, "peer", None, day.events, day.signals, peer=peer.series.key)


def _label_growth(look: Look, window: str, baseline: PinnedBaseline | None) -> dict[str, float]:
    """How much the share of each slice label has grown that at least doubled, by "name=value".

    A slice that is most of the traffic anyway grows with whatever its users ask for: it brings no news of them.
    """
    pane = look.windows[window].pane
    if pane.labels is None or not pane.events or baseline is None:
        return {}
    before = baseline.content.label_shares
    growth = {pair: count / pane.events - before.get(pair, 0.0) for pair, count in pane.labels.counts.items()}
    return {
        f"{name}={value}": grown for (name, value), grown in growth.items() if grown >= before.get((name, value), 0.0)
    }
