"""GET /openapi.json and its page: what may be asked, and what is wanted for it as things stand."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.docs import get_swagger_ui_html

from app.access import Role
from app.api.reply import json_reply
from app.api.route import DirectApp, DirectRoute
from app.api.services import Services

PATH: Final = "/openapi.json"

SCHEMES: Final[dict[str, dict[str, Any]]] = {
    **{
        role.value: {"type": "http", "scheme": "bearer", "description": f"A token of `{role}_token_file`."}
        for role in Role
    },
    "password": {"type": "http", "scheme": "basic", "description": "A user of `web_config_file`, who may do all."},
}


async def get_openapi(request: Request) -> Response:
    """The OpenAPI document of this exporter."""
    return json_reply(await run_in_threadpool(_document, request.app))


async def get_docs(request: Request) -> Response:  # noqa: ARG001 - a route's signature
    """The document as a page."""
    # Relative, for an exporter behind a proxy's path.
    return get_swagger_ui_html(openapi_url=PATH.removeprefix("/"), title="Embedding Drift Exporter")


def _document(app: DirectApp) -> dict[str, Any]:
    services: Services = app.services
    document = deepcopy(app.openapi())
    document.setdefault("components", {})["securitySchemes"] = SCHEMES
    for route in app.routes:
        if isinstance(route, DirectRoute) and route.include_in_schema and route.role in services.access.closed:
            wanted: list[dict[str, list[str]]] = [{name: []} for name in services.access.schemes(route.role)]
            for method in route.methods or ():
                document["paths"][route.path][method.lower()]["security"] = wanted
    return document
