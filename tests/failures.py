"""The ways in which retrieval fails, as streams in simulated time, and what a scrape must say of each.

The table in docs/drift.md says which of `SIGNS` moves with which of `FAILURES`; tests/test_failures.py holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from app.baseline import PinnedBaseline, from_bytes, to_bytes
from app.drift.gates import GATES_BY_EFFECT
from app.model import EventBatch, SeriesKey, VectorFault
from prometheus.thresholds import LIMITS
from tests.builders import KEY, events
from tests.service import Service, service
from tests.stage import Queries

DOCUMENTS = KEY._replace(kind="document")
OTHER = KEY._replace(model_version="3")
PLACE = {"model": KEY.model, "index": "products"}
BASELINE_HOURS = 12
SETTINGS: Mapping[str, Any] = {"baseline_duration_seconds": 3600.0 * BASELINE_HOURS, "slice_labels": ("locale",)}
QUERIES_A_MINUTE = 30
DOCUMENTS_A_MINUTE = 6
LOOK_MINUTES = 15

Samples = Mapping[tuple, float]
"""A scrape: name and labels -> value."""


@dataclass
class Minute:
    """The queries of a minute, n of them, as a healthy service would send them until a failure changes them."""

    vectors: np.ndarray
    """Shape (n, dimension)."""
    inputs: np.ndarray
    """Hashes of the texts."""
    top1: np.ndarray
    latency_seconds: np.ndarray
    failed: np.ndarray
    locale: list[str]
    faults: list[VectorFault | None]
    keys: list[SeriesKey]
    wrong_size: np.ndarray
    """Whether the vector is cut to two numbers."""

    def batch(self, now: float) -> EventBatch:
        """As the decoder would hand it on."""
        rows = [
            None if fault else vector[:2] if cut else vector
            for vector, fault, cut in zip(self.vectors, self.faults, self.wrong_size, strict=True)
        ]
        return events(
            np.full(len(rows), now),
            keys=self.keys,
            vectors=rows,
            faults=self.faults,
            scores=[None if failed else [top, top - 0.05] for failed, top in zip(self.failed, self.top1, strict=True)],
            errors=["timeout" if failed else None for failed in self.failed],
            latencies=self.latency_seconds,
            inputs=self.inputs,
            labels=[{"locale": each} for each in self.locale],
        )


Harm = Callable[[Minute, np.random.Generator], None]


def nothing(minute: Minute, rng: np.random.Generator) -> None:
    """An ordinary minute."""


def turned(vectors: np.ndarray) -> np.ndarray:
    """By what another tokenizer, or other preprocessing, makes of the same texts: always the same turn."""
    dimension = vectors.shape[1]
    return vectors @ np.linalg.qr(np.random.default_rng(5).normal(size=(dimension, dimension)))[0]


@cache
def usual_mean() -> np.ndarray:
    """Of ordinary queries; shape (dimension,)."""
    return Queries(seed=3).draw(np.zeros(20_000)).vectors.values.reshape(20_000, -1).mean(axis=0)


def as_long(vectors: np.ndarray, as_these: np.ndarray) -> np.ndarray:
    return vectors * np.linalg.norm(as_these, axis=1, keepdims=True) / np.linalg.norm(vectors, axis=1, keepdims=True)


def f1(minute: Minute, rng: np.random.Generator) -> None:
    """The tokenizer is another: each text has another vector; the similarities stay about where they were."""
    minute.vectors = turned(minute.vectors)


def f2(minute: Minute, rng: np.random.Generator) -> None:
    """A second version, of another space, answers 40 % of the queries."""
    other = rng.random(len(minute.keys)) < 0.4
    minute.vectors[other] = turned(minute.vectors[other])
    minute.keys = [OTHER if each else key for key, each in zip(minute.keys, other, strict=True)]


def f3(minute: Minute, rng: np.random.Generator) -> None:
    """What is asked for is not in the index (which nobody fills): the best match is a worse one."""
    missing = rng.random(minute.top1.size) < 0.5
    minute.top1[missing] -= 0.12


def f4_scaled(minute: Minute, rng: np.random.Generator) -> None:
    """Nothing scales the vectors any more: they are a third longer."""
    minute.vectors = minute.vectors * 1.3


def f4_collapsed(minute: Minute, rng: np.random.Generator) -> None:
    """The vectors go half of the way to their mean."""
    minute.vectors = 0.5 * (minute.vectors + usual_mean())


def f5(minute: Minute, rng: np.random.Generator) -> None:
    """A new content type: of a fifth of the queries the vectors are null, of another size, or sparse."""
    kind = rng.random(len(minute.faults))
    minute.faults = [VectorFault.ZERO if each < 0.05 else None for each in kind]
    minute.wrong_size = (kind >= 0.05) & (kind < 0.1)
    sparse = (kind >= 0.1) & (kind < 0.2)
    kept = minute.inputs[sparse] % minute.vectors.shape[1]
    directions = np.sign(minute.vectors[sparse]) * (np.arange(minute.vectors.shape[1]) == kept[:, None])
    minute.vectors[sparse] = as_long(directions, minute.vectors[sparse])
    minute.inputs[sparse] += 10**9


def f6(minute: Minute, rng: np.random.Generator) -> None:
    """Another library: each vector a hundredth of itself aside, cosine 0.99995."""
    minute.vectors = as_long(minute.vectors + 0.01 * turned(minute.vectors), minute.vectors)


def f7(minute: Minute, rng: np.random.Generator) -> None:
    """Three vectors in a hundred come back with random errors, and every 20th query not at all."""
    n = len(minute.keys)
    broken = rng.random(n) < 0.03
    noise = 0.3 / minute.vectors.shape[1] ** 0.5 * rng.normal(size=(broken.sum(), minute.vectors.shape[1]))
    minute.vectors[broken] = as_long(minute.vectors[broken] + noise, minute.vectors[broken])
    minute.failed |= rng.random(n) < 0.05


def f8(minute: Minute, rng: np.random.Generator) -> None:
    """Queries are no longer preprocessed as documents are: they lie elsewhere, and further from what they look for."""
    minute.vectors = as_long(minute.vectors + 0.5 * turned(minute.vectors), minute.vectors)
    minute.top1 -= 0.1


def f9(minute: Minute, rng: np.random.Generator) -> None:
    """A fifth of the queries come from a new locale, lie elsewhere and find little."""
    new = rng.random(len(minute.keys)) < 0.2
    minute.locale = ["pt" if each else locale for locale, each in zip(minute.locale, new, strict=True)]
    place = turned(np.eye(minute.vectors.shape[1]))[0]
    minute.vectors[new] = as_long(0.4 * minute.vectors[new] + place, minute.vectors[new])
    minute.top1[new] -= 0.25
    minute.inputs[new] += 10**9


def f10(minute: Minute, rng: np.random.Generator) -> None:
    """A heavy reindex beside the searches: they take three times as long."""
    minute.latency_seconds *= 3


FAILURES: Mapping[str, Harm] = {
    "healthy": nothing,
    "F1": f1,
    "F2": f2,
    "F3": f3,
    "F4 scaled": f4_scaled,
    "F4 collapsed": f4_collapsed,
    "F5": f5,
    "F6": f6,
    "F7": f7,
    "F8": f8,
    "F9": f9,
    "F10": f10,
}
"""Column of the table -> what it does to the queries of a minute; F3 also stops the indexing."""


class Site:
    """A search service and its exporter, from the door of the store to the scrape, on a clock of their own."""

    def __init__(self, served: Service, seed: int) -> None:
        self.served = served
        self.scrapes: list[Samples] = []
        self._rng = np.random.default_rng(seed)
        self._queries = Queries(seed=seed)
        self._documents = 0

    def run(self, minutes: int, harm: Harm = nothing, *, indexing: bool = True) -> None:
        """So many minutes of traffic; a scrape at each quarter of an hour, of an evaluation at the end."""
        for minute in range(1, minutes + 1):
            now = self.served.clock.advance(60)
            self._send(harm, now)
            if minute == minutes:
                self.served.tick()
            if minute % LOOK_MINUTES == 0 or minute == minutes:
                self._tell_documents(now, indexing=indexing)
                self.scrapes.append(self.served.samples())

    def _send(self, harm: Harm, now: float) -> None:
        n = self._rng.poisson(QUERIES_A_MINUTE)
        drawn = self._queries.draw(np.full(n, now))
        minute = Minute(
            vectors=np.float64(drawn.vectors.values).reshape(n, -1),
            inputs=drawn.inputs,
            top1=drawn.scores.values[::2].copy(),
            latency_seconds=0.04 * np.exp(0.5 * self._rng.normal(size=n)),
            failed=self._rng.random(n) < 0.002,
            locale=self._rng.choice(["de", "en"], n).tolist(),
            faults=[None] * n,
            keys=[KEY] * n,
            wrong_size=np.zeros(n, bool),
        )
        harm(minute, self._rng)
        self.served.store.append(minute.batch(now), now)
        self.served.store.append(self._queries.draw(np.full(DOCUMENTS_A_MINUTE, now), key=DOCUMENTS), now)

    def _tell_documents(self, now: float, *, indexing: bool) -> None:
        """A hundred came in twenty minutes ago, and were indexed within five."""
        ids = list(range(self._documents, self._documents + 100))
        self._documents += len(ids)
        for status, minutes in (("ingested", 20), ("indexed", 15)) if indexing else (("ingested", 20),):
            told = {"type": "documents", "status": status, **PLACE, "ids": ids, "timestamp": now - 60 * minutes}
            assert 202 == self.served.post([told], path="/v1/lifecycle").status


def learned() -> list[PinnedBaseline]:
    """The baselines of queries and documents after half a day of ordinary traffic, as another exporter loads them."""
    with service(**SETTINGS) as served:
        Site(served, seed=7).run(60 * BASELINE_HOURS + 10)
        pinned = (served.services.pinned.find(key) for key in (KEY, DOCUMENTS))
        return [from_bytes(to_bytes(baseline)) for baseline in pinned]


@contextmanager
def site(baselines: Sequence[PinnedBaseline]) -> Iterator[Site]:
    """A new exporter that was started with the baselines, as a replica is; no traffic yet."""
    with service(**SETTINGS) as served:
        for baseline in baselines:
            served.services.pinned.adopt(baseline)
        yield Site(served, seed=11)


# What a scrape says


class Sign(NamedTuple):
    """A family that tells of a failure, and the limit past which it does."""

    value: Callable[[Sequence[Samples]], float | None]
    """From scrapes of an hour, a quarter of it apart, the first before it; None where it is not known."""
    is_past: Callable[[float], bool]


def gauge(samples: Samples, name: str, **labels: str) -> float | None:
    """The value of the queries of the watched series."""
    wanted = {**KEY._asdict(), **labels}
    return samples.get((f"embedding_{name}", *sorted(wanted.items())))


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of all samples with these labels; 0 where there is none."""
    wanted = set(labels.items())
    return sum(value for (each, *pairs), value in samples.items() if each == f"embedding_{name}" and wanted <= {*pairs})


def grown(scrapes: Sequence[Samples], name: str, **labels: str) -> float:
    """By how much a counter grew over the hour."""
    return total(scrapes[-1], name, **labels) - total(scrapes[0], name, **labels)


def score(statistic: str, signal: str = "embedding") -> Sign:
    """A drift score of the last hour."""
    labels = {"window": "1h", "baseline": "pinned", "signal": signal, "statistic": statistic}
    return Sign(lambda scrapes: gauge(scrapes[-1], "drift_score", **labels), lambda value: value > LIMITS["score"])


def both(one: Sign, other: Sign) -> Sign:
    """Past its limit if both are; the value of the second."""
    return Sign(
        lambda scrapes: other.value(scrapes) if is_past(one, scrapes) else None,
        other.is_past,
    )


def is_past(sign: Sign, scrapes: Sequence[Samples]) -> bool:
    """Whether it is known, and past its limit."""
    value = sign.value(scrapes)
    return value is not None and sign.is_past(value)


def of_known_inputs(name: str) -> Callable[[Sequence[Samples]], float | None]:
    """A gauge of the last hour, where at least twenty inputs were known."""

    def value(scrapes: Sequence[Samples]) -> float | None:
        matches = gauge(scrapes[-1], "same_input_matches", window="1h") or 0
        return gauge(scrapes[-1], name, window="1h") if matches >= LIMITS["same_input_matches"] else None

    return value


def second_version(scrapes: Sequence[Samples]) -> float:
    """The share that the second version never fell below, in each quarter of the hour; 0 where any is announced."""
    versions = (KEY.model_version, OTHER.model_version)
    if any(total(scrapes[-1], "version_announced", model_version=each) for each in versions):
        return 0.0
    shares = []
    for pair in pairwise(scrapes):
        counts = [grown(pair, "events_total", kind="query", model_version=each) for each in versions]
        shares.append(min(counts) / sum(counts))
    return min(shares)


def worst_slice(scrapes: Sequence[Samples]) -> float | None:
    """The largest share of poor matches of a slice with enough queries, over that of its parent."""
    parent = grown(scrapes, "poor_match_queries_total") / grown(scrapes, "queries_total")
    ratios = []
    for locale in ("de", "en", "pt"):
        queries = grown(scrapes, "slice_queries_total", slice_value=locale)
        if queries >= LIMITS["slice_queries"]:
            ratios.append(grown(scrapes, "slice_poor_match_queries_total", slice_value=locale) / queries)
    return max(ratios) / parent if ratios and parent else None


def slower(scrapes: Sequence[Samples]) -> float:
    """The 95th percentile of the latency of the hour over that of all before it, as histogram_quantile reads them."""
    return _p95(scrapes[-1], scrapes[0]) / _p95(scrapes[0])


def _p95(samples: Samples, since: Samples | None = None) -> float:
    counts: dict[float, float] = {}
    for each, sign in ((samples, 1), (since or {}, -1)):
        for (name, *labels), value in each.items():
            if name == "embedding_query_latency_seconds_bucket":
                bound = float(dict(labels)["le"])
                counts[bound] = counts.get(bound, 0.0) + sign * value
    bounds, cumulative = zip(*sorted(counts.items()), strict=True)
    return float(np.interp(0.95 * cumulative[-1], (0, *cumulative[:-1]), (0, *bounds[:-1])))


SIGNS: Mapping[str, Sign] = {
    "same_input_changed_ratio": Sign(of_known_inputs("same_input_changed_ratio"), lambda value: value > 0.05),
    "drift_score, mean_shift": score("mean_shift"),
    "share of events_total by version": Sign(second_version, lambda value: value > LIMITS["version_share"]),
    "documents_fresh_total / documents_ingested_total": Sign(
        lambda scrapes: grown(scrapes, "documents_fresh_total") / grown(scrapes, "documents_ingested_total"),
        lambda value: value < LIMITS["fresh_ratio"],
    ),
    "drift_score, top1": score("top1", "top1_similarity"),
    "drift_score, norm, and norm_change_ratio": both(
        score("norm", "norm"),
        Sign(
            lambda scrapes: gauge(scrapes[-1], "norm_change_ratio", window="1h", baseline="pinned"),
            lambda value: abs(value) > GATES_BY_EFFECT["norm_change_ratio"].page,
        ),
    ),
    "drift_score, spread": score("spread"),
    "drift_score, invalid": score("invalid"),
    "drift_score, novelty": score("novelty"),
    "same_input_cosine": Sign(
        of_known_inputs("same_input_cosine"),
        lambda value: LIMITS["same_input_changed_cosine"] <= value < LIMITS["same_input_numeric_cosine"],
    ),
    "same_input_inconsistent_ratio": Sign(
        lambda scrapes: gauge(scrapes[-1], "same_input_inconsistent_ratio", window="1h"),
        lambda value: value > LIMITS["same_input_inconsistent_ratio"],
    ),
    "failed_queries_total / queries_total": Sign(
        lambda scrapes: grown(scrapes, "failed_queries_total") / grown(scrapes, "queries_total"),
        lambda value: value > LIMITS["error_ratio"],
    ),
    "drift_score, query_document": score("query_document"),
    "slice_poor_match_queries_total, of a slice over its parent": Sign(
        worst_slice, lambda value: value > LIMITS["slice_factor"]
    ),
    "query_latency_seconds, p95": Sign(slower, lambda value: value > LIMITS["latency_factor"]),
}
"""Row of the table -> how it is read."""
