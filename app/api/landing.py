"""The landing page: what an engineer sees first, at 2 a.m. too."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jinja2
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from app import __version__
from app.api.pictures import histogram, scatter
from app.api.services import Services
from app.api.summary import diagnosis, height, highest_score
from app.evaluate import BaselineView, SeriesView
from app.model import Score
from app.relevance import RELEVANCE_K
from app.series import Totals

PICTURED = ("pc1", "norm", "top1_similarity")
PICTURED_WINDOW = "1h"
OVER_TOLD = 8

# Every label on the page came from a client: autoescape is what keeps it text.
_templates = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_page = _templates.from_string(files("app.api").joinpath("templates/landing.html").read_text("utf-8"))


async def get_landing(request: Request) -> Response:
    """Show each series with its state, counts, main gauges and small pictures."""
    services: Services = request.app.services
    return HTMLResponse(await run_in_threadpool(_render, services))


def _render(services: Services) -> str:
    evaluation = services.evaluator.latest
    now, offset = services.clock.reading()
    cards = [_card(services, totals, evaluation.series.get(totals.key), now) for totals in services.store.totals(now)]
    counts = services.store.counts()
    return _page.render(
        version=__version__,
        cards=sorted(cards, key=lambda card: card["order"], reverse=True),
        counts=counts,
        time_scale=services.time_scale,
        evaluated=None if evaluation.at == 0 else datetime.fromtimestamp(evaluation.at + offset, UTC),
        refresh_seconds=max(2, round(services.timing.evaluation_seconds)),
    )


def _card(services: Services, totals: Totals, view: SeriesView | None, now: float) -> dict[str, Any]:
    worst = highest_score(view)
    baseline = None if view is None else view.baselines[0]
    return {
        "key": totals.key,
        "totals": totals,
        "failed": totals.failed_queries.total(),
        "invalid": totals.invalid_vectors.total(),
        "age_seconds": max(0.0, now - totals.last_event),
        "diagnoses": {} if view is None else _diagnoses(view),
        "came_of_it": _came_of_it(services, totals, view, now),
        "windows": [] if view is None else _windows(view, services.min_window_events),
        "baseline": baseline,
        "others": [] if view is None else view.baselines[1:],
        "learning": None if baseline is None else _learning(baseline),
        "worst_score": None if worst is None else worst.score,
        "over": [] if view is None else _over(view),
        "pictures": [] if view is None else _pictures(view),
        "order": height(worst),
    }


def _diagnoses(view: SeriesView) -> dict[str, str]:
    """What probably happened, by baseline; of those that say the same the first."""
    lines = {name: diagnosis(suspects) for name, suspects in view.suspects.items()}
    first = {line: name for name, line in reversed(lines.items()) if line is not None}
    return {name: line for line, name in reversed(first.items())}


def _came_of_it(
    services: Services, totals: Totals, view: SeriesView | None, now: float
) -> dict[str, list[tuple[float | None, int]]]:
    """Of the last hour and before it: the share of each outcome and the recall, and of how many queries it is known."""
    rows = {
        name.replace("_", " "): [(each.ratio, each.known) for each in shares]
        for name, shares in services.recent_outcomes.shares(totals.key).items()
    }
    if totals.relevance is not None and view is not None:
        hour, ever = view.windows[PICTURED_WINDOW].queries, totals.relevance
        # Counters are live and windows as of the evaluation: the few queries since then are taken for older ones, but
        # where there are no older ones.
        had_before = totals.first_seen < now - services.timing.windows[PICTURED_WINDOW]
        before = max(ever.queries - hour.labelled, 0) if had_before else 0
        recall = float(ever.recall[RELEVANCE_K.index(10)]) - hour.recall
        rows["recall at 10"] = [
            (hour.recall / hour.labelled if hour.labelled else None, hour.labelled),
            (min(max(recall / before, 0.0), 1.0) if before else None, before),
        ]
    return rows


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


def _learning(baseline: BaselineView) -> dict[str, float] | None:
    progress = baseline.progress
    if progress is None or baseline.origin != "learned" or baseline.state == "final":
        return None
    return {
        "events": progress.events,
        "events_needed": progress.events_needed,
        "share": min(1.0, progress.seconds / progress.seconds_needed),
    }


def _over(view: SeriesView) -> list[Score]:
    """The highest scores over 1, each statistic against each baseline once: in the end all windows show a drift."""
    over = [score for score in view.scores if score.score is not None and score.score > 1]
    highest = {(score.statistic, score.baseline): score for score in sorted(over, key=height)}
    return sorted(highest.values(), key=height, reverse=True)[:OVER_TOLD]


def _pictures(view: SeriesView) -> list[str]:
    """Where the vectors lie first, then the distributions of single numbers."""
    picture = view.picture
    current, baseline = view.windows[PICTURED_WINDOW].signals, view.baselines[0].signals
    drawn = [] if picture is None else [scatter(picture.window, picture.current, picture.baseline)]
    drawn += [histogram(signal, current.get(signal), baseline.get(signal)) for signal in PICTURED]
    return [each for each in drawn if each]
