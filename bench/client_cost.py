"""What a call of the client costs the service that makes it: left out of the sample, and taken into it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from embedding_drift_client import DriftClient

from bench.load import DIMENSION, MODEL, TOP_K
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table
from bench.server import Server

PART: Final = "client"
CALLS: Final = 2_000
"""In one round; fewer than the client's queue holds, so that every event is taken in and none is dropped cheaply."""
FLUSH_SECONDS: Final = 30.0
SAMPLED_OUT_RATE: Final = 1e-9
SAMPLED_OUT_LIMIT_MICROSECONDS: Final = 5.0
SAMPLED_IN_LIMIT_MICROSECONDS: Final = 30.0
MICRO: Final = 1e6


@dataclass(frozen=True, slots=True)
class Calls:
    """One round of calls, each figure in microseconds a call."""

    caller: float
    """CPU of the calling thread."""
    process: float
    """CPU of the whole process until the last event was sent: encoding and sending in the client's own thread too."""
    wall_median: float
    wall_p99: float


def measure(plan: Plan) -> Report:
    """Record the same queries with a client that samples nearly all of them out, and with one that takes every one."""
    with Server("sink", "bench.empty_server", "{port}") as sink:
        rates = {"sampled out": SAMPLED_OUT_RATE, "sampled in": 1.0}
        rounds: dict[str, list[Calls]] = {name: [] for name in rates}
        for turn in range(plan.rounds + 1):
            for name, rate in rates.items():
                calls = record(f"http://127.0.0.1:{sink.port}", rate)
                # The first turn pays for the connection, the thread and cold caches.
                if turn:
                    rounds[name].append(calls)
    caller = {name: Spread.of(calls.caller for calls in each) for name, each in rounds.items()}
    goals = [
        Goal(
            "CPU of `record` in its caller's thread, sampled out",
            caller["sampled out"],
            SAMPLED_OUT_LIMIT_MICROSECONDS,
            "microseconds",
        ),
        Goal(
            "CPU of `record` in its caller's thread, sampled in",
            caller["sampled in"],
            SAMPLED_IN_LIMIT_MICROSECONDS,
            "microseconds",
        ),
    ]
    rows = [
        (
            name,
            str(caller[name]),
            str(Spread.of(calls.wall_median for calls in each)),
            str(Spread.of(calls.wall_p99 for calls in each)),
            str(Spread.of(calls.process for calls in each)),
        )
        for name, each in rounds.items()
    ]
    columns = ("call", "CPU of the caller", "median wait", "99 % wait", "CPU of the process, sending included")
    caption = (
        f"Microseconds a call of `DriftClient.record` with a numpy vector of {DIMENSION} float32, {TOP_K} scores and "
        f"ids, in bursts of {CALLS:,} calls without a pause: the client's sending thread competes with its caller."
    )
    return Report(PART, goals, [(caption, Table(columns, rows))], plan.rounds)


def record(url: str, sample_rate: float) -> Calls:
    """Record `CALLS` queries in a burst and wait until they are sent; RuntimeError where one was lost."""
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(64, DIMENSION)).astype(np.float32)
    scores = np.sort(rng.uniform(0.2, 0.95, TOP_K))[::-1].tolist()
    ids = [f"doc-{document:07d}" for document in rng.integers(1_000_000, size=TOP_K)]
    queries = [f"query-{number:012d}" for number in rng.integers(1 << 40, size=CALLS)]
    waits = np.empty(CALLS)
    with DriftClient(url, sample_rate, model=MODEL, model_version="0", tokenizer_version="1") as client:
        process, thread = time.process_time(), time.thread_time()
        for number, query in enumerate(queries):
            started = time.perf_counter()
            client.record(query_id=query, embedding=vectors[number % 64], scores=scores, ids=ids)
            waits[number] = time.perf_counter() - started
        thread = time.thread_time() - thread
        flushed = client.flush(FLUSH_SECONDS)
        process = time.process_time() - process
        stats = client.stats
    if not flushed or stats.errors or stats.dropped or stats.failed:
        raise RuntimeError(f"the client lost events: {stats}")
    return Calls(
        MICRO * thread / CALLS,
        MICRO * process / CALLS,
        MICRO * float(np.median(waits)),
        MICRO * float(np.quantile(waits, 0.99)),
    )
