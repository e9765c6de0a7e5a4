"""Peers: a canary is held against the version that has the most traffic, a new version against the one before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from app.evaluate.look import Look
from app.model import SeriesKey

TRAFFIC_WINDOW: Final = "24h"
"""What has the most traffic is judged by it: a minute's burst makes no canary the stable version."""


def peers(looks: Iterable[Look]) -> dict[SeriesKey, Look]:
    """The peer of each series that has one: another version of the same model and kind, with traffic of its own."""
    versions: dict[tuple[str, str], list[Look]] = defaultdict(list)
    for look in looks:
        if look.events(TRAFFIC_WINDOW):
            versions[look.series.key.model, look.series.key.kind].append(look)
    found = {}
    for group in versions.values():
        stable = max(group, key=lambda look: (look.events(TRAFFIC_WINDOW), -look.series.first_seen))
        for look in group:
            if look is not stable:
                found[look.series.key] = stable
                continue
            before = [other for other in group if other.series.first_seen < look.series.first_seen]
            if before:
                found[look.series.key] = max(before, key=lambda other: other.series.first_seen)
    return found
