"""The exporter's own time, which nobody sets, and how far the machine's clock is from it.

Everything inside goes by the exporter's own time: panes, windows, baselines, ages, state. Times that senders tell, and
times that are told, are of the machine's clock: where one comes in the offset is taken off, where one goes out it is
added. So a machine's clock that is set forward or back by a day moves no event, and no window is lost.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from app.tree import Tree

STEP_SECONDS: Final = 1.0
"""So far both times may be apart before the offset follows: what a clock is slewed by moves no timestamp."""

HELD_SECONDS: Final = 0.1
"""With more between two readings they say nothing of each other: the process was held."""

log = structlog.get_logger(__name__)


class Clock(ABC):
    """Where the time comes from; made once, in main. One that nobody sets has nothing but `now`."""

    @abstractmethod
    def now(self) -> float:
        """The exporter's own time in unix seconds: goes on evenly, and is not set."""

    def reading(self) -> tuple[float, float]:
        """`now`, and the offset: whole seconds that the machine's clock is ahead of it, 0 until it is set."""
        return self.now(), 0.0

    def offset(self) -> float:
        """The offset alone."""
        return self.reading()[1]

    def mark(self) -> Tree:
        """What `resume` takes."""
        return {}

    def resume(self, mark: Tree) -> None:  # noqa: B027 - nothing to go on from
        """Go on from a mark that was kept on disk; {} of a version that kept none."""

    def not_before(self, at: float) -> None:  # noqa: B027 - it tells the time that it is to tell
        """Go on from this time at least: something happened then."""


class SystemClock(Clock):
    """The machine's: begins with its time of day, and goes on with the clock that counts since its boot.

    That clock runs through a suspend, and no step moves it. The daemons that discipline a clock slew both alike, so
    they come apart by steps alone, and the offset stays 0 in a machine whose clock is only slewed. It follows once they
    are more than a second apart, by whole seconds, which change no other digit of a time. Safe from any thread.

    >>> hands = {"wall": 1_800_000_000.0, "since boot": 50.0}
    >>> clock = SystemClock(lambda: hands["wall"], lambda: hands["since boot"])
    >>> hands.update({"wall": 1_800_003_610.0, "since boot": 60.0})
    >>> clock.now()
    1800000010.0
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        since_boot: Callable[[], float] | None = None,
        boot: str | None = None,
    ) -> None:
        """`boot` names what `since_boot` counts from; None where nobody knows. The machine's own clock has its name."""
        self._wall = wall
        self._since_boot = _since_boot() if since_boot is None else since_boot
        self._boot = _boot() if since_boot is None else boot
        self._booted = wall() - self._since_boot()
        """When the machine was booted, in the exporter's own time."""
        self._offset = 0.0

    def now(self) -> float:
        """The exporter's own time in unix seconds."""
        return self._since_boot() + self._booted

    def reading(self) -> tuple[float, float]:
        """The exporter's own time and the offset. 0.4 us."""
        now = self._since_boot() + self._booted
        ahead = self._wall() - now
        if abs(ahead - self._offset) > STEP_SECONDS and self.now() - now < HELD_SECONDS:
            # Down: a time that is told does not lie ahead of the machine's clock.
            offset = float(math.floor(ahead))
            log.warning("the machine's clock was set", by_seconds=offset - self._offset)
            self._offset = offset
        return now, self._offset

    def mark(self) -> Tree:
        """What `resume` takes: where this time begins, which is all there is to know until the machine is booted."""
        return {"offset": self.offset(), "boot": self._boot, "booted": self._booted}

    def resume(self, mark: Tree) -> None:
        """Go on from a mark: after another boot, as far from the machine's clock as it was; else as if never ended.

        So what was kept has the same age in either time, also where the clock was set just before the process was
        killed, or while there was none.
        """
        self._offset = float(mark.get("offset", 0.0))
        if self._boot is not None and self._boot == mark.get("boot"):
            self._booted = float(mark["booted"])
        else:
            self._booted = self._wall() - self._offset - self._since_boot()

    def not_before(self, at: float) -> None:
        """Go on from this time at least: a clock may have been set back between two boots."""
        self._booted = max(self._booted, at - self._since_boot())


def _since_boot() -> Callable[[], float]:
    """Seconds since boot, those of a suspend among them where the system counts them."""
    counting = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic if counting is None else partial(time.clock_gettime, counting)


def _boot() -> str | None:
    """The name of this boot of the machine; None where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None
