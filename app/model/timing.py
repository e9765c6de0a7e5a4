"""Durations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple


class Rung(NamedTuple):
    """One rung of the ladder of panes."""

    pane_seconds: float
    panes: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Every duration of the exporter, in seconds. `scaled` divides them alike.

    Window i is the union of the rungs 0 to i, so the windows are the spans of the first rungs.
    """

    evaluation_seconds: float = 10.0
    rungs: tuple[Rung, ...] = (Rung(10, 30), Rung(300, 12), Rung(3600, 24), Rung(86400, 90))
    windows: Mapping[str, float] = field(default_factory=lambda: {"5m": 300.0, "1h": 3600.0, "24h": 86400.0})
    late_seconds: float = 3600.0
    future_seconds: float = 600.0
    duplicate_seconds: float = 600.0
    series_ttl_seconds: float = 86400.0
    baseline_duration_seconds: float = 86400.0

    def scaled(self, time_scale: float) -> Timing:
        """The same durations, `time_scale` times shorter.

        >>> Timing().scaled(10).windows["5m"]
        30.0
        """
        changes: dict[str, object] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "rungs":
                changes[each.name] = tuple(Rung(rung.pane_seconds / time_scale, rung.panes) for rung in value)
            elif each.name == "windows":
                changes[each.name] = {name: seconds / time_scale for name, seconds in value.items()}
            else:
                changes[each.name] = value / time_scale
        return replace(self, **changes)  # type: ignore[arg-type]
