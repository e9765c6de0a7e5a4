"""Rendering a scrape: format and encoding as the scraper asks, in a thread of its own."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from app.metrics import encode

GZIP_LEVEL: Final = 1
"""Level 9, the client library's choice, takes several times as long for a tenth less."""


class Format(NamedTuple):
    """A way to write a scrape."""

    content_type: str
    encode: Callable[[Collector], bytes]


TEXT: Final = Format("text/plain; version=0.0.4; charset=utf-8", encode.text)
OPENMETRICS: Final = Format("application/openmetrics-text; version=1.0.0; charset=utf-8", encode.openmetrics)

FORMATS: Final[dict[tuple[str, str | None], Format]] = {
    ("application/openmetrics-text", None): OPENMETRICS,
    ("application/openmetrics-text", "1.0.0"): OPENMETRICS,
    ("text/plain", None): TEXT,
    ("text/plain", "0.0.4"): TEXT,
    ("text/*", None): TEXT,
    ("*/*", None): TEXT,
}
"""Media type and version of an Accept header -> what answers it; any other is passed over."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A scrape as bytes, and the headers that say what they are."""

    body: bytes
    content_type: str
    content_encoding: str | None


class Exposition:
    """Renders a registry. Safe from any thread, also for several scrapes at once: collectors make fresh families."""

    def __init__(self, registry: CollectorRegistry, observe_seconds: Callable[[float], None]) -> None:
        self._registry = registry
        self._observe_seconds = observe_seconds

    def render(self, accept: str | None, accept_encoding: str | None, names: Sequence[str]) -> Rendered:
        """The scrape that these headers ask for; with names, only the families or samples so named.

        Headers that ask for nothing known get the text format: a scraper is better served than refused.
        """
        begun = time.perf_counter()
        chosen = _format(accept)
        body = chosen.encode(self._registry.restricted_registry(names) if names else self._registry)
        encoding = None
        if any(each.value == "gzip" for each in _preferences(accept_encoding)):
            body, encoding = gzip.compress(body, GZIP_LEVEL), "gzip"
        self._observe_seconds(time.perf_counter() - begun)
        return Rendered(body, chosen.content_type, encoding)


def _format(accept: str | None) -> Format:
    """The format that the scraper likes best.

    Not the client library's own choice: that looks at no weights, claims OpenMetrics 2.0.0 of what it writes as 1.0.0
    when asked for it, and raises on a version such as 1.x.
    """
    for each in _preferences(accept):
        found = FORMATS.get((each.value, each.parameters.get("version")))
        if found is not None:
            return found
    return TEXT


class Preference(NamedTuple):
    """One item of an Accept or Accept-Encoding header."""

    value: str
    parameters: dict[str, str]


def _preferences(header: str | None) -> list[Preference]:
    """What the header accepts, best first: by falling weight, then as written (RFC 9110, 12.4.2)."""
    weighted = []
    for item in (header or "").split(","):
        value, *rest = (part.strip() for part in item.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {name.strip().lower(): text.strip().strip('"') for name, _, text in pairs}
        weight = _weight(parameters)
        if weight > 0:
            weighted.append((weight, Preference(value.lower(), parameters)))
    return [each for _, each in sorted(weighted, key=lambda pair: -pair[0])]


def _weight(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
