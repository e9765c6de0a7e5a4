"""Memory under ids that never come again: of queries, events, inputs, documents found, withdrawn and indexed."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any, Final

from bench.exporter import Exporter
from bench.plan import Plan
from bench.report import Goal, Report, Spread, Table, number

PART: Final = "distinct"
MODEL: Final = "bench-model"
BATCH: Final = 1000
"""Queries of a request, outcomes, and documents."""
FULL_AT: Final = 200_000
"""By then all that is bounded by the number of ids is full: at most 100,000 of a kind, or twice as many."""
GROWTH_LIMIT_MIB: Final = 15.0
"""Tables of hashes are built anew now and then, and not always into the memory that the last ones left."""
MIB: Final = 2**20


def measure(plan: Plan) -> Report:
    """Tell an exporter of ids that are all distinct, and look at its memory when it is full of them and after all."""
    with Exporter() as exporter:
        idle = exporter.resident_bytes()
        taken = [
            (count, exporter.resident_bytes())
            for count in told(exporter, plan.distinct)
            if count in {FULL_AT, plan.distinct}
        ]
        scraped = exporter.get("/metrics")
    (full, early), (every, late) = taken
    growth = Goal(
        f"resident memory that {every:,} distinct ids of each kind add to what {full:,} take",
        Spread.of([(late - early) / MIB]),
        GROWTH_LIMIT_MIB,
        "MiB",
    )
    rows = [(f"{count:,}", number(nbytes / MIB)) for count, nbytes in ((0, idle), *taken)]
    caption = (
        "Resident MiB of an exporter. Each query has an id, an event id, an input hash and a document of its own that "
        "is relevant to it; each has an outcome told later; and as many documents are withdrawn, ingested and indexed. "
        f"The scrape afterwards has {len(scraped) / 1024:,.0f} KiB."
    )
    return Report(PART, [growth], [(caption, Table(("distinct ids of each kind", "resident MiB"), rows))], rounds=1)


def told(exporter: Exporter, count: int) -> Iterator[int]:
    """Tell of so many, and yield now and then of how many so far."""
    for start in range(0, count, BATCH):
        numbers = range(start, start + BATCH)
        post(exporter, "/v1/events", {"model": MODEL, "events": [query(each) for each in numbers]})
        post(exporter, "/v1/outcomes", [{"query_id": f"query-{each}", "clicked": each % 2 == 0} for each in numbers])
        documents = {"type": "documents", "model": MODEL, "ids": [f"document-{each}" for each in numbers]}
        post(
            exporter, "/v1/lifecycle", [{**documents, "status": each} for each in ("withdrawn", "ingested", "indexed")]
        )
        yield start + BATCH


def query(number: int) -> dict[str, Any]:
    """One that shares nothing with any other."""
    return {
        "event_id": f"event-{number}",
        "query_id": f"query-{number}",
        "trace_id": f"trace-{number}",
        "input_hash": f"input-{number}",
        "scores": [0.5 + number % 97 / 200],
        "ids": [f"document-{number}"],
        "relevant": [f"document-{number}"],
    }


def post(exporter: Exporter, path: str, content: object) -> None:
    """POST content, all of which is taken; urllib.error.HTTPError where it is not."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{exporter.port}{path}", json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        answer = json.load(reply)
    if answer["rejected"]:
        raise RuntimeError(f"{path} refused some: {answer['errors']}")
