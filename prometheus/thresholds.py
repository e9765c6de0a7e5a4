"""The numbers of thresholds.yml, the gates of app.drift, and the links of annotations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from app.cosine import CHANGED_COSINE
from app.drift.diagnosis import INCONSISTENT_LIMIT
from app.drift.gates import GATES, LONE_SCORE
from app.drift.same_input import MINIMUM_MATCHES
from prometheus.template import PER_SECOND, SECONDS

FILE: Final = Path(__file__).with_name("thresholds.yml")

_READ: Final[Mapping[str, Any]] = yaml.safe_load(FILE.read_text())

JOB: Final[str] = _READ["job"]
RUNBOOK: Final[str] = _READ["links"]["runbook"]
DASHBOARD: Final[str] = _READ["links"]["dashboard"]

LIMITS: Final[Mapping[str, float]] = {
    **_READ["limits"],
    "same_input_matches": MINIMUM_MATCHES,
    "same_input_changed_cosine": CHANGED_COSINE,
    "same_input_inconsistent_ratio": INCONSISTENT_LIMIT,
    "lone_score": LONE_SCORE,
}
"""Every limit by its name; what the diagnosis uses too comes from there."""

REAL_SECONDS: Final = frozenset({"latency_floor_seconds", "evaluation_age_seconds", "state_age_seconds"})
"""Limits on what takes real time, however short a time scale makes the exporter's days: not marked as seconds."""

PAGE_WAITS: Final[Mapping[str, str]] = _READ["drift"]["page"]
PAGE_CONFIRMED_WAITS: Final[Mapping[str, str]] = _READ["drift"]["page_confirmed"]
PAGE_KEEPS: Final[str] = _READ["drift"]["page_keeps"]
TICKET_WAITS: Final[Mapping[str, str]] = _READ["drift"]["ticket"]
ROLLING_WAITS: Final[Mapping[str, str]] = _READ["drift"]["rolling_ticket"]
"""Window -> for how long the condition must hold; `PAGE_KEEPS` is for how long a page goes on after it."""

TICKET_GATES: Final = {gate.effect: gate.ticket for gate in GATES}
PAGE_GATES: Final = {gate.effect: gate.page for gate in GATES}

FROZEN: Final = "pinned|uploaded"
"""Baselines that stay as they are: drift against them lasts until somebody acts."""

ROLLING: Final = "7d|30d|90d"
"""Baselines that move on: they see what is new since, and forgive what lasts."""


class Burn(NamedTuple):
    """A pair of windows in both of which more than factor x budget of the queries were bad."""

    severity: str
    long: str
    short: str
    factor: float
    wait: str


class Objective(NamedTuple):
    """The share of bad queries that is all right, and how fast it may be used up."""

    budget: float
    burns: Sequence[Burn]


def _objective(read: Mapping[str, Any]) -> Objective:
    return Objective(
        read["budget"],
        tuple(
            Burn(severity, burn["long"], burn["short"], burn["factor"], burn["for"])
            for severity, rows in (("critical", read["page"]), ("warning", read["ticket"]))
            for burn in rows
        ),
    )


OBJECTIVES: Final[Mapping[str, Objective]] = {name: _objective(read) for name, read in _READ["burn"].items()}

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """A duration as Prometheus writes it, of one unit.

    >>> seconds("65m")
    3900
    """
    found = re.fullmatch(r"(\d+)([smhd])", duration)
    if found is None:
        raise ValueError("a duration is a whole number and one of s, m, h, d")
    return int(found[1]) * _UNITS[found[2]]


def number(value: float) -> str:
    """A number as an expression has it, without the noise of binary fractions.

    >>> number(3 * 0.1), number(604800), number(0.99999)
    ('0.3', '604800', '0.99999')
    """
    return f"{value:.10g}"


def limit(name: str) -> str:
    """A limit for an expression. Seconds of the exporter's time are marked: they must stand at the end of a line."""
    ours = name.endswith("_seconds") and name not in REAL_SECONDS
    return in_seconds(LIMITS[name]) if ours else number(LIMITS[name])


def in_seconds(value: float) -> str:
    """A number of seconds at the end of a line of an expression: marked, or prometheus.template could not divide it.

    >>> in_seconds(900)
    '900 # seconds'
    """
    return f"{number(value)} {SECONDS}"


def per_second(value: float) -> str:
    """A rate at the end of a line of an expression, marked like seconds."""
    return f"{number(value)} {PER_SECOND}"
