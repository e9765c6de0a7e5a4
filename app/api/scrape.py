"""GET /metrics: what Prometheus scrapes, rendered beside the event loop."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.services import Services


async def get_metrics(request: Request) -> Response:
    """Metrics in Prometheus' text format 0.0.4, or OpenMetrics 1.0.0 where the Accept header asks for it."""
    services: Services = request.app.services
    rendered = await run_in_threadpool(
        services.metrics.exposition.render,
        request.headers.get("accept"),
        request.headers.get("accept-encoding"),
        request.query_params.getlist("name[]"),
        request.client and request.client.host,
    )
    headers = {"Content-Type": rendered.content_type, "Vary": "Accept, Accept-Encoding"}
    if rendered.content_encoding:
        headers["Content-Encoding"] = rendered.content_encoding
    return Response(rendered.body, headers=headers)
