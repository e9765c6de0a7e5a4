"""The table of routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from app.access import Role
from app.api.baselines import (
    BASELINE_BODY,
    UPLOAD_PARAMETERS,
    delete_baseline,
    get_baseline,
    get_baselines,
    post_baselines,
)
from app.api.compare import COMPARE_PARAMETERS, COMPARE_REPLIES, get_compare, post_compare
from app.api.document import PATH as DOCUMENT
from app.api.document import get_docs, get_openapi
from app.api.events import post_events
from app.api.health import get_healthy, get_ready
from app.api.landing import get_landing
from app.api.lifecycle import LIFECYCLE_SCHEMA, post_lifecycle
from app.api.outcomes import OUTCOME_REPLIES, OUTCOMES_BODY, post_outcomes
from app.api.replies import (
    EVENT_REPLIES,
    PIN_REPLIES,
    REFUSALS,
    UNKNOWN_BASELINE,
    Reply,
    download,
    json_body,
    refusal,
    text,
)
from app.api.reply import error_reply
from app.api.route import DirectApp, DirectRoute, Endpoint
from app.api.runbooks import get_runbook, get_runbooks
from app.api.samples import SAMPLE_REPLIES, SAMPLES_PARAMETERS, get_samples
from app.api.scrape import get_metrics
from app.api.series import get_series
from app.decode.schema import events_request_body


class _Route(NamedTuple):
    method: str
    path: str
    endpoint: Endpoint
    tag: str
    replies: Mapping[int, Reply]
    """By status, the one of success first."""
    extra: dict[str, Any] | None = None
    """What else OpenAPI is to say of it."""
    aliases: tuple[str, ...] = ()
    in_document: bool = True


ROLES: Mapping[str, Role | None] = {
    "events": Role.INGEST,
    "lifecycle": Role.ADMIN,
    "scrape": Role.READ,
    "series": Role.READ,
    "baselines": Role.ADMIN,
    "people": Role.READ,
    "health": None,
    "runbooks": None,
}
"""Tag -> who may ask; None for everybody."""

NAME_FILTER = {
    "name": "name[]",
    "in": "query",
    "schema": {"type": "array", "items": {"type": "string"}},
    "description": "Only the samples of this name, such as embedding_norm_bucket.",
}
BASELINE_ID = {
    "name": "baseline_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "`id` in the list of baselines.",
}

RUNBOOK_NAME = {
    "name": "page",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "The name of an alert.",
}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Of one batch, and sent again with it: what came before with this key within 10 minutes is answered "
    "as it was then, with `Idempotent-Replayed: true`, and not counted again.",
}

WRONG_ADDRESS = {
    404: "no such path: /docs lists them",
    405: "this path takes another method: /docs lists them",
}


def _takes(body: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": body, "parameters": [IDEMPOTENCY_KEY]}


ROUTES = (
    _Route("POST", "/v1/events", post_events, "events", EVENT_REPLIES, _takes(events_request_body())),
    _Route("POST", "/v1/outcomes", post_outcomes, "events", OUTCOME_REPLIES, _takes(OUTCOMES_BODY)),
    _Route("POST", "/v1/lifecycle", post_lifecycle, "lifecycle", EVENT_REPLIES, _takes(LIFECYCLE_SCHEMA)),
    _Route("GET", "/metrics", get_metrics, "scrape", {200: text("A scrape.")}, {"parameters": [NAME_FILTER]}),
    _Route("GET", "/v1/samples", get_samples, "series", SAMPLE_REPLIES, {"parameters": SAMPLES_PARAMETERS}),
    _Route("GET", "/v1/series", get_series, "series", {200: json_body("The series.")}),
    _Route("GET", "/v1/compare", get_compare, "series", COMPARE_REPLIES, {"parameters": COMPARE_PARAMETERS}),
    _Route("POST", "/v1/compare", post_compare, "series", COMPARE_REPLIES, {"parameters": COMPARE_PARAMETERS}),
    _Route("GET", "/v1/baselines", get_baselines, "baselines", {200: json_body("The baselines, but those that move.")}),
    _Route(
        "POST",
        "/v1/baselines",
        post_baselines,
        "baselines",
        PIN_REPLIES,
        {"requestBody": BASELINE_BODY, "parameters": UPLOAD_PARAMETERS},
    ),
    _Route(
        "GET",
        "/v1/baselines/{baseline_id}",
        get_baseline,
        "baselines",
        {200: download("The file."), **UNKNOWN_BASELINE},
        {"parameters": [BASELINE_ID]},
    ),
    _Route(
        "DELETE",
        "/v1/baselines/{baseline_id}",
        delete_baseline,
        "baselines",
        {204: {"description": "Unpinned."}, **UNKNOWN_BASELINE},
        {"parameters": [BASELINE_ID]},
    ),
    _Route("GET", "/-/healthy", get_healthy, "health", {200: text("Alive.")}, aliases=("/healthz",)),
    _Route(
        "GET",
        "/-/ready",
        get_ready,
        "health",
        {200: text("Events are taken."), 503: text("Starting or stopping.")},
        aliases=("/readyz",),
    ),
    _Route("GET", "/runbooks", get_runbooks, "runbooks", {200: text("A list of pages.", "text/html")}),
    _Route(
        "GET",
        "/runbooks/{page}",
        get_runbook,
        "runbooks",
        {200: text("What an alert means, and what to do.", "text/html"), 404: refusal("No such page.")},
        {"parameters": [RUNBOOK_NAME]},
    ),
    _Route("GET", "/", get_landing, "people", {200: text("A page for people.", "text/html")}),
    _Route("GET", DOCUMENT, get_openapi, "people", {200: json_body("This document.")}, in_document=False),
    _Route("GET", "/docs", get_docs, "people", {200: text("It as a page.", "text/html")}, in_document=False),
)

INGEST_PATHS = tuple(route.path for route in ROUTES if route.tag == "events")
"""Where what clients send all the time comes in."""


def add_routes(app: DirectApp) -> None:
    """Add every route. What may be asked with GET may be asked with HEAD: a GET-only route would answer 405."""
    for route in ROUTES:
        role = ROLES[route.tag]
        refusals = {} if role is None else REFUSALS
        before = len(app.routes)
        app.add_api_route(
            route.path,
            route.endpoint,
            methods=[route.method],
            status_code=next(iter(route.replies)),
            tags=[route.tag],
            response_class=Response,
            response_model=None,
            responses={status: reply for each in (route.replies, refusals) for status, reply in each.items()},
            openapi_extra=route.extra,
            operation_id=route.endpoint.__name__,
            include_in_schema=route.in_document,
        )
        hidden = [(route.path, "HEAD")] if route.method == "GET" else []
        hidden += [(alias, method) for alias in route.aliases for method in ("GET", "HEAD")]
        for path, method in hidden:
            app.add_api_route(path, route.endpoint, methods=[method], response_model=None, include_in_schema=False)
        for added in app.routes[before:]:
            assert isinstance(added, DirectRoute)
            added.role = role
    app.direct |= {
        (method, route.path): route
        for route in app.routes
        if isinstance(route, DirectRoute) and not route.param_convertors
        for method in route.methods or ()
    }
    for status in WRONG_ADDRESS:
        app.add_exception_handler(status, _refuse)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # Starlette names the methods of the first route of the path alone.
        path = request.scope["path"]
        fitting = [route for route in request.app.routes if isinstance(route, DirectRoute)]
        methods = {method for route in fitting if route.path_regex.match(path) for method in route.methods or ()}
        headers["Allow"] = ", ".join(sorted(methods))
    return error_reply(error.status_code, WRONG_ADDRESS[error.status_code], headers)
