"""How costs grow: with series, dimensions, batches, connections, events per second and months; tables and a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.exporter import Exporter
from bench.fill import baseline_files
from bench.load import DIMENSION, Pool, Shape, drive
from bench.pace import pace
from bench.picture import Curve, Panel, draw
from bench.plan import Plan
from bench.report import Report, Spread, Table, number
from bench.steps import InProcess, Steps
from bench.uptime import Age, ages

PART: Final = "growth"
PICTURE: Final = "growth.svg"
BATCHES: Final = (1, 16, 64, 256)
DIMENSIONS: Final = (384, 768, 1536, 3072)
SERIES: Final = (1, 4, 16, 64)
WAYS: Final = (1, 4, 16, 64)
"""Connections."""
PACES: Final = (100, 1_000, 10_000)
"""Events per second."""
BATCH: Final = 64
PACED_BATCH: Final = 16
WARM_UP_EVENTS: Final = 200
"""Of each series."""
MICRO: Final = 1e6
MIB: Final = 2**20


@dataclass(slots=True)
class Measured:
    """What every round found, by the value of the axis."""

    batch: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds of CPU an event, and so on."""
    dimension: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    connections: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    series: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    scrape: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds of CPU, by the number of series."""
    pace: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    busy: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Share of a core, by events per second."""
    saturation: list[float] = field(default_factory=list)
    """Events per second of CPU."""
    steps: dict[tuple[int, int], list[Steps]] = field(default_factory=lambda: defaultdict(list))
    """By batch and dimension."""
    resident: dict[int, int] = field(default_factory=dict)
    """Bytes, by the number of series, at the end."""
    page: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Samples and bytes, by the number of series."""


def measure(plan: Plan) -> Report:
    """Every value of every axis in each round; then the months."""
    found = Measured()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        exporter = stack.enter_context(Exporter(baseline_files(Path(folder), 1)))
        others = {count: stack.enter_context(Exporter()) for count in SERIES}
        by_batch = {batch: Pool(Shape("base64", batch)) for batch in BATCHES}
        # Other series, for a series has one dimension; on their first day, as all of this axis.
        by_dimension = {
            dimension: Pool(Shape("base64", BATCH), first=dimension, dimension=dimension) for dimension in DIMENSIONS
        }
        by_series = {count: Pool(Shape("base64", BATCH), series=count) for count in SERIES}
        paced = Pool(Shape("base64", PACED_BATCH))
        in_process = {(batch, DIMENSION): InProcess(pool) for batch, pool in by_batch.items()}
        in_process |= {(BATCH, dimension): InProcess(pool) for dimension, pool in by_dimension.items()}
        seconds = plan.turn_seconds
        # New series are dear: each of 64 has some two hundred events before what it costs is measured.
        for count, pool in by_series.items():
            pace(others[count], pool, WARM_UP_EVENTS * count, 1.0)
        for _ in range(plan.rounds):
            for batch, pool in by_batch.items():
                found.batch[batch].append(drive(exporter, pool, seconds).cpu_per_event)
            for dimension, pool in by_dimension.items():
                found.dimension[dimension].append(drive(exporter, pool, seconds).cpu_per_event)
            for ways in WAYS:
                driven = drive(exporter, by_batch[BATCH], seconds, connections=ways)
                found.connections[ways].append(driven.cpu_per_event)
            for count, pool in by_series.items():
                found.series[count].append(drive(others[count], pool, seconds).cpu_per_event)
                page, cost = scrape(others[count])
                found.scrape[count].append(cost)
                found.page[count] = sum(not line.startswith(b"#") for line in page.splitlines()), len(page)
            for rate in PACES:
                turn = pace(exporter, paced, rate, min(1.0, 3 * seconds))
                found.pace[rate].append(turn.cpu_per_event)
                found.busy[rate].append(turn.busy)
            found.saturation.append(1 / drive(exporter, paced, seconds).cpu_per_event)
            for place, runner in in_process.items():
                found.steps[place].append(runner.run(seconds / 4))
        found.resident = {count: each.resident_bytes() for count, each in others.items()}
    return report(found, list(ages(plan.days, plan.step_seconds)), plan.rounds)


def scrape(exporter: Exporter) -> tuple[bytes, float]:
    """A page, and the seconds of CPU that it took."""
    before = exporter.cpu_seconds()
    page = exporter.get("/metrics")
    return page, exporter.cpu_seconds() - before


def over_first(costs: Mapping[int, Sequence[float]], base: int) -> dict[int, Spread]:
    """Each as times the cost at `base`, in the same round."""
    return {
        value: Spread.of(each / first for each, first in zip(cost, costs[base], strict=True))
        for value, cost in costs.items()
    }


def report(found: Measured, months: Sequence[Age], rounds: int) -> Report:
    """Ratios first: how many times the cost of the first or usual value."""
    of_profile = (
        "Where the time goes, microseconds an event: decoding and storing by themselves in one process, and the "
        "server, which has HTTP, the request's way, the system's calls and evaluations as well:"
    )
    of_series = (
        f"Series, batches of {BATCH} whose events belong to all of them in turn (the worst mixture), without final "
        "baselines, and a scrape after them, which folds what they have staged; resident memory at the end:"
    )
    of_paces = (
        f"Events per second, batches of {PACED_BATCH} on one connection, with all that goes on in between; at the end "
        "as many as one core takes, on eight connections:"
    )
    of_months = (
        "Months, simulated: two series of one model, which get a batch each in every step, evaluated against all "
        "baselines. The exporter's clock runs, not the machine's. The last pane of the ladder is filled on day 91:"
    )
    tables = [
        (
            f"Batch size, vectors of {DIMENSION}, one series with a final baseline, CPU of the server's process:",
            axis("events a request", f"times {BATCH}", found.batch, BATCH),
        ),
        (
            f"Dimensions, batches of {BATCH}, series on their first day:",
            axis("dimension", f"times {DIMENSION}", found.dimension, DIMENSION),
        ),
        (of_profile, profile(found)),
        (
            f"Connections, batches of {BATCH}, each connection with a request under way:",
            axis("connections", "times 1", found.connections, 1),
        ),
        (of_series, series(found)),
        (of_paces, paces(found)),
        (of_months, uptime(months)),
    ]
    return Report(PART, [], tables, rounds, pictures={PICTURE: draw(panels(found, months))})


def axis(name: str, ratio: str, costs: Mapping[int, Sequence[float]], base: int) -> Table:
    """CPU an event by one axis."""
    times = over_first(costs, base)
    rows = [(f"{value:,}", str(times[value]), str(micros(costs[value]))) for value in costs]
    return Table((name, ratio, "CPU, microseconds an event"), rows)


def profile(found: Measured) -> Table:
    """Decoding and storing beside the whole."""
    rows = []
    for (batch, dimension), steps in found.steps.items():
        whole = found.batch[batch] if dimension == DIMENSION else found.dimension[dimension]
        parts = [each.decode + each.append for each in steps]
        rows.append(
            (
                f"{batch}",
                f"{dimension:,}",
                str(Spread.of(each / part for each, part in zip(whole, parts, strict=True))),
                str(micros([each.decode for each in steps])),
                str(micros([each.append for each in steps])),
                str(micros(whole)),
            )
        )
    return Table(("batch", "dimension", "server, times the two", "decoding", "storing", "server"), rows)


def series(found: Measured) -> Table:
    """All that grows with series."""
    times = over_first(found.series, SERIES[0])
    rows = [
        (
            f"{count}",
            str(times[count]),
            str(micros(found.series[count])),
            number(found.resident[count] / MIB),
            f"{found.page[count][0]:,}",
            f"{found.page[count][1] / 1024:,.0f}",
            str(Spread.of(1e3 * each for each in found.scrape[count])),
        )
        for count in SERIES
    ]
    columns = (
        "series",
        f"times {SERIES[0]}",
        "CPU, microseconds an event",
        "resident MiB",
        "samples",
        "KiB of a scrape",
        "CPU of a scrape, ms",
    )
    return Table(columns, rows)


def paces(found: Measured) -> Table:
    """By how fast events come."""
    rows = [
        (
            f"{rate:,}",
            f"{100 * Spread.of(found.busy[rate]).median:.1f} %",
            str(micros(found.pace[rate])),
        )
        for rate in PACES
    ]
    most = Spread.of(found.saturation)
    rows.append((f"{most.median:,.0f}", "100 %", str(Spread.of(MICRO / each for each in found.saturation))))
    return Table(("events per second", "of one core", "CPU, microseconds an event"), rows)


def uptime(months: Sequence[Age]) -> Table:
    """By the exporter's age."""
    last = months[-1]
    rows = [
        (
            f"{each.days}",
            number(each.state_bytes / last.state_bytes),
            f"{each.state_bytes / 1024:,.0f}",
            f"{each.samples:,}",
            f"{each.page_bytes / 1024:,.1f}",
            number(1e3 * each.scrape_seconds),
            number(1e3 * each.evaluation_seconds),
        )
        for each in months
    ]
    columns = ("day", f"state, times day {last.days}", "KiB of state a series", "samples", "KiB of a scrape")
    return Table((*columns, "CPU of a scrape, ms", "CPU of an evaluation, ms"), rows)


def micros(seconds: Sequence[float]) -> Spread:
    """In microseconds."""
    return Spread.of(MICRO * each for each in seconds)


def panels(found: Measured, months: Sequence[Age]) -> list[Panel]:
    """The same as curves."""

    def of(costs: Mapping[int, Sequence[float]], unit: float = MICRO) -> Curve:
        return Curve("", list(costs), [unit * Spread.of(each).median for each in costs.values()])

    def shares(value: Callable[[Age], float], name: str) -> Curve:
        return Curve(name, [each.days for each in months], [value(each) / value(months[-1]) for each in months])

    return [
        Panel("events a request", "CPU, microseconds an event", [of(found.batch)]),
        Panel("dimension", "CPU, microseconds an event", [of(found.dimension)]),
        Panel("connections", "CPU, microseconds an event", [of(found.connections)]),
        Panel("series", "CPU, microseconds an event", [of(found.series)]),
        Panel("series", "CPU of a scrape, ms", [of(found.scrape, 1e3)]),
        Panel("series", "resident MiB", [Curve("", list(SERIES), [found.resident[each] / MIB for each in SERIES])]),
        Panel("events per second", "CPU, microseconds an event", [of(found.pace)]),
        Panel(
            "days since the start",
            "times the last day",
            [
                shares(lambda age: age.state_bytes, "state"),
                shares(lambda age: age.page_bytes, "scrape, bytes"),
                shares(lambda age: age.samples, "samples"),
            ],
        ),
    ]
