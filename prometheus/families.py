"""Every metric that rules may read, and its labels: the catalogue's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.metrics.catalog import FAMILIES

TARGET_LABELS: Final = ("job", "instance")
"""What Prometheus adds to every sample of a target."""

LABELS: Final[Mapping[str, tuple[str, ...]]] = (
    {family.name: family.labels for family in FAMILIES if family.kind != "histogram"}
    | {f"{family.name}_bucket": (*family.labels, "le") for family in FAMILIES if family.kind == "histogram"}
    | {"up": ()}
)
"""Sample name -> labels, without those of the target."""
