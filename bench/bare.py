"""Server CPU per event that names nothing: a vector and ten scores, against the reference server.

The least that an event can be, and what an exporter of vectors and similarities alone would be compared by. What ids of
events, queries, inputs and documents cost on top of it is the difference to `ingest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.bodies import Encoding
from bench.exporter import Exporter
from bench.fill import baseline_files
from bench.ingest import COLUMNS, EVENTS_PER_SECOND, WARM_UP_SECONDS, Case, ratio, row
from bench.load import Pool, Shape, drive
from bench.plan import Plan
from bench.report import Goal, Report, Table
from bench.server import Server

PART: Final = "bare"
BATCH: Final = 64
GOALS: Final[Mapping[Shape, float]] = {
    Shape("list", BATCH): 7,
    Shape("base64", BATCH): 22,
    Shape("columns", BATCH): 22,
    Shape("msgpack", BATCH): 35,
    Shape("arrow", BATCH): 40,
    Shape("base64", 1): 3,
}
"""Events per CPU-second over the reference's with lists of the same batch."""
REFERENCE: Final[Encoding] = "list"
NAMES: Final = ("event_id", "query_id", "input_hash", "ids")
"""What events are without: neither they nor their query, input or documents are named."""


def measure(plan: Plan) -> Report:
    """Drive the reference and the exporter in turn."""
    pools = {shape: Pool(shape, without=NAMES) for shape in (*GOALS, Shape(REFERENCE, 1))}
    with (
        TemporaryDirectory() as folder,
        Server("reference", "bench.reference_server", "{port}") as reference,
        Exporter(baseline_files(Path(folder), 1)) as exporter,
    ):
        drive(exporter, pools[Shape("base64", BATCH)], WARM_UP_SECONDS)
        theirs = {batch: Case(reference, Shape(REFERENCE, batch), []) for batch in (1, BATCH)}
        ours = {shape: Case(exporter, shape, []) for shape in pools}
        cases = [*theirs.values(), *ours.values()]
        for turn in range(plan.rounds):
            first = turn % len(cases)
            for case in cases[first:] + cases[:first]:
                case.turns.append(drive(case.server, pools[case.shape], plan.turn_seconds))
    costs = {shape: [each.cpu_per_event for each in case.turns] for shape, case in ours.items()}
    reference_costs = {batch: [each.cpu_per_event for each in case.turns] for batch, case in theirs.items()}
    times = {shape: ratio(reference_costs[shape.batch], cost) for shape, cost in costs.items()}
    goals = [
        Goal(f"events per CPU-second, {shape}, over the reference", times[shape], least, "times", at_least=True)
        for shape, least in GOALS.items()
    ]
    rows = [row(batch, f"reference, {REFERENCE}", cost, None) for batch, cost in reference_costs.items()]
    rows += [row(shape.batch, f"exporter, {shape.encoding}", cost, times[shape]) for shape, cost in costs.items()]
    rows.sort(key=lambda cells: int(cells[0]))
    caption = (
        "At full speed; evaluations go by the clock, not by events, and what they add at "
        f"{EVENTS_PER_SECOND:,} events a second is told with the table of `ingest`."
    )
    return Report(PART, goals, [(caption, Table(COLUMNS, rows))], plan.rounds)
