"""A dashboard: its variables, annotations, links, and the places of its panels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from grafana.panel import Panel
from grafana.query import OURS, PROMETHEUS, of

TAG: Final = "embedding-drift"
COLUMNS: Final = 24
SCHEMA: Final = 39
"""Of Grafana 11.0; 9 to 13 read it."""

_EVERY: Final = {"selected": True, "text": ["All"], "value": ["$__all"]}


@dataclass(frozen=True, slots=True)
class Row:
    """A heading, and panels that flow below it from left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard."""

    name: str
    """Its uid and file, after the tag."""
    title: str
    description: str
    rows: Sequence[Row]
    annotations: Sequence[Mapping[str, Any]]
    time: str = "now-6h"
    variables: Sequence[Mapping[str, Any]] = field(default_factory=lambda: VARIABLES)

    @property
    def uid(self) -> str:
        """Stable: alerts and other dashboards link to it."""
        return f"{TAG}-{self.name}"

    def rendered(self) -> Mapping[str, Any]:
        """The whole, as Grafana's provisioning reads it."""
        panels = list(self._placed())
        asked = json.dumps([panels, self.annotations])
        return {
            "uid": self.uid,
            "id": None,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": self.time, "to": "now"},
            "links": [_LINK],
            "templating": {"list": [_hidden(variable, asked) for variable in self.variables]},
            "annotations": {"list": list(self.annotations)},
            "panels": panels,
        }

    def _placed(self) -> Sequence[Mapping[str, Any]]:
        placed: list[Mapping[str, Any]] = []
        y = 0
        for row in self.rows:
            place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
            heading = {"id": len(placed) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": []}
            placed.append(heading | {"gridPos": place})
            x, y, tallest = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                placed.append(panel.rendered(len(placed) + 1, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return placed


_LINK: Final = {
    "type": "dashboards",
    "title": "Embedding drift",
    "tags": [TAG],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
    "icon": "external link",
    "tooltip": "The other dashboards, at the same time and with the same variables",
    "url": "",
}


def _query(name: str, label: str, metric: str, *, empty: bool = False) -> Mapping[str, Any]:
    """A variable with the values of a label, read again whenever the time range moves."""
    query = f"label_values({metric}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": PROMETHEUS,
        "definition": query,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": 5},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        # An empty version is no label at all, which .+ does not match.
        "allValue": ".*" if empty else ".+",
        "current": _EVERY,
        "options": [],
        "regex": "",
        "hide": 0,
    }


def _choice(name: str, label: str, values: Sequence[str], chosen: Sequence[str]) -> Mapping[str, Any]:
    """A variable with fixed values, of which several may be chosen where several are at first."""
    multi = len(chosen) > 1
    current = list(chosen) if multi else chosen[0]
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "query": ",".join(values),
        "multi": multi,
        "includeAll": multi,
        **({"allValue": ".+"} if multi else {}),
        "current": {"selected": True, "text": current, "value": current},
        "options": [{"selected": value in chosen, "text": value, "value": value} for value in values],
        "hide": 0,
    }


def source(name: str, label: str, kind: str) -> Mapping[str, Any]:
    """A variable that chooses the data source."""
    return {
        "type": "datasource",
        "name": name,
        "label": label,
        "query": kind,
        "current": {},
        "options": [],
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
    }


_OF_EXPORTER: Final = 'job=~"$job", instance=~"$instance"'

VARIABLES: Final[Sequence[Mapping[str, Any]]] = (
    source("datasource", "Data source", "prometheus"),
    _query("job", "Job", "embedding_exporter_build_info"),
    _query("instance", "Instance", 'embedding_exporter_build_info{job=~"$job"}'),
    _query("model", "Model", f"embedding_model_info{{{_OF_EXPORTER}}}"),
    _query("model_version", "Model version", f'embedding_model_info{{{_OF_EXPORTER}, model=~"$model"}}', empty=True),
    _choice("baseline", "Baseline", ("pinned", "uploaded", "7d", "30d", "90d", "peer"), ("pinned", "uploaded")),
    _choice("window", "Window", ("5m", "1h", "24h"), ("1h",)),
)
"""The same in every dashboard of Prometheus' data, so that links carry them on."""


def _hidden(variable: Mapping[str, Any], asked: str) -> Mapping[str, Any]:
    """What no query reads is there for the links alone."""
    used = variable["type"] == "datasource" or f'${variable["name"]}\\"' in asked
    return {**variable, "hide": 0 if used else 2}


def annotation(
    name: str, expr: str, color: str, title: str, text: str, *, tags: str = "", at_value: bool = False
) -> Mapping[str, Any]:
    """Marks on every panel; `at_value` where the value is the time of the mark, in milliseconds."""
    return {
        "name": name,
        "datasource": PROMETHEUS,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "step": "60s",
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": tags,
        "useValueForTime": at_value,
    }


DEPLOYMENTS: Final = annotation(
    "Deployments",
    f"{of('embedding_deployment_timestamp_seconds')} * 1000",
    "blue",
    "{{model}} {{model_version}} / {{tokenizer_version}}: {{status}}",
    "A deployment on track {{track}}, as POST /v1/lifecycle told.",
    tags="model,track,status",
    at_value=True,
)
NEW_VERSIONS: Final = annotation(
    "New versions",
    f"{of('embedding_version_first_seen_timestamp_seconds')} * 1000",
    "purple",
    "{{model}} {{model_version}} / {{tokenizer_version}} {{kind}}: first seen",
    "The first event of these versions, announced or not.",
    tags="model,kind",
    at_value=True,
)
REINDEXES: Final = annotation(
    "Reindexes",
    f"{of('embedding_reindex_started_timestamp_seconds')} * 1000",
    "yellow",
    "{{model}} {{index}}: reindex started",
    "A reindex, as POST /v1/lifecycle told.",
    tags="model,index",
    at_value=True,
)
MAINTENANCE: Final = annotation(
    "Maintenance",
    f"{of('model:embedding_maintenance:max')} == 1",
    "gray",
    "{{model}}: maintenance",
    "Announced; alerts about the model are silent.",
    tags="model",
)
PAGES: Final = annotation(
    "Pages",
    f"max by (alertname, model, model_version) ({of('ALERTS_FOR_STATE', OURS, severity='critical')} * 1000 "
    f"and ignoring (alertstate) {of('ALERTS', OURS, alertstate='firing', severity='critical')})",
    "red",
    "{{alertname}}",
    "{{model}} {{model_version}}: somebody was paged; the mark is where the condition began to hold.",
    tags="alertname,model",
    at_value=True,
)
EVERY_MARK: Final = (DEPLOYMENTS, NEW_VERSIONS, REINDEXES, MAINTENANCE, PAGES)
