"""GET /v1/samples: the queries that matched worst, for people to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.query_numbers import integer
from app.api.replies import Reply, json_body, refusal
from app.api.reply import error_reply, json_reply
from app.api.services import Services
from app.model import SeriesKey
from app.triage import LowMatch

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
"""As many as a series keeps."""

SAMPLES_PARAMETERS: Final[list[dict[str, Any]]] = [
    {
        "name": name,
        "in": "query",
        "schema": {"type": "string"},
        "description": "Only series with this value in their key.",
    }
    for name in SeriesKey._fields
] + [
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "description": "Queries of each series at most.",
    }
]


SAMPLE_REPLIES: Final[dict[int, Reply]] = {
    200: json_body("The queries, by series."),
    400: refusal("An unknown query parameter."),
    404: refusal("No such series."),
    422: refusal("`limit` is out of its range."),
}


async def get_samples(request: Request) -> Response:
    """List the queries with the lowest similarity of the last five to ten minutes, by series, the lowest first.

    Of each its similarity, time, query_id and trace_id if it has them, the keyed hash of its input, and the ids and
    similarities of its first ten results: no text and no vector.
    """
    services: Services = request.app.services
    wanted = dict(request.query_params)
    limit = integer(wanted.pop("limit", str(DEFAULT_LIMIT)))
    if not wanted.keys() <= set(SeriesKey._fields):
        return error_reply(400, f"query parameters are {', '.join(SeriesKey._fields)}, and limit")
    if limit is None or not 1 <= limit <= MAX_LIMIT:
        return error_reply(422, f"limit must be an integer from 1 to {MAX_LIMIT}")
    told = await run_in_threadpool(_told, services, wanted, limit)
    if wanted and not told:
        return error_reply(404, "no such series: GET /v1/series lists them")
    return json_reply({"series": told})


def _told(services: Services, wanted: dict[str, str], limit: int) -> list[dict[str, object]]:
    now, offset = services.clock.reading()
    chosen = [each for each in services.store.series() if wanted.items() <= each.key._asdict().items()]
    return [
        {"id": each.key.id, **each.key._asdict(), "queries": _by_offset(each.lowest_matches(now)[:limit], offset)}
        for each in sorted(chosen, key=lambda series: series.key)
    ]


def _by_offset(matches: list[LowMatch], offset: float) -> list[LowMatch]:
    return [replace(each, timestamp=each.timestamp + offset) for each in matches] if offset else matches
