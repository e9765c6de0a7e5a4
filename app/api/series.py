"""GET /v1/series: every series with its state, counts, windows and scores."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.reply import json_reply
from app.api.services import Services
from app.api.summary import summaries


async def get_series(request: Request) -> Response:
    """List the series, as of the last evaluation."""
    services: Services = request.app.state.services
    return json_reply({"series": await run_in_threadpool(summaries, services)})
