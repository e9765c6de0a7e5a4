"""Worst queries: what GET /v1/samples tells, through the Infinity data source, where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from grafana.dashboard import Dashboard, Row, source
from grafana.panel import Column, Panel

_INFINITY: Final = "yesoreyeram-infinity-datasource"
_SOURCE: Final = {"type": _INFINITY, "uid": "${infinity_datasource}"}
_QUERIES: Final = """\
series.($one := $; queries.$merge([$, {
  "model": $one.model, "model_version": $one.model_version, "tokenizer_version": $one.tokenizer_version,
  "time": timestamp * 1000, "results": $join(ids, ", ")
}]))"""
"""JSONata: the queries of every series in one list, each with its series."""

COLUMNS: Final = {
    "similarity": "number",
    "time": "timestamp_epoch",
    "model": "string",
    "model_version": "string",
    "tokenizer_version": "string",
    "query_id": "string",
    "trace_id": "string",
    "input_hash": "string",
    "results": "string",
}
"""Of the table -> their types, as Infinity names them."""


@dataclass(frozen=True, slots=True)
class Samples:
    """A request to the exporter, whose address is in the data source."""

    is_limit: bool = False

    def rendered(self, letter: str, *, instant: bool) -> Mapping[str, Any]:  # noqa: ARG002 - it knows no past
        """As a target of a panel."""
        return {
            "refId": letter,
            "datasource": _SOURCE,
            "type": "json",
            "source": "url",
            "parser": "backend",
            "format": "table",
            "url": "/v1/samples?limit=50",
            "url_options": {"method": "GET"},
            "root_selector": _QUERIES,
            "columns": [{"selector": name, "text": name, "type": type_} for name, type_ in COLUMNS.items()],
        }


WORST_QUERIES: Final = Dashboard(
    "worst-queries",
    "Embedding drift / Worst queries",
    "The queries with the lowest similarity of the last five to ten minutes, without a text or a vector. Needs the "
    "Infinity data source, with the exporter's address as its base URL.",
    (
        Row(
            "Worst queries",
            (
                Panel(
                    "table",
                    "Queries with the lowest similarity",
                    "The lowest of each series first. Look up query_id or trace_id in your own logs for the text; "
                    "equal input_hash is an equal input. The same few results in every row are hubs, no results a "
                    "filter or an empty index, one topic a gap in what is indexed.",
                    (Samples(),),
                    width=24,
                    height=20,
                    defaults={"unit": "none", "custom": {"align": "auto", "filterable": True}},
                    overrides=(Column("similarity", decimals=3).rendered(), Column("time", "dateTimeAsIso").rendered()),
                    options={
                        "showHeader": True,
                        "cellHeight": "sm",
                        "footer": {"show": False},
                        "sortBy": [{"displayName": "similarity", "desc": False}],
                    },
                    source=_SOURCE,
                ),
            ),
        ),
    ),
    (),
    variables=(source("infinity_datasource", "Infinity data source", _INFINITY),),
)
