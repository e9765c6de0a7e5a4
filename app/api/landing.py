"""The landing page: what an engineer sees first, at 2 a.m. too."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

import jinja2
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from app import __version__
from app.api.pictures import histogram
from app.api.services import Services
from app.api.summary import highest_score
from app.evaluate import BaselineView, SeriesView
from app.model import Score
from app.series import Totals

PICTURED = ("top1_similarity", "norm")
PICTURED_WINDOW = "1h"
OVER_TOLD = 6

# Every label on the page came from a client: autoescape is what keeps it text.
_templates = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_page = _templates.from_string(files("app.api").joinpath("templates/landing.html").read_text("utf-8"))


async def get_landing(request: Request) -> Response:
    """Show each series with its state, counts, main gauges and small pictures."""
    services: Services = request.app.state.services
    return HTMLResponse(await run_in_threadpool(_render, services))


def _render(services: Services) -> str:
    evaluation = services.evaluator.latest
    now = services.clock.now()
    cards = [_card(services, totals, evaluation.series.get(totals.key), now) for totals in services.store.totals(now)]
    counts = services.store.counts()
    return _page.render(
        version=__version__,
        cards=sorted(cards, key=lambda card: -float(str(card["order"]))),
        counts=counts,
        time_scale=services.time_scale,
        evaluated=None if evaluation.at == 0 else datetime.fromtimestamp(evaluation.at, UTC),
        refresh_seconds=max(2, round(services.timing.evaluation_seconds)),
    )


def _card(services: Services, totals: Totals, view: SeriesView | None, now: float) -> dict[str, object]:
    worst = highest_score(view)
    baseline = None if view is None else view.baselines[0]
    return {
        "key": totals.key,
        "totals": totals,
        "failed": totals.failed_queries.total(),
        "invalid": totals.invalid_vectors.total(),
        "age_seconds": max(0.0, now - totals.last_event),
        "windows": [] if view is None else _windows(view, services.min_window_events),
        "baseline": baseline,
        "learning": None if baseline is None else _learning(baseline),
        "worst_score": None if worst is None else worst.score,
        "over": [] if view is None else _over(view),
        "pictures": [] if view is None else _pictures(view, baseline),
        "order": -1.0 if worst is None or worst.score is None else worst.score,
    }


def _windows(view: SeriesView, needed: int) -> list[dict[str, object]]:
    rows = []
    for window in view.windows.values():
        norm, top1 = window.signals.get("norm"), window.signals.get("top1_similarity")
        scores = [score for score in view.scores if score.window == window.name and score.score is not None]
        rows.append(
            {
                "name": window.name,
                "events": window.events,
                "missing": f"{window.events} of {needed}" if window.events < needed else None,
                "norm": None if norm is None else float(norm.quantile(0.5)),
                "top1": None if top1 is None else float(top1.quantile(0.5)),
                "score": max((score.score or 0.0 for score in scores), default=None),
            }
        )
    return rows


def _learning(baseline: BaselineView) -> dict[str, float]:
    progress = baseline.progress
    return {
        "events": progress.events,
        "events_needed": progress.events_needed,
        "share": min(1.0, progress.seconds / progress.seconds_needed),
    }


def _over(view: SeriesView) -> list[Score]:
    """The highest scores over 1, each statistic of each signal once: what drifts shows in all windows in the end."""
    over = [score for score in view.scores if score.score is not None and score.score > 1]
    highest = {(score.signal, score.statistic): score for score in sorted(over, key=_height)}
    return sorted(highest.values(), key=_height, reverse=True)[:OVER_TOLD]


def _height(score: Score) -> float:
    return score.score or 0.0


def _pictures(view: SeriesView, baseline: BaselineView | None) -> list[str]:
    pinned = None if baseline is None else baseline.pinned
    current = view.windows[PICTURED_WINDOW].signals
    drawn = [
        histogram(signal, current.get(signal), None if pinned is None else pinned.signals.get(signal))
        for signal in PICTURED
    ]
    return [picture for picture in drawn if picture]
