"""Where the exporter takes what a client records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Route = Literal["/v1/events", "/v1/outcomes", "/v1/lifecycle"]

EVENTS: Final = "/v1/events"
OUTCOMES: Final = "/v1/outcomes"
LIFECYCLE: Final = "/v1/lifecycle"

ROUTES: Final[Mapping[Route, str]] = {EVENTS: "events", OUTCOMES: "outcomes", LIFECYCLE: "lifecycle events"}
"""What each route takes, in the order in which a batch is sent: an outcome is joined only after its query is known."""
