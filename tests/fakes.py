"""Stand-ins for what the exporter is given: a clock that a test moves."""

from __future__ import annotations

from app.clock import SystemClock


class FakeClock(SystemClock):
    """The machine's clock with hands that stand still until they are moved.

    `boot` names the boot of a machine, of which two processes know each other; `ahead` is how far its time of day is
    ahead from the start.
    """

    def __init__(self, start: float = 1_800_000_000.0, *, boot: str | None = None, ahead: float = 0.0) -> None:
        self.hand = start
        """The one that nobody sets."""
        self.wall = start + ahead
        super().__init__(lambda: self.wall, lambda: self.hand, boot)

    def advance(self, seconds: float) -> float:
        """Let time pass, backwards too, and return the new time."""
        self.hand += seconds
        self.wall += seconds
        return self.now()

    def set_by(self, seconds: float) -> None:
        """Set the time of day, as no time passes."""
        self.wall += seconds
