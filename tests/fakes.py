"""Stand-ins for what the exporter is given: a clock that a test moves."""

from __future__ import annotations


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move by `seconds`, backwards too, and return the new time."""
        self._now += seconds
        return self._now
