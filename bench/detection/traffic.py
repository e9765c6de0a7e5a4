"""Simulated query traffic on real vectors: rhythm, drifting mix, repeats, sessions and bursts, on a fake clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.detection.data import DataSet, Rows, Vectors
from bench.detection.windows import zipf_weights

DAY = 86400.0
WEEK = 7 * DAY
WEEKEND_BEGINS = 5 * DAY
STEP_SECONDS = 300.0
"""Rate, mix and bursts are constant for so long."""
PEAK_SECONDS = 14 * 3600.0
"""The busiest time of the day."""
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Habits:
    """How people ask. The defaults are a healthy service."""

    night_rate: float = 40.0
    """Events a minute at the quietest time; the rate follows a cosine over the day."""
    day_rate: float = 160.0
    weekend_rate: float = 1.0
    """What the rate is multiplied by on the last two days of each seven; the first day is a Monday."""
    zipf_exponent: float = 0.8
    mix_sd: float = 0.5
    """Of each topic's log weight, once by day and once by night; in between it follows the same cosine."""
    wobble_sd: float = 0.2
    """Of each topic's log weight around that: an Ornstein-Uhlenbeck process."""
    wobble_seconds: float = 3 * 3600.0
    """The time in which the wobble forgets."""
    session_length: float = 3.0
    """Mean of a geometric law; after the first query come near-duplicates of it."""
    session_gap_seconds: float = 20.0
    rate_bursts_per_day: float = 4.0
    """Ten minutes at twice the rate."""
    topic_bursts_per_day: float = 0.0
    """Ten minutes in which one topic has 15 % of the sessions more."""


HEALTHY = Habits()
HOT = Habits(topic_bursts_per_day=2.0)
INDEPENDENT = Habits(
    night_rate=100, day_rate=100, mix_sd=0, wobble_sd=0, session_length=1, rate_bursts_per_day=0, zipf_exponent=0
)
"""The control: nothing but sampling noise."""

BURST_SECONDS = 600.0
RATE_BURST = 2.0
TOPIC_BURST_SHARE = 0.15


class Injection(NamedTuple):
    """Sessions of topics that never came before, from some time on and for ever."""

    start: float
    """Seconds from the beginning of the traffic."""
    share: float
    ramp_seconds: float = 0.0
    """The share grows linearly for so long."""

    def at(self, now: float) -> float:
        """The share of sessions at a time."""
        if now < self.start:
            return 0.0
        return self.share if self.ramp_seconds == 0 else self.share * min(1.0, (now - self.start) / self.ramp_seconds)


class Events(NamedTuple):
    """Some of the traffic, in order of time."""

    times: NDArray[np.float64]
    """Seconds from the beginning of the traffic."""
    rows: Rows
    """Which row of the data set was asked."""


def nearest(vectors: Vectors, *, count: int = 4 * NEIGHBOURS) -> NDArray[np.int32]:
    """The rows of largest cosine to each row, itself left out, nearest first, shape (rows, count). O(rows^2 d)."""
    found = np.empty((len(vectors), count), np.int32)
    for begin in range(0, len(vectors), 512):
        cosines = vectors[begin : begin + 512] @ vectors.T
        cosines[np.arange(len(cosines)), begin + np.arange(len(cosines))] = -np.inf
        best = np.argpartition(-cosines, count, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(cosines, best, axis=1), axis=1)
        found[begin : begin + 512] = np.take_along_axis(best, order, axis=1)
    return found


class Traffic:
    """One series' traffic: the same seed gives the same events.

    A tenth of the topics never comes, unless an injection brings it.
    """

    def __init__(
        self,
        data: DataSet,
        neighbours: NDArray[np.int32],
        *,
        seed: int,
        habits: Habits = HEALTHY,
        injection: Injection | None = None,
    ) -> None:
        self._habits = habits
        self._injection = injection
        self._rng = rng = np.random.default_rng(seed)
        topics = int(data.topics.max()) + 1
        new = np.isin(np.arange(topics), rng.choice(topics, max(1, topics // 10), replace=False))
        self._resident = _Popularity(data.topics, ~new, habits.zipf_exponent, rng)
        self._new = _Popularity(data.topics, new, habits.zipf_exponent, rng)
        self._neighbours = _within(neighbours, new[data.topics])
        self._day, self._night = rng.normal(0, habits.mix_sd, (2, topics))
        self._wobble = rng.normal(0, habits.wobble_sd, topics)
        self._later = Events(np.empty(0), np.empty(0, np.intp))

    @property
    def new_rows(self) -> Rows:
        """The rows that only an injection brings."""
        return self._new.rows

    def steps(self, seconds: float) -> Iterator[Events]:
        """The events of each five minutes, up to a time. Continue with a second call is not possible."""
        bursts: list[float] = []
        hot: list[tuple[float, int]] = []
        for now in np.arange(0.0, seconds, STEP_SECONDS):
            if now % DAY == 0:
                bursts = list(now + self._rng.random(self._rng.poisson(self._habits.rate_bursts_per_day)) * DAY)
                starts = now + self._rng.random(self._rng.poisson(self._habits.topic_bursts_per_day)) * DAY
                hot = [(start, int(self._rng.choice(self._resident.topics))) for start in starts]
            rate = self._rate(now) * (RATE_BURST if any(0 <= now - at < BURST_SECONDS for at in bursts) else 1.0)
            burst_topic = next((topic for at, topic in hot if 0 <= now - at < BURST_SECONDS), None)
            yield self._emit(now, self._sessions(now, rate, burst_topic))
            self._wander()

    def _rate(self, now: float) -> float:
        """Events a minute."""
        rate = self._habits.night_rate + (self._habits.day_rate - self._habits.night_rate) * _daylight(now)
        return rate * (self._habits.weekend_rate if now % WEEK >= WEEKEND_BEGINS else 1.0)

    def _sessions(self, now: float, rate: float, burst_topic: int | None) -> Events:
        """The events of the sessions that begin in this step; the last of them come after its end."""
        rng, habits = self._rng, self._habits
        count = rng.poisson(rate * STEP_SECONDS / 60 / habits.session_length)
        light = _daylight(now)
        weights = np.exp(light * self._day + (1 - light) * self._night + self._wobble)
        first = self._resident.draw(count, weights, rng)
        if burst_topic is not None:
            only = np.zeros_like(weights)
            only[burst_topic] = 1.0
            chosen = rng.random(count) < TOPIC_BURST_SHARE
            first[chosen] = self._resident.draw(int(chosen.sum()), only, rng)
        if self._injection is not None:
            chosen = rng.random(count) < self._injection.at(now)
            first[chosen] = self._new.draw(int(chosen.sum()), weights, rng)

        begins = now + rng.random(count) * STEP_SECONDS
        length = rng.geometric(1 / habits.session_length, count)
        session = np.repeat(np.arange(count), length)
        position = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        near = self._neighbours[first[session], rng.integers(0, NEIGHBOURS, session.size)]
        rows = np.where(position == 0, first[session], near)
        return Events(begins[session] + position * habits.session_gap_seconds, rows.astype(np.intp))

    def _emit(self, now: float, begun: Events) -> Events:
        times = np.concatenate([self._later.times, begun.times])
        rows = np.concatenate([self._later.rows, begun.rows])
        order = np.argsort(times, kind="stable")
        due = int(np.searchsorted(times[order], now + STEP_SECONDS))
        self._later = Events(times[order[due:]], rows[order[due:]])
        return Events(times[order[:due]], rows[order[:due]])

    def _wander(self) -> None:
        kept = np.exp(-STEP_SECONDS / self._habits.wobble_seconds)
        noise = self._rng.normal(0, self._habits.wobble_sd * np.sqrt(1 - kept**2), self._wobble.size)
        self._wobble = kept * self._wobble + noise


class _Popularity:
    """Rows of some topics, drawn by the topic's weight and, within it, by the row's rank in one list for all."""

    def __init__(
        self, topics: NDArray[np.intp], allowed: NDArray[np.bool_], exponent: float, rng: np.random.Generator
    ) -> None:
        rows = np.flatnonzero(allowed[topics])
        self.rows = rows[np.argsort(topics[rows], kind="stable")]
        weight = rng.permutation(zipf_weights(len(rows), exponent))
        self.topics, begins = np.unique(topics[self.rows], return_index=True)
        self._mass = np.add.reduceat(weight, begins)
        self._up_to = np.concatenate([[0.0], np.cumsum(weight)])
        self._begins = begins

    def draw(self, count: int, topic_weights: NDArray[np.float64], rng: np.random.Generator) -> Rows:
        shares = np.cumsum(self._mass * topic_weights[self.topics])
        topic = np.searchsorted(shares, rng.random(count) * shares[-1], side="right")
        target = self._up_to[self._begins[topic]] + rng.random(count) * self._mass[topic]
        position = np.searchsorted(self._up_to, target, side="right") - 1
        return np.asarray(self.rows[np.minimum(position, len(self.rows) - 1)])


def _daylight(now: float) -> float:
    """1 at the busiest time of the day, 0 twelve hours later."""
    return float((1 + np.cos(2 * np.pi * (now - PEAK_SECONDS) / DAY)) / 2)


def _within(neighbours: NDArray[np.int32], new: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The first `NEIGHBOURS` of each row on its own side; a row with fewer repeats those it has, at worst itself."""
    same = new[neighbours] == new[:, None]
    order = np.argsort(~same, axis=1, kind="stable")[:, :NEIGHBOURS]
    chosen = np.take_along_axis(neighbours, order, axis=1)
    known = np.take_along_axis(same, order, axis=1)
    best = np.where(known[:, 0], chosen[:, 0], np.arange(len(neighbours)))
    return np.where(known, chosen, best[:, None]).astype(np.int32)
