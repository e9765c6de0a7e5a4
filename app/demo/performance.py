"""Leads the traffic through the acts and tells what the exporter noticed.

All that touches the world (scrapes, the traffic process, time, the terminal) is handed in.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.demo.acts import HEALTHY, WINDOW, Act
from app.demo.watch import Crossing, Reading, Suspect

HEALTHY_EVENTS = 10_000
"""How many events the healthy act goes on for at least."""
HEALTHY_PATIENCE_HOURS = 24.0
"""How long it waits for them."""
ACT_HOURS = 1.5
"""How long any other act goes on at least, so that the 1h window is full of it."""
LINGERING_HOURS = 1.0
"""How long it goes on once it is named, to be looked at."""
FALSE_ALARM_HOURS = 65 / 60
"""What is over a limit for so long opens a ticket by the shipped rules; a limit is made to be touched now and then."""
PATIENCE_HOURS = 6.0
"""How long an act waits to be named, and the recovery for every score to fall."""
PATIENCE_SECONDS = 6.0
"""The same in the spectator's time: the exporter evaluates in real time, however short the hours are."""
FORGETTING_HOURS = 30.0
"""How long the end of a round waits at most for the longest window to forget it."""
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
    events: int = 0
    """Of the watched series while the act went on."""
    users: tuple[int, int] = (0, 0)
    """Those who found what they came for, and all of whom it is known."""
    seconds: float | None = None
    """From the beginning of the act until the diagnosis named its cause first, and went on to; None where it does not.

    Of a new version: until its series was there."""
    crossed: dict[tuple[str, str], Crossing] = field(default_factory=dict)
    """The first score over its limit of each (statistic, window)."""
    named: dict[str, Suspect] = field(default_factory=dict)
    """Every cause that was suspected, as it was told first."""
    diagnosis: Suspect | None = None
    """The surest suspect as told last."""
    since: dict[object, float] = field(default_factory=dict)
    """When each score that is over its limit, and each cause that is suspected, began to be."""
    highest: Crossing | None = None

    @property
    def as_promised(self) -> bool:
        """Whether a healthy act stayed silent for long enough, or another was noticed."""
        if self.act is HEALTHY:
            return not self.crossed and not self.named and self.events >= HEALTHY_EVENTS
        return self.seconds is not None

    def __str__(self) -> str:
        """One line for the summary."""
        return f"{self.act.title}: {self._verdict}"

    @property
    def _verdict(self) -> str:
        if self.act is HEALTHY:
            alarms = [*map(str, self.crossed.values()), *map(str, self.named.values())]
            if alarms:
                return "FALSE ALARM: " + "; ".join(alarms)
            return f"silent for {self.events:,} events" + ("" if self.as_promised else ": TOO FEW")
        if self.seconds is None:
            others = f"; suspected: {', '.join(self.named) or 'nothing'}" if self.act.cause else ""
            return f"UNNOTICED: {self.act.look_at} did not show it{others}"
        noticed = f"named {self.act.cause}" if self.act.cause else "noticed"
        minutes = 60 * self.seconds / self.hour_seconds
        return f"{noticed} after {self.seconds:.1f} s, {minutes:.0f} minutes of the exporter's time"


@dataclass(slots=True)
class Performance:
    """One demonstration, with its view of the world."""

    read: Callable[[], Reading]
    """Look at the exporter now."""
    send: Callable[[Act], None]
    """Put the search service into the state of this act."""
    say: Callable[[str], None]
    monotonic: Callable[[], float]
    unix_time: Callable[[], float]
    sleep: Callable[[float], None]
    hour_seconds: float
    """How long an hour of the exporter takes."""

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
        before = self.read()
        began, began_unix = self.monotonic(), self.unix_time()
        self.send(act)
        elapsed = 0.0
        while not self._over(outcome, elapsed):
            self.sleep(self.poll_seconds)
            reading = self.read()
            elapsed = self.monotonic() - began
            outcome.events = reading.events() - before.events()
            outcome.users = _between(before, reading, act.tokenizer_version)
            self._note(outcome, reading, elapsed, began_unix)
        if outcome.diagnosis:
            self.say(f"  diagnosis: {outcome.diagnosis}")
        found, users = outcome.users
        if users:
            self.say(f"  users: {found / users:.0%} of {users:,} found what they came for")
        highest = f"; highest: {outcome.highest}" if outcome.highest else ""
        self.say(f"  {outcome}{highest}")
        return outcome

    def recover(self) -> None:
        """Back to health until every score of the watched window is below its limit again."""
        self._wait_for_health(self.hour_seconds, self._patience, WINDOW)

    def forget(self) -> None:
        """Ordinary traffic until no window remembers the acts."""
        self._wait_for_health(self.hour_seconds, FORGETTING_HOURS * self.hour_seconds)

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

    def _over(self, outcome: Outcome, elapsed: float) -> bool:
        if outcome.act is HEALTHY:
            return outcome.events >= HEALTHY_EVENTS or elapsed >= HEALTHY_PATIENCE_HOURS * self.hour_seconds
        if elapsed < ACT_HOURS * self.hour_seconds:
            return False
        if outcome.seconds is None:
            return elapsed >= self._patience
        return elapsed >= outcome.seconds + LINGERING_HOURS * self.hour_seconds

    def _wait_for_health(self, least: float, longest: float, window: str | None = None) -> None:
        self.send(HEALTHY)
        began = self.monotonic()
        elapsed = 0.0
        high = True
        while elapsed < least or (high and elapsed < longest):
            self.sleep(self.poll_seconds)
            here = [score.value for score in self.read().scores() if window in (None, score.window)]
            elapsed = self.monotonic() - began
            # No score at all: the window has not filled again.
            high = not here or max(here) > 1
        self.say(f"  {'still not' if high else 'back'} to health after {elapsed:.1f} s\n")

    def _note(self, outcome: Outcome, reading: Reading, elapsed: float, began_unix: float) -> None:
        act = outcome.act
        # The acts before are still in the longer windows; the healthy act is the first of a round.
        watched = [each for each in reading.scores() if act is HEALTHY or each.window == WINDOW]
        for score in watched:
            if outcome.highest is None or score.value > outcome.highest.value:
                outcome.highest = score
        above = [score for score in watched if score.value > 1]
        for score in above:
            place = score.statistic, score.window
            if place not in outcome.crossed and self._lasts(outcome, place, elapsed):
                outcome.crossed[place] = score
                self.say(f"  + {elapsed:5.1f} s  {score}")
        if act.announced:
            self._note_new_series(outcome, reading, elapsed, began_unix)
            return
        # Until the act's own window is over a limit, what is suspected is what a longer one remembers.
        ripe = act is HEALTHY or any(score.value > 1 for score in watched)
        suspects = reading.suspects if ripe else ()
        for suspect in suspects:
            if suspect.cause not in outcome.named and self._lasts(outcome, suspect.cause, elapsed):
                outcome.named[suspect.cause] = suspect
                self.say(f"  ? {elapsed:5.1f} s  {suspect}")
        present = {(score.statistic, score.window) for score in above} | {suspect.cause for suspect in suspects}
        outcome.since = {what: since for what, since in outcome.since.items() if what in present}
        outcome.diagnosis = suspects[0] if suspects else None
        if outcome.diagnosis is None or act.cause != outcome.diagnosis.cause or act.cause not in reading.suspected():
            outcome.seconds = None
        elif outcome.seconds is None:
            outcome.seconds = elapsed

    def _lasts(self, outcome: Outcome, what: object, elapsed: float) -> bool:
        """Whether it counts: at once where something is wrong, on an ordinary day when a rule would open a ticket."""
        since = outcome.since.setdefault(what, elapsed)
        return outcome.act is not HEALTHY or elapsed - since >= FALSE_ALARM_HOURS * self.hour_seconds

    def _note_new_series(self, outcome: Outcome, reading: Reading, elapsed: float, began_unix: float) -> None:
        version = outcome.act.tokenizer_version
        last = reading.last_event(version)
        # Told again in every round: the series is known by then, and its events are new.
        new = reading.first_seen(version) is not None and last is not None and last >= began_unix
        if outcome.seconds is None and new:
            outcome.seconds = elapsed
            self.say(f'  + {elapsed:5.1f} s  a new series: tokenizer_version="{version}"')


def _between(before: Reading, after: Reading, tokenizer_version: str) -> tuple[int, int]:
    (found, users), (found_before, users_before) = (each.successes(tokenizer_version) for each in (after, before))
    return found - found_before, users - users_before
