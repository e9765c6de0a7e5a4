"""Panels, as Grafana 11 has them in its classic JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from grafana.query import PROMETHEUS, Query

_LETTERS: Final = "ABCDEFGHIJ"

Steps = Sequence[tuple[str, float]]
"""Colour, and the value from which on it holds; below the first it is green."""

Mappings = Mapping[float | str, tuple[str, str]]
"""Value -> its text and colour."""

BELOW: Final = float("-inf")

_PLACE: Final = ("model", "model_version", "tokenizer_version", "kind")
_SHORT: Final = {"model_version": "version", "tokenizer_version": "tokenizer"}
"""Labels of a series in a table: first, and by shorter names."""

_LEAST_TOP: Final = {"percentunit": 0.02, "eps": 1, "reqps": 1, "ops": 1, "short": 1, "s": 0.01}
"""Of an axis that begins at 0: Grafana would draw it up to 100 where all is 0, which is 10,000 %."""

_DASHED: Final = {
    "color": {"mode": "fixed", "fixedColor": "red"},
    "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
    "custom.lineWidth": 2,
    "custom.fillOpacity": 0,
}


class Asked(Protocol):
    """A query of any data source."""

    @property
    def is_limit(self) -> bool:
        """Whether it is what the others are held against."""

    def rendered(self, letter: str, *, instant: bool) -> Mapping[str, Any]:
        """As a target of a panel, of what holds now or of the past, too."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel without its place."""

    kind: str
    title: str
    description: str
    """How to read it."""
    queries: Sequence[Asked]
    width: int = 8
    """Of 24 columns."""
    height: int = 8
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Of its fields: unit, thresholds, how they are drawn."""
    overrides: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    transformations: Sequence[Mapping[str, Any]] = ()
    source: Mapping[str, str] = field(default_factory=lambda: PROMETHEUS)
    interval: str | None = None
    """The least between two points."""

    def rendered(self, number: int, x: int, y: int) -> Mapping[str, Any]:
        """At its place in a dashboard."""
        # Of a series that is gone a range still has the last value: where nothing shows the past, only now is asked.
        instant = self.kind == "table" or self.options.get("graphMode") == "none"
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": self.source,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [query.rendered(letter, instant=instant) for letter, query in self._lettered()],
            "fieldConfig": {"defaults": self.defaults, "overrides": [*self._limits(), *self.overrides]},
            "options": self.options,
            "transformations": self.transformations,
            **({"interval": self.interval} if self.interval else {}),
        }

    def _lettered(self) -> Iterator[tuple[str, Asked]]:
        return zip(_LETTERS, self.queries, strict=False)

    def _limits(self) -> Iterator[Mapping[str, Any]]:
        for letter, query in self._lettered():
            if query.is_limit:
                yield override({"id": "byFrameRefID", "options": letter}, _DASHED)


def override(matcher: Mapping[str, Any], properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fields that look unlike the others."""
    return {"matcher": matcher, "properties": [{"id": name, "value": value} for name, value in properties.items()]}


def steps(coloured: Steps) -> Mapping[str, Any]:
    """Thresholds of colours."""
    rest = [{"color": color, "value": None if value == BELOW else value} for color, value in coloured]
    base = [] if coloured and coloured[0][1] == BELOW else [{"color": "green", "value": None}]
    return {"mode": "absolute", "steps": [*base, *rest]}


def mapped(mappings: Mappings) -> Sequence[Mapping[str, Any]]:
    """Texts and colours that stand for values."""
    options = {
        value if isinstance(value, str) else f"{value:g}": {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(mappings.items())
    }
    return [{"type": "value", "options": options}] if options else []


def time_series(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "none",
    width: int = 8,
    height: int = 8,
    bounds: tuple[float | None, float | None] = (None, None),
    soft: tuple[float | None, float | None] = (None, None),
    log: bool = False,
    many: bool = False,
    interval: str | None = None,
    limits: Steps = (),
) -> Panel:
    """Lines over time; `limits` are drawn as dashed lines, the same in every dashboard's Grafana.

    The axis ends at `bounds`, and not within `soft`. The legend of `many` lines is a table beside them. Points are
    `interval` apart at least, and rates are over as much time.
    """
    least, most = bounds
    if least == 0 and most is None and soft == (None, None):
        soft = (None, _LEAST_TOP.get(unit))
    custom: dict[str, Any] = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 8,
        "showPoints": "auto",
        "spanNulls": False,
        "scaleDistribution": {"type": "log", "log": 10} if log else {"type": "linear"},
        "thresholdsStyle": {"mode": "dashed" if limits else "off"},
        "stacking": {"mode": "none"},
    }
    custom |= {name: end for name, end in zip(("axisSoftMin", "axisSoftMax"), soft, strict=True) if end is not None}
    defaults: dict[str, Any] = {
        "unit": unit,
        "color": {"mode": "palette-classic"},
        "custom": custom,
        "thresholds": steps(limits),
    }
    if least is not None:
        defaults["min"] = least
    if most is not None:
        defaults["max"] = most
    beside = {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull"]}
    below = {"displayMode": "list", "placement": "bottom", "calcs": []}
    options = {
        "legend": {"showLegend": True, **(beside if many else below)},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel("timeseries", title, description, queries, width, height, defaults, options=options, interval=interval)


def aligned(panel: Panel, pixels: int) -> Panel:
    """The panel with its axis so wide, whatever is written there: lines of panels below each other share their time."""
    custom = {**panel.defaults["custom"], "axisWidth": pixels}
    return replace(panel, defaults={**panel.defaults, "custom": custom})


def stat(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "none",
    width: int = 4,
    height: int = 4,
    limits: Steps = (),
    mappings: Mappings | None = None,
    none: str = "none",
    sparkline: bool = True,
) -> Panel:
    """The latest value of each series, coloured by its thresholds, with its recent past behind it or alone."""
    defaults = {
        "unit": unit,
        "color": {"mode": "thresholds"},
        "thresholds": steps(limits),
        "mappings": mapped(mappings or {}),
        "noValue": none,
    }
    options = {
        "colorMode": "value",
        "graphMode": "area" if sparkline else "none",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return Panel("stat", title, description, queries, width, height, defaults, options=options)


def heatmap(title: str, description: str, query: Query, *, unit: str = "none", width: int = 12) -> Panel:
    """How a distribution moves: time to the right, values upwards, darker where more of them are."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {"mode": "scheme", "scheme": "Blues", "exponent": 0.5, "steps": 64, "reverse": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    defaults = {"unit": unit, "custom": {"scaleDistribution": {"type": "linear"}}}
    return Panel("heatmap", title, description, [query], width, 8, defaults, options=options)


def timeline(
    title: str, description: str, *queries: Query, mappings: Mappings, width: int = 12, height: int = 7
) -> Panel:
    """States over time, a bar for each series."""
    defaults = {
        "unit": "none",
        "color": {"mode": "thresholds"},
        "mappings": mapped(mappings),
        "custom": {"fillOpacity": 70, "lineWidth": 0},
    }
    options = {
        "mergeValues": True,
        "showValue": "auto",
        "rowHeight": 0.8,
        "alignValue": "left",
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return Panel("state-timeline", title, description, queries, width, height, defaults, options=options)


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table looks."""

    name: str
    """As the table shows it, after renaming."""
    unit: str = "none"
    limits: Steps = ()
    mappings: Mappings = field(default_factory=dict)
    link: tuple[str, str] | None = None
    """Title and address."""
    decimals: int | None = None
    width: int | None = None
    """In pixels; without one what is left is shared."""

    def rendered(self) -> Mapping[str, Any]:
        """As an override."""
        properties: dict[str, Any] = {"unit": self.unit}
        if self.decimals is not None:
            properties["decimals"] = self.decimals
        if self.width is not None:
            properties["custom.width"] = self.width
        if self.limits or self.mappings:
            properties["custom.cellOptions"] = {"type": "color-text"}
        if self.limits:
            properties["thresholds"] = steps(self.limits)
        if self.mappings:
            properties["mappings"] = mapped(self.mappings)
        if self.link is not None:
            title, url = self.link
            properties["links"] = [{"title": title, "url": url}]
        return override({"id": "byName", "options": self.name}, properties)


def table(
    title: str,
    description: str,
    *queries: Query,
    hidden: Sequence[str] = (),
    renamed: Mapping[str, str] | None = None,
    columns: Sequence[Column] = (),
    order: Sequence[str] = _PLACE,
    width: int = 12,
    height: int = 8,
    sort: str | None = None,
    alphabetical: Sequence[str] = (),
) -> Panel:
    """What holds now, a row for each series; several queries become columns of one table.

    Rows are sorted by one column, the largest first, or by several, alphabetically.
    """
    organize = {
        "excludeByName": dict.fromkeys(("Time", "__name__", "job", "instance", *hidden), True),
        "renameByName": {**_SHORT, **(renamed or {})},
        "indexByName": {name: index for index, name in enumerate(order)},
    }
    merge = [{"id": "merge", "options": {}}] if len(queries) > 1 else []
    options: dict[str, Any] = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
    if sort is not None:
        options["sortBy"] = [{"displayName": sort, "desc": True}]
    if alphabetical:
        options["sortBy"] = [{"displayName": name, "desc": False} for name in alphabetical]
    defaults = {
        "unit": "none",
        "noValue": "-",
        "color": {"mode": "thresholds"},
        "thresholds": steps(()),
        "custom": {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}},
    }
    return Panel(
        "table",
        title,
        description,
        [Query(query.expr, query.legend, "table") for query in queries],
        width,
        height,
        defaults,
        [column.rendered() for column in columns],
        options,
        [*merge, {"id": "organize", "options": organize}],
    )
