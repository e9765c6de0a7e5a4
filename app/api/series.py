"""GET /v1/series: every series with its state, counts, windows and scores, and the worst slice of each model."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.reply import json_reply
from app.api.services import Services
from app.api.summary import summaries, worst_slices


async def get_series(request: Request) -> Response:
    """List the series, as of the last evaluation."""
    services: Services = request.app.services
    return json_reply(await run_in_threadpool(_listed, services))


def _listed(services: Services) -> dict[str, object]:
    # In this order: what is staged comes to the slices when the series are read.
    series = summaries(services)
    return {"series": series, "worst_slices": worst_slices(services)}
