"""Whether the process lives, and whether intake is open."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

from app.api.services import Services


async def get_healthy(request: Request) -> Response:  # noqa: ARG001 - a route's signature
    """Say that the process is alive."""
    return PlainTextResponse("Embedding Drift Exporter is healthy.\n")


async def get_ready(request: Request) -> Response:
    """Whether events are taken. A baseline that is still missing does not make it unready: events must come in."""
    services: Services = request.app.services
    if services.ready:
        return PlainTextResponse("Embedding Drift Exporter is ready.\n")
    return PlainTextResponse("Embedding Drift Exporter is starting or stopping.\n", 503)
