"""The runbooks, as pages: the links of alerts work where the exporter runs, with no way out of the site too.

They are docs/runbooks/, and what those link to. The wheel carries them beside this package (pyproject.toml).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jinja2
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from app.api.reply import error_reply

if TYPE_CHECKING:
    from markdown_it.token import Token

_PACKAGED: Final = Path(__file__).parents[1] / "runbooks"
_CHECKOUT: Final = Path(__file__).parents[2] / "docs"
_TEMPLATE: Final = Path(__file__).with_name("templates") / "runbook.html"


@cache
def pages() -> Mapping[str, Path]:
    """Every page by its name: the runbooks by their alerts' names, then what they link to."""
    if _PACKAGED.is_dir():
        found = sorted(_PACKAGED.glob("*.md"))
    else:
        runbooks = sorted((_CHECKOUT / "runbooks").glob("*.md"))
        linked = {name for each in runbooks for name in re.findall(r"\]\(\.\./([\w-]+)\.md", each.read_text("utf-8"))}
        found = [*runbooks, *(_CHECKOUT / f"{name}.md" for name in sorted(linked))]
    return {path.stem: path for path in found}


async def get_runbooks(request: Request) -> Response:  # noqa: ARG001 - a route's signature
    """List the runbooks."""
    return HTMLResponse(await run_in_threadpool(_listed))


async def get_runbook(request: Request) -> Response:
    """The page of one alert, or one that it links to."""
    name = request.path_params["page"]
    if name not in pages():
        return error_reply(404, "no such page: /runbooks lists them")
    return HTMLResponse(await run_in_threadpool(_rendered, name))


@cache
def _listed() -> str:
    links = "\n".join(f"- [{name}](/runbooks/{name})" for name in pages() if name[0].isupper())
    return _html(f"# Runbooks\n\nOne for each alert.\n\n{links}\n")


@cache
def _rendered(name: str) -> str:
    return _html(pages()[name].read_text("utf-8"))


def _html(markdown: str) -> str:
    # Imported by the first who asks: a page is read seldom, and memory counts always.
    from markdown_it import MarkdownIt  # noqa: PLC0415

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    title = ""
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(following.content))
            title = title or following.content
        _redirect(token)
    body = parser.renderer.render(tokens, parser.options, {})
    page: str = jinja2.Template(_TEMPLATE.read_text("utf-8"), autoescape=True).render(title=title, body=body)
    return page


def _anchor(heading: str) -> str:
    """What a link to this heading has after its `#`, as code hosts make it.

    >>> _anchor("Who may do what?")
    'who-may-do-what'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _redirect(token: Token) -> None:
    """Let links to pages that are served lead there; what leads to other files of the project is no link here."""
    tag = "a"
    for inner in token.children or ():
        if inner.type == "link_open":
            href = str(inner.attrGet("href"))
            found = re.fullmatch(r"(?:\.\./)?(?:runbooks/)?([\w-]+)\.md(#.*)?", href)
            if found and found[1] in pages():
                href = f"/runbooks/{found[1]}{found[2] or ''}"
            tag = "a" if href.startswith(("#", "/", "http://", "https://")) else "span"
            inner.attrs = {"href": href} if tag == "a" else {}
        if inner.type in {"link_open", "link_close"}:
            inner.tag = tag
