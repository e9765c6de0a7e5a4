"""Writing a scrape of 64 series: beside the client library, by how much changed, and what the event loop notices."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from prometheus_client import generate_latest

from app.baseline import Pinned
from app.baseline.content import content_id
from app.evaluate import Evaluator, Rules
from app.metrics import encode
from app.metrics.exposition import GZIP_LEVEL
from app.model import Timing
from app.outcomes import Outcome, OutcomeMemory
from app.store import MemoryStore
from bench.collected import ToldClock, collected
from bench.fill import CHUNK, NOW, budget, events, final_baselines, key
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table, number

PART: Final = "rendering"
SERIES: Final = 64
FASTER_THAN_CLIENT: Final = 10.0
ONE_OF_ALL: Final = 0.1
STALL_MILLISECONDS: Final = 10.0
MILLI: Final = 1e3
LOOP_TICK_SECONDS: Final = 0.0005
IDLE_SECONDS: Final = 0.03
"""As long as a scrape takes."""

ALL: Final = "every series and a new evaluation"
TRAFFIC: Final = "every series"
ONE: Final = "one series"
NONE: Final = "nothing"


class Scraped:
    """64 series of one model, each a version with a final baseline, labels, outcomes, latencies and a peer."""

    def __init__(self) -> None:
        timing = Timing()
        self._pinned = Pinned(timing, min_events=0, budget=budget(timing))
        self._store = MemoryStore(timing, max_series=SERIES, max_state_bytes=1 << 50, seed=7)
        self._evaluator = Evaluator(self._store, self._pinned, Rules())
        outcomes = OutcomeMemory()
        rng = np.random.default_rng(7)
        ids = [tuple(f"doc-{document}" for document in row) for row in rng.integers(1000, size=(CHUNK, 10))]
        for baseline in final_baselines(SERIES):
            # Without a time: its windows are scored at once.
            content = replace(baseline.content, block_seconds=0.0)
            self._pinned.adopt(replace(baseline, content=content, id=content_id(baseline.key, content)))
        self._batches = [
            replace(
                events(key(number), rng),
                timestamp=np.full(CHUNK, NOW),
                ids=ids,
                relevant=[{each[2]: 1.0} for each in ids],
                trace_ids=[f"{row:032x}" for row in range(CHUNK)],
                errors=["timeout" if row == 0 else None for row in range(CHUNK)],
                withdrawn=np.zeros(CHUNK, np.int64),
            )
            for number in range(SERIES)
        ]
        # Until the scores of all windows are known: from then on an evaluation has new numbers and the same labels.
        for _ in range(6):
            self.change(range(SERIES))
            self.evaluate()
        for each in range(SERIES):
            told = Outcome(success=True, clicked=True, no_answer=False, escalated=False)
            outcomes.count(key(each), [told], [False])
        self.registry = collected(self._store, self._evaluator, ToldClock(NOW), outcomes)

    def change(self, numbers: Sequence[int]) -> None:
        """Send events to these series and count them: that is ingest's work, whoever asks first."""
        for each in numbers:
            self._store.append(self._batches[each], NOW)
        self._store.totals(NOW)

    def evaluate(self) -> None:
        """Evaluate all series."""
        self._evaluator.tick(NOW)


def measure(plan: Plan) -> Report:
    """Render after each amount of change, in turn, with both encoders; then once more beside an event loop."""
    scraped = Scraped()
    cpu: dict[str, list[float]] = {name: [] for name in (ALL, TRAFFIC, ONE, NONE, "client", "gzip", "stall", "idle")}

    def timed(name: str, work: Callable[[], bytes]) -> bytes:
        started = time.thread_time()
        page = work()
        cpu[name].append(MILLI * (time.thread_time() - started))
        return page

    def ours() -> bytes:
        return encode.text(scraped.registry)

    page = ours()
    for _ in range(plan.rounds):
        changes: dict[str, Sequence[int]] = {ALL: range(SERIES), TRAFFIC: range(SERIES), ONE: [0], NONE: []}
        for name, numbers in changes.items():
            scraped.change(numbers)
            if name == ALL:
                scraped.evaluate()
            page = timed(name, ours)
        scraped.change(range(SERIES))
        scraped.evaluate()
        timed("client", lambda: generate_latest(scraped.registry))
        timed("gzip", partial(gzip.compress, page, GZIP_LEVEL))
        scraped.change(range(SERIES))
        scraped.evaluate()
        cpu["stall"].append(MILLI * asyncio.run(_longest_stall(lambda: gzip.compress(ours(), GZIP_LEVEL))))
        cpu["idle"].append(MILLI * asyncio.run(_longest_stall(lambda: time.sleep(IDLE_SECONDS))))
    return report(page, cpu, plan.rounds)


async def _longest_stall(work: Callable[[], object]) -> float:
    """The longest time, in seconds, that the loop was kept from its turn while a thread did the work."""
    working = asyncio.create_task(asyncio.to_thread(work))
    longest, last = 0.0, time.perf_counter()
    while not working.done():
        await asyncio.sleep(LOOP_TICK_SECONDS)
        now = time.perf_counter()
        longest, last = max(longest, now - last - LOOP_TICK_SECONDS), now
    await working
    return longest


def report(page: bytes, cpu: dict[str, list[float]], rounds: int) -> Report:
    """Ratios of the same round first."""
    samples = sum(not line.startswith(b"#") for line in page.splitlines())
    over_client = Spread.of(client / each for client, each in zip(cpu["client"], cpu[ALL], strict=True))
    one_of_all = Spread.of(one / each for one, each in zip(cpu[ONE], cpu[ALL], strict=True))
    goals = [
        Goal(
            "scrape in which everything changed, faster than the client library's",
            over_client,
            FASTER_THAN_CLIENT,
            "times",
            at_least=True,
        ),
        Goal("scrape with one changed series, over one in which everything changed", one_of_all, ONE_OF_ALL, "times"),
        Goal(
            "longest the event loop waits while a scrape is rendered and compressed in its thread",
            Spread.of(cpu["stall"]),
            STALL_MILLISECONDS,
            "ms",
        ),
    ]
    table = Table(
        ("changed since the scrape before", "CPU, ms"),
        [
            *((name, str(Spread.of(cpu[name]))) for name in (ALL, TRAFFIC, ONE, NONE)),
            (f"{ALL}, by prometheus_client", str(Spread.of(cpu["client"]))),
            ("compressing it, gzip at level 1", str(Spread.of(cpu["gzip"]))),
        ],
    )
    caption = (
        f"{SERIES} series, {samples:,} samples, {number(len(page) / 1e6)} MB of text, from the states that the store "
        "and the last evaluation hold; folding staged events is ingest's work and left out:"
    )
    waits = Table(
        ("beside the event loop, a thread", "longest wait of the loop, ms"),
        [
            ("renders and compresses a scrape", str(Spread.of(cpu["stall"]))),
            ("sleeps as long: what the machine does to it", str(Spread.of(cpu["idle"]))),
        ],
    )
    return Report(PART, goals, [(caption, table), ("Both on one core:", waits)], rounds)
