"""Routes whose endpoint takes the request and returns the response, with nothing in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from app.api.reply import error_reply
from app.api.services import Services

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoute(APIRoute):
    """Stands in FastAPI's OpenAPI document, but skips its dependency machinery, which costs more than a decode.

    Each request is timed by its route template and status.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(path, endpoint, **options)
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        services: Services = scope["app"].state.services
        code = 500
        try:
            try:
                response: Response = await self.endpoint(Request(scope, receive))
            except asyncio.CancelledError:
                # The server stops and has waited long enough. It would log a traceback for each of these.
                response = error_reply(503, "the exporter is stopping", {"Connection": "close", "Retry-After": "5"})
            code = response.status_code
            await response(scope, receive, send)
        finally:
            services.metrics.own.observe_request(self.path, code, time.perf_counter() - begun)


class DirectApp(FastAPI):
    """FastAPI, with a short way to the routes whose path is fixed.

    Its middleware and router cost as much as decoding an event. They serve what is left: paths with parameters,
    documentation, and requests that no route takes.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(**options)
        self.router.route_class = DirectRoute
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
