"""The series of the month: which models, how much is asked of each, and what is wrong with them, if anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.detection.traffic import HEALTHY, Habits, Injection

WEEKEND_RATE: Final = 0.4
"""Of a working day's traffic."""


@dataclass(frozen=True, slots=True)
class Class:
    """Series that are asked alike."""

    night_rate: float
    """Events a minute at the quietest time of a working day."""
    day_rate: float
    evaluation_seconds: float
    """Between evaluations while all is well; a multiple of `STEP_SECONDS`."""

    @property
    def habits(self) -> Habits:
        """Rhythm of day and week, wandering mix, sessions, repeats and bursts."""
        return Habits(
            night_rate=self.night_rate,
            day_rate=self.day_rate,
            weekend_rate=WEEKEND_RATE,
            zipf_exponent=HEALTHY.zipf_exponent,
        )


CLASSES: Final[Mapping[str, Class]] = {
    # By day its five minutes have the events that a score needs.
    "busy": Class(20.0, 80.0, 300.0),
    # Its hours have them, its five minutes never.
    "usual": Class(8.0, 24.0, 1200.0),
    # Only its days have.
    "quiet": Class(0.7, 2.1, 3600.0),
}


@dataclass(frozen=True, slots=True)
class Member:
    """One series."""

    name: str
    """Of its model."""
    of: str
    """Of `CLASSES`."""
    seed: int
    injection: Injection | None = None
    """Topics that never came before, from some time on."""
    new_tokenizer_at: float | None = None
    """Seconds from the start at which all texts get other vectors and nobody says so."""


def healthy(counts: Mapping[str, int]) -> Sequence[Member]:
    """So many series of each class, mixed evenly."""
    placed = sorted(((i + 0.5) / count, of) for of, count in counts.items() for i in range(count))
    return tuple(Member(f"m{number:02d}", of, 100 + number) for number, (_, of) in enumerate(placed))


FLEET: Final = healthy({"busy": 4, "usual": 24, "quiet": 36})
"""Sixty-four: few have much of the traffic, most have little, as everywhere."""
