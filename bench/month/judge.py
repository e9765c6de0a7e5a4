"""What the alerts do over the past: expressions asked of Prometheus, held as it holds them, grouped as Alertmanager."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from bench.month.server import Server
from prometheus.alerts import ALERTING
from prometheus.thresholds import seconds

ROUTES: Final = Path(__file__).parents[2] / "prometheus" / "alertmanager.yml"

SEVERITIES: Final = {"critical": "page", "warning": "ticket"}
"""What a person is told of."""


class Firing(NamedTuple):
    """One alert, from when it fires until it is resolved."""

    name: str
    severity: str
    labels: Mapping[str, str]
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Incident:
    """What somebody is told of once: alerts of one group, until none of them fires."""

    call: str
    """page or ticket."""
    group: Mapping[str, str]
    begin: float
    end: float
    alerts: tuple[str, ...]


def held(times: Sequence[float], step: float, wait: float, keeps: float = 0.0) -> Iterator[tuple[float, float]]:
    """From when to when an alert fires whose expression holds at these times, ascending, asked every `step` seconds.

    Prometheus fires at the first evaluation at which it held for `wait` seconds, and until it has not for `keeps`. What
    is asked less often sees a stretch that is up to a step shorter, so the wait is a step shorter, too: rather an alarm
    too many than one missed.

    >>> list(held([0, 300, 600, 1500], 300, 600))
    [(300, 900.0)]
    >>> list(held([0, 900], 300, 120))
    [(0.0, 300.0), (900.0, 1200.0)]
    >>> list(held([0, 300, 600, 1500, 4200], 300, 600, keeps=1800))
    [(300, 3600)]
    """
    wait = max(0.0, step * -(-(wait - step) // step))
    begin = fires = last = None
    for time in times:
        if fires is not None and last is not None and time > last + step * 1.5 + keeps:
            yield fires, last + step + keeps
            fires = None
        if fires is None and (begin is None or last is None or time > last + step * 1.5):
            begin = time
        if fires is None and begin is not None and time >= begin + wait:
            fires = begin + wait
        last = time
    if fires is not None and last is not None:
        yield fires, last + step + keeps


def ask(server: Server, start: float, end: float, step: float) -> Iterator[Firing]:
    """Every firing of every shipped alert that tells a person."""
    for group in ALERTING:
        for rule in group.rules:
            alert = rule.rendered()
            severity = alert["labels"]["severity"]
            if severity not in SEVERITIES:
                continue
            wait, keeps = seconds(alert.get("for", "0s")), seconds(alert.get("keep_firing_for", "0s"))
            for series in server.over(alert["expr"], start, end, step):
                labels = {k: v for k, v in series["metric"].items() if k != "__name__"} | alert["labels"]
                for begin, over in held([float(time) for time, _ in series["values"]], step, wait, keeps):
                    yield Firing(alert["alert"], severity, labels, begin, over)


def incidents(firings: Iterable[Firing], routes: Mapping[str, Any] | None = None) -> list[Incident]:
    """What the shipped routes make of them: one group a model and deployment, a page over its tickets.

    Alerts of a group that follow each other within its group_interval are one incident.
    """
    root = (yaml.safe_load(ROUTES.read_text()) if routes is None else routes)["route"]
    by: list[str] = root["group_by"]
    gap = seconds(root["group_interval"])
    told = list(firings)
    pages = [each for each in told if each.severity == "critical"]
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Firing]] = {}
    for each in told:
        place = tuple((label, each.labels.get(label, "")) for label in by)
        if each.severity == "warning" and any(
            page.begin <= each.begin < page.end and place == tuple((label, page.labels.get(label, "")) for label in by)
            for page in pages
        ):
            continue
        groups.setdefault((SEVERITIES[each.severity], place), []).append(each)
    return sorted(
        (incident for (call, place), found in groups.items() for incident in _joined(call, dict(place), found, gap)),
        key=lambda incident: incident.begin,
    )


def _joined(call: str, group: Mapping[str, str], found: Sequence[Firing], gap: float) -> Iterator[Incident]:
    open_: Incident | None = None
    for each in sorted(found, key=lambda firing: firing.begin):
        if open_ is not None and each.begin <= open_.end + gap:
            names = open_.alerts if each.name in open_.alerts else (*open_.alerts, each.name)
            open_ = Incident(call, group, open_.begin, max(open_.end, each.end), names)
            continue
        if open_ is not None:
            yield open_
        open_ = Incident(call, group, each.begin, each.end, (each.name,))
    if open_ is not None:
        yield open_
