"""The dashboards as their picture asks: no variables left, and durations of the demonstration's faster time."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from grafana.dashboard import Dashboard
from grafana.picture.recording import SCRAPE_SECONDS, Recording
from prometheus.template import faster

POINTS: Final = 500
"""Of a line, at most: about as many as a panel of half the width has pixels."""
BATCHES_SECONDS: Final = 2.0
"""A rate over less would show the client's batches (here are four of them), and a scrape that came late as a gap."""
SHOWN_SECONDS: Final = 86400.0
"""At least, of the demonstration's time: a day has most of its acts."""
NOTE: Final = (
    "Drawn with Grafana's UI library from a run of make demo that a real Prometheus scraped: {hours:.0f} hours of the "
    "demonstration, whose time goes by {scale:g} times as fast as the clock that rates and ages are told by."
)

NOT_PLAYED: Final[Mapping[str, str]] = {
    "State, age": "the demonstration keeps no state",
    "Queries against documents": "the demonstration embeds no documents",
}
"""Panels without a line but their limit's, and what is said beside their titles."""

_UNITS: Final = {"m": 60, "h": 3600, "d": 86400}


def page(board: Dashboard, recorded: Recording) -> Mapping[str, Any]:
    """What grafana/picture/src draws: the dashboard with its variables filled in, and the range of time."""
    scale = recorded.time_scale
    shown = min(max(SHOWN_SECONDS, _seconds(board.time)) / scale, recorded.end - recorded.begin)
    step = max(SCRAPE_SECONDS / 2, shown / POINTS)
    rendered = copy.deepcopy(dict(board.rendered()))
    chosen = {each["name"]: _chosen(each) for each in rendered["templating"]["list"] if each["type"] != "datasource"}
    for panel in rendered["panels"]:
        panel["notPlayed"] = NOT_PLAYED.get(panel["title"])
        apart = max(step, _seconds(panel.get("interval", "0m")) / scale)
        for target in panel.get("targets", ()):
            target["expr"] = _asked(target["expr"], chosen, apart, scale)
            target["step"] = apart
    for mark in rendered["annotations"]["list"]:
        mark["expr"] = _asked(mark["expr"], chosen, step, scale)
    return {
        "dashboard": rendered,
        "range": {
            "from": recorded.end - shown,
            "to": recorded.end,
            "step": step,
            "gap": max(2 * step, BATCHES_SECONDS),
            "timeScale": scale,
        },
        "note": NOTE.format(hours=shown * scale / 3600, scale=scale),
    }


def _asked(expression: str, chosen: Mapping[str, str], step: float, time_scale: float) -> str:
    """As Grafana would ask it: a rate is over a step and a scrape at least."""
    values = {**chosen, "__rate_interval": f"{1000 * max(step + SCRAPE_SECONDS, BATCHES_SECONDS):.0f}ms"}
    return re.sub(r"\$(\w+)", lambda name: values[name[1]], faster(expression, time_scale))


def _chosen(variable: Mapping[str, Any]) -> str:
    """A variable's first value, as Grafana writes it into a selector."""
    value = variable["current"]["value"]
    if value == ["$__all"]:
        return str(variable["allValue"])
    return "|".join(value) if isinstance(value, list) else str(value)


def _seconds(time: str) -> float:
    """Of a dashboard's range or a panel's interval: now-6h, 1h."""
    number, unit = time.removeprefix("now-")[:-1], time[-1]
    return float(number) * _UNITS[unit]
