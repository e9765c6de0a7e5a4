"""Rendering a scrape: format and encoding as the scraper asks, in a thread of its own."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from app.metrics import encode

GZIP_LEVEL: Final = 1
"""Level 9, the client library's choice, takes several times as long for a tenth less."""

SHARED_SECONDS: Final = 1.0
"""So old may an answer be that another scraper was given."""


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


@dataclass(slots=True)
class _Answer:
    """A scrape that was just rendered, and who has it already."""

    rendered: Rendered
    format: Format
    begun: float
    """Before it was rendered: what was accepted later than this may be missing."""
    scrapers: set[str]

    def fits(self, chosen: Format, encoding: str | None, asked: float, scraper: str) -> bool:
        """Whether it answers what a scraper asked for at that time."""
        if (self.format, self.rendered.content_encoding) != (chosen, encoding):
            return False
        return asked < self.begun or (asked <= self.begun + SHARED_SECONDS and scraper not in self.scrapers)


class Exposition:
    """Renders a registry. Safe from any thread.

    Two Prometheus servers that scrape for each other's sake cost as one: what was rendered for the one is given to the
    other for `SHARED_SECONDS`. Nobody is given the same answer twice, unless to questions that were all asked before it
    was begun: a thousand at once cost some thirty, and another scraper does not wait for a thousand.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        observe_seconds: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._observe_seconds = observe_seconds
        self._monotonic = monotonic
        self._lock = Lock()
        self._answer: _Answer | None = None

    def render(
        self, accept: str | None, accept_encoding: str | None, names: Sequence[str], scraper: str | None = None
    ) -> Rendered:
        """The scrape that these headers ask for; with names, only the families or samples so named.

        `scraper` tells who asks from others; None asks for itself alone. Headers that ask for nothing known get the
        text format: a scraper is better served than refused.
        """
        chosen = _format(accept)
        encoding = "gzip" if any(each.value == "gzip" for each in _preferences(accept_encoding)) else None
        if names or scraper is None:
            return self._render(chosen, encoding, names)
        asked = self._monotonic()
        with self._lock:
            answer = self._answer
            if answer is None or not answer.fits(chosen, encoding, asked, scraper):
                begun = self._monotonic()
                answer = self._answer = _Answer(self._render(chosen, encoding, ()), chosen, begun, set())
            answer.scrapers.add(scraper)
            return answer.rendered

    def _render(self, chosen: Format, encoding: str | None, names: Sequence[str]) -> Rendered:
        begun = time.perf_counter()
        body = chosen.encode(self._registry.restricted_registry(names) if names else self._registry)
        if encoding is not None:
            body = gzip.compress(body, GZIP_LEVEL)
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
