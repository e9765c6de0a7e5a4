"""Leads the traffic through the acts and tells what the exporter noticed.

All that touches the world (scrapes, the traffic process, time, the terminal) is handed in.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.demo.acts import HEALTHY, WINDOW, Act, Sign
from app.demo.watch import Crossing, Reading

HEALTHY_HOURS = 4.0
ACT_HOURS = 2.5
"""How long an act goes on at least, so that the 1h window is full of it."""
PATIENCE_HOURS = 6.0
"""How long an act waits to be noticed, and the recovery for every score to fall."""
PATIENCE_SECONDS = 6.0
"""The same in the spectator's time: the exporter evaluates in real time, however short the hours are."""
LEARNING_DAYS = 1.5
LEARNING_GRACE_SECONDS = 30.0
PROGRESS_SECONDS = 15.0
"""Between two lines while learning; a tenth of the day where that is shorter."""


class DemoError(Exception):
    """The demonstration cannot go on; the message says why and what would help."""


@dataclass(slots=True)
class Outcome:
    """What the exporter showed of an act."""

    act: Act
    hour_seconds: float
    """How long an hour of the exporter takes."""
    seconds: float | None = None
    """Until it was noticed, from the beginning of the act; None where it was not."""
    crossed: dict[tuple[str, str], Crossing] = field(default_factory=dict)
    """The first score over its limit of each (signal, window)."""
    highest: Crossing | None = None

    @property
    def as_promised(self) -> bool:
        """Whether a healthy act stayed quiet, or another was noticed."""
        return not self.crossed if self.act.sign is Sign.NOTHING else self.seconds is not None

    def __str__(self) -> str:
        """One line for the summary."""
        match self.act.sign, self.as_promised:
            case Sign.NOTHING, True:
                verdict = "quiet"
            case Sign.NOTHING, False:
                verdict = "FALSE ALARM: " + "; ".join(str(each) for each in self.crossed.values())
            case _, True:
                verdict = f"noticed after {self._duration}"
            case _:
                verdict = f"UNNOTICED: {self.act.look_at} did not show it"
        return f"{self.act.title}: {verdict}"

    @property
    def _duration(self) -> str:
        assert self.seconds is not None
        return f"{self.seconds:.1f} s, {60 * self.seconds / self.hour_seconds:.0f} minutes of the exporter's time"


@dataclass(slots=True)
class Performance:
    """One demonstration, with its view of the world."""

    read: Callable[[], Reading]
    """Scrape the exporter now."""
    send: Callable[[Act], None]
    """Put the search service into the state of this act."""
    say: Callable[[str], None]
    monotonic: Callable[[], float]
    unix_time: Callable[[], float]
    sleep: Callable[[float], None]
    hour_seconds: float
    """How long an hour of the exporter takes."""
    _spoiled: bool = field(default=False, init=False)
    """Whether an act has gone by that the longer windows still remember."""

    @property
    def poll_seconds(self) -> float:
        """The time between scrapes: a twentieth of an hour, as far as the exporter evaluates that often."""
        return min(1.0, max(0.2, self.hour_seconds / 20))

    def learn(self) -> None:
        """Play ordinary days until the baseline is final. Raises DemoError where it never is."""
        day_seconds = 24 * self.hour_seconds
        self.say(
            f"First the exporter learns what is normal: a day of ordinary traffic, {day_seconds:.0f} s. Then things go"
            " wrong."
        )
        self.send(HEALTHY)
        began = self.monotonic()
        told, usable = 0.0, False
        while True:
            self.sleep(self.poll_seconds)
            reading = self.read()
            elapsed = self.monotonic() - began
            state = reading.baseline_state() or "none"
            if state == "final":
                self.say(f"  learned: the baseline is final after {reading.events():,} events in {elapsed:.0f} s\n")
                return
            if elapsed > LEARNING_DAYS * day_seconds + LEARNING_GRACE_SECONDS:
                message = (
                    f"the baseline is not final after {elapsed:.0f} s and {reading.events():,} events"
                    f" (its state: {state}); the machine may be too slow or too busy"
                )
                raise DemoError(message)
            if state == "provisional" and not usable:
                usable = True
                self.say(f"  learning: the baseline is provisional from {reading.events():,} events on: usable already")
            if elapsed >= told + min(PROGRESS_SECONDS, day_seconds / 10):
                told = elapsed
                share = min(1.0, elapsed / day_seconds)
                self.say(f"  learning: {reading.events():,} events, {share:.0%} of the day")

    def play(self, act: Act, number: int, of: int) -> Outcome:
        """One act: announce it, watch until it is noticed and the window is full of it, and sum up."""
        self.say(f"Act {number} of {of}: {act.title}")
        self.say(textwrap.fill(act.story, 100, initial_indent="  ", subsequent_indent="  "))
        self.say(f"  look at {act.look_at}")
        outcome = Outcome(act, self.hour_seconds)
        least = self.hour_seconds * (HEALTHY_HOURS if act.sign is Sign.NOTHING else ACT_HOURS)
        longest = least if act.sign is Sign.NOTHING else self._patience
        began, began_unix = self.monotonic(), self.unix_time()
        self._spoiled |= act.sign is not Sign.NOTHING
        self.send(act)
        elapsed = 0.0
        while elapsed < least or (outcome.seconds is None and elapsed < longest):
            self.sleep(self.poll_seconds)
            reading = self.read()
            elapsed = self.monotonic() - began
            self._note(outcome, reading, elapsed, began_unix)
        highest = f"; highest: {outcome.highest}" if outcome.highest else ""
        self.say(f"  {outcome}{highest}")
        return outcome

    def recover(self) -> None:
        """Back to health until every score of the watched window is below its limit again."""
        self.send(HEALTHY)
        began = self.monotonic()
        elapsed = 0.0
        high = True
        while elapsed < self.hour_seconds or (high and elapsed < self._patience):
            self.sleep(self.poll_seconds)
            here = [score.value for score in self.read().scores() if score.window == WINDOW]
            elapsed = self.monotonic() - began
            # No score at all: the window has not filled again.
            high = not here or max(here) > 1
        self.say(f"  {'still not' if high else 'back'} to health after {elapsed:.1f} s\n")

    def all_acts(self, acts: Sequence[Act]) -> list[Outcome]:
        """Every act once, with a recovery after each that left a trace."""
        outcomes = []
        for number, act in enumerate(acts, start=1):
            outcomes.append(self.play(act, number, len(acts)))
            if act is not HEALTHY:
                self.recover()
        return outcomes

    @property
    def _patience(self) -> float:
        return max(PATIENCE_HOURS * self.hour_seconds, PATIENCE_SECONDS)

    def _note(self, outcome: Outcome, reading: Reading, elapsed: float, began_unix: float) -> None:
        act = outcome.act
        watched = [score for score in reading.scores() if score.window == WINDOW or not self._spoiled]
        for score in watched:
            if outcome.highest is None or score.value > outcome.highest.value:
                outcome.highest = score
            if score.value > 1 and (score.signal, score.window) not in outcome.crossed:
                outcome.crossed[score.signal, score.window] = score
                self.say(f"  + {elapsed:5.1f} s  {score}")
        if outcome.seconds is not None:
            return
        if act.sign is Sign.SCORE and any(score.value > 1 and score.signal in act.signals for score in watched):
            outcome.seconds = elapsed
        if act.sign is Sign.NEW_VERSION:
            last = reading.last_event(act.tokenizer_version)
            # Told again in every round: the series is known by then, and its events are new.
            if reading.first_seen(act.tokenizer_version) is not None and last is not None and last >= began_unix:
                outcome.seconds = elapsed
                self.say(f'  + {elapsed:5.1f} s  a new series: tokenizer_version="{act.tokenizer_version}"')
