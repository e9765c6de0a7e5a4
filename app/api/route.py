"""Routes whose endpoint takes the request and returns the response, with nothing in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from app.access import Role
from app.api.body import header
from app.api.reply import error_reply
from app.api.services import Services

MAIN: Final = "main"
METRICS: Final = "metrics"
"""Listeners by name: with the second one, what is read is answered there and the rest at the first."""

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoute(APIRoute):
    """Stands in FastAPI's OpenAPI document, but skips its dependency machinery, which costs more than a decode.

    Each request is timed by its route template and status.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(path, endpoint, **options)
        self.app = self._answer
        self.role: Role | None = Role.ADMIN
        """Who may ask, None for everybody; unless told otherwise the fewest."""

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        services: Services = scope["app"].services
        code = 500
        try:
            try:
                refused = None
                if self.role is not None and (services.metrics_apart or self.role in services.access.closed):
                    refused = await self._refusal(self.role, services, scope)
                response: Response = refused or await self.endpoint(Request(scope, receive))
            except asyncio.CancelledError:
                # The server stops and has waited long enough. It would log a traceback for each of these.
                response = error_reply(503, "the exporter is stopping", {"Connection": "close", "Retry-After": "5"})
            code = response.status_code
            await response(scope, receive, send)
        finally:
            services.metrics.own.observe_request(self.path, code, time.perf_counter() - begun)

    async def _refusal(self, role: Role, services: Services, scope: Scope) -> Response | None:
        """What is answered to whoever may not, or asks at the wrong listener."""
        if services.metrics_apart and "state" in scope:
            wanted = METRICS if role is Role.READ else MAIN
            if scope["state"].get("listener", wanted) != wanted:
                return error_reply(404, f"answered at the other address: the {wanted} listener")
        if role not in services.access.closed:
            return None
        refusal = await services.access.refusal(role, header(Request(scope), b"authorization"))
        return None if refusal is None else error_reply(*refusal)


class DirectApp(FastAPI):
    """FastAPI, with a short way to the routes whose path is fixed.

    Its middleware and router cost as much as decoding an event. They serve what is left: paths with parameters,
    documentation, and requests that no route takes.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(**options)
        self.router.route_class = DirectRoute
        self.services: Services
        """Given in main. Not in `state`, where each look-up fails once before it is found: 1.5 us."""
        self.direct: dict[tuple[str, str], DirectRoute] = {}
        """Method and path -> the route."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or go through the lifespan."""
        route = self.direct.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await super().__call__(scope, receive, send)
        else:
            scope["app"] = self
            await route.app(scope, receive, send)
