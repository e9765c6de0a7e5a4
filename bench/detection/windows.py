"""The kinds of windows a detector is measured on: no drift, benign wobble, and changes in known shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.detection.data import DataSet, Rows, Vectors
from bench.detection.sample import Sample

BASELINE_ROWS = 2000
HELD_OUT_TOPICS = 0.1
"""The share of topics that the baseline never saw."""
WHOLE = (1.0,)
PARTIAL = (0.05, 0.10, 0.25, 1.0)


class Split:
    """One baseline and the rows that windows may be drawn from: nothing is in both.

    A tenth of the topics is held out of the baseline and of healthy windows.
    """

    def __init__(self, data: DataSet, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        topics = np.unique(data.topics)
        held_out = rng.choice(topics, max(1, round(HELD_OUT_TOPICS * len(topics))), replace=False)
        resident = rng.permutation(np.flatnonzero(~np.isin(data.topics, held_out)))
        baseline = min(BASELINE_ROWS, len(resident) // 2)

        self.seed = seed
        self.data = data
        self.resident: Rows = resident
        self.baseline: Rows = resident[:baseline]
        self.pool: Rows = resident[baseline:]
        self.new: Rows = np.flatnonzero(np.isin(data.topics, held_out))
        self.new_one: Rows = max((self.new[data.topics[self.new] == topic] for topic in held_out), key=len)
        self.changeable: Rows = self.pool[self.pool < data.changed_rows]
        covered = resident[resident < data.changed_rows]
        self._popularity = zipf_weights(len(covered), 0.8)
        self._popular: Rows = covered
        self._day, self._night = np.exp(rng.normal(0, 0.5, (2, data.topics.max() + 1)))

    def draw(self, rows: Rows, n: int, rng: np.random.Generator) -> Rows:
        """Distinct rows as long as there are enough of them, else with repeats."""
        return rng.choice(rows, n, replace=n > len(rows))

    def zipf(self, n: int, rng: np.random.Generator) -> Rows:
        """Rows with the repeats of a query log (exponent 0.8), all of them covered by the changes."""
        return rng.choice(self._popular, n, p=self._popularity)

    def at_hours(self, rows: Rows, phases: NDArray[np.float64], rng: np.random.Generator) -> Rows:
        """One row for each phase of the day in [0, 1), in order: each topic has a weight by day and one by night."""
        topic = self.data.topics[rows]
        by_day = (1 + np.cos(2 * np.pi * phases)) / 2
        chosen = np.empty(len(phases), np.intp)
        for block in np.array_split(np.arange(len(phases)), max(1, len(phases) // 25)):
            light = by_day[block].mean()
            weights = light * self._day[topic] + (1 - light) * self._night[topic]
            chosen[block] = rng.choice(rows, len(block), p=weights / weights.sum())
        return chosen


class Case(NamedTuple):
    """A kind of window."""

    name: str
    kind: str
    """`none`, `benign` or the kind of change; a table has one row a case and share."""
    baseline: str
    """Key of BASELINES: what the window is measured against."""
    shares: tuple[float, ...]
    """Of the window's events that are changed; 0 in healthy windows."""
    window: Callable[[Split, int, float, np.random.Generator], Sample]


def zipf_weights(n: int, exponent: float) -> NDArray[np.float64]:
    """Probabilities that fall with the rank to the power of `exponent`, shape (n,)."""
    weights = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())


def _plain_baseline(split: Split, _rng: np.random.Generator) -> Sample:
    return Sample(split.data.vectors[split.baseline])


def _norms_baseline(split: Split, _rng: np.random.Generator) -> Sample:
    return Sample(split.data.vectors[split.baseline], split.data.norms[split.baseline])


def _repeats_baseline(split: Split, rng: np.random.Generator) -> Sample:
    rows = split.zipf(BASELINE_ROWS, rng)
    return Sample(split.data.vectors[rows], hashes=_hashes(rows))


def _rhythm_baseline(split: Split, rng: np.random.Generator) -> Sample:
    # Both sides from all resident rows: rows drawn twice in the baseline would be drawn by the window as well.
    phases = np.linspace(0, 1, len(split.baseline), endpoint=False)
    return Sample(split.data.vectors[split.at_hours(split.resident, phases, rng)])


BASELINES: dict[str, Callable[[Split, np.random.Generator], Sample]] = {
    "plain": _plain_baseline,
    "norms": _norms_baseline,
    "repeats": _repeats_baseline,
    "rhythm": _rhythm_baseline,
}


def _healthy(split: Split, n: int, _share: float, rng: np.random.Generator) -> Sample:
    return Sample(split.data.vectors[split.draw(split.pool, n, rng)])


def _norms_sent(split: Split, n: int, _share: float, rng: np.random.Generator) -> Sample:
    rows = split.draw(split.pool, n, rng)
    return Sample(split.data.vectors[rows], split.data.norms[rows])


def _mix(split: Split, n: int, _share: float, rng: np.random.Generator) -> Sample:
    weights = rng.uniform(0.7, 1.3, split.data.topics.max() + 1)[split.data.topics[split.pool]]
    rows = rng.choice(split.pool, n, p=weights / weights.sum(), replace=n > len(split.pool))
    return Sample(split.data.vectors[rows])


def _repeats(split: Split, n: int, _share: float, rng: np.random.Generator) -> Sample:
    rows = split.zipf(n, rng)
    return Sample(split.data.vectors[rows], hashes=_hashes(rows))


def _time_of_day(split: Split, n: int, _share: float, rng: np.random.Generator) -> Sample:
    phases = (rng.random() + np.arange(n) / BASELINE_ROWS) % 1.0
    return Sample(split.data.vectors[split.at_hours(split.resident, phases, rng)])


def _stored_float16(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
    return Sample(_healthy(split, n, share, rng).vectors.astype(np.float16).astype(np.float32))


def _stored_int8(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
    vectors = _healthy(split, n, share, rng).vectors
    step = np.abs(vectors).max(axis=1, keepdims=True) / 127
    return Sample((np.round(vectors / step) * step).astype(np.float32))


def _new_topics(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
    return _mixed(split, n, share, rng, lambda k: split.data.vectors[split.draw(split.new, k, rng)])


def _new_topic(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
    return _mixed(split, n, share, rng, lambda k: split.data.vectors[split.draw(split.new_one, k, rng)])


def _norm_missing(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
    def raw(k: int) -> Vectors:
        rows = split.draw(split.pool, k, rng)
        return (split.data.vectors[rows] * split.data.norms[rows, None]).astype(np.float32)

    return _mixed(split, n, share, rng, raw)


def _zero(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
    return _mixed(split, n, share, rng, lambda k: np.zeros((k, split.data.vectors.shape[1]), np.float32))


def _flood(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
    return _mixed(split, n, share, rng, lambda k: np.repeat(split.data.vectors[rng.choice(split.pool, 1)], k, axis=0))


def _collapsed(split: Split, n: int, _share: float, rng: np.random.Generator) -> Sample:
    mean = split.data.vectors[split.baseline].mean(axis=0)
    return Sample(mean + np.float32(0.9) * (_healthy(split, n, 0, rng).vectors - mean))


def _collapsed_unit(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
    vectors = _collapsed(split, n, share, rng).vectors
    return Sample(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _mixed(split: Split, n: int, share: float, rng: np.random.Generator, changed: Callable[[int], Vectors]) -> Sample:
    """A healthy window in which `changed` makes round(share n) of the rows, at random places."""
    k = round(share * n)
    vectors = np.concatenate([split.data.vectors[split.draw(split.pool, n - k, rng)], changed(k)])
    return Sample(vectors[rng.permutation(n)])


def _change(name: str) -> Callable[[Split, int, float, np.random.Generator], Sample]:
    def window(split: Split, n: int, share: float, rng: np.random.Generator) -> Sample:
        vectors = split.data.changes[name].vectors
        return _mixed(split, n, share, rng, lambda k: vectors[split.draw(split.changeable, k, rng)])

    return window


def _change_with_hashes(name: str) -> Callable[[Split, int, float, np.random.Generator], Sample]:
    def window(split: Split, n: int, _share: float, rng: np.random.Generator) -> Sample:
        rows = split.zipf(n, rng)
        return Sample(split.data.changes[name].vectors[rows], hashes=_hashes(rows))

    return window


def _hashes(rows: Rows) -> list[str]:
    return [f"{row:08x}" for row in rows]


HEALTHY = (
    Case("no drift", "none", "plain", (0.0,), _healthy),
    Case("no drift, norms sent", "none", "norms", (0.0,), _norms_sent),
    Case("mix of topics +-30 %", "benign", "plain", (0.0,), _mix),
    Case("Zipf repeats, hashes sent", "benign", "repeats", (0.0,), _repeats),
    Case("a time of day of a daily rhythm", "benign", "rhythm", (0.0,), _time_of_day),
    Case("stored as float16", "benign", "plain", (0.0,), _stored_float16),
    Case("stored as int8", "benign", "plain", (0.0,), _stored_int8),
)

NULL = HEALTHY[0].name
"""The windows that thresholds of peers, and ours beside them, are tuned on."""


def drifting(data: DataSet) -> Iterator[Case]:
    """The changes: of topics, of vectors, and each one that the data holds; these last also whole with hashes."""
    yield Case("new topics", "new topic", "plain", PARTIAL, _new_topics)
    yield Case("one new topic", "new topic", "plain", (0.05, 0.10, 0.25), _new_topic)
    yield Case("normalisation lost", "vectors", "plain", (0.01, 0.05), _norm_missing)
    yield Case("zero vectors", "vectors", "plain", (0.01, 0.05), _zero)
    yield Case("one query repeated", "flood", "plain", (0.05, 0.10, 0.25), _flood)
    yield Case("collapse by 10 %", "collapse", "plain", WHOLE, _collapsed)
    yield Case("collapse by 10 %, unit length", "collapse", "plain", WHOLE, _collapsed_unit)
    for name in data.changes:
        yield Case(name, name.partition("_")[0], "plain", PARTIAL, _change(name))
    for name in data.changes:
        yield Case(f"{name}, hashes sent", "hashes", "repeats", WHOLE, _change_with_hashes(name))


def cases(data: DataSet) -> tuple[Case, ...]:
    """Every kind of window, the healthy ones first."""
    return (*HEALTHY, *drifting(data))


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of window at one share and size."""

    case: str
    kind: str
    share: float
    n: int
