"""What each setting that changes the memory of series saves or costs, each measured in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.config import Settings
from app.model import EventBatch, Timing
from app.series import Slices, full_series_nbytes
from app.sketch.label_counts import MAX_VALUES
from bench.fill import CHUNK, events, key, room_mib
from bench.grown import grow, resident
from bench.plan import Plan
from bench.report import Table, number

SHIPPED: Final = Settings()
SETTINGS: Final[Mapping[str, Settings]] = {
    "as shipped": SHIPPED,
    "`baselines` pinned,peer": Settings(baselines=("pinned", "peer")),
    "`baselines` pinned,7d,30d,90d,peer": Settings(baselines=("pinned", "7d", "30d", "90d", "peer")),
    "`baseline_duration_seconds` 21600, six hours": Settings(baseline_duration_seconds=21_600.0),
    "`persist_vectors` projected, with `state_dir`": Settings(persist_vectors="projected"),
}
EVENTS_PER_PANE: Final = 256
"""Enough: what the settings change is no sketch's size."""
DIMENSIONS: Final = (384, 768, 1536, 3072)
SERIES: Final = SHIPPED.max_series
SLICED: Final = 8
"""Models with a slice label."""
EVENTS_PER_VALUE: Final = 2_048
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes of a full series with a final baseline, by setting, and of a slice label."""

    series: Mapping[str, float]
    label: float
    """With all its values, for a model and kind."""


def measure(plan: Plan) -> Taken:
    """Full series with each setting."""
    # For each a fresh process: memory that another one used and freed would hide the growth.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as process:
        series = {
            name: process.apply(grow, (plan.varied, EVENTS_PER_PANE, settings))["final"].resident
            for name, settings in SETTINGS.items()
        }
        return Taken(series, process.apply(of_slices))


def of_slices() -> float:
    """Bytes of a slice label with as many values as are told apart, in the present hour and the one before."""
    hour = Timing().windows["1h"]
    batch = events(key(0), np.random.default_rng(7))
    kept = [Slices(hour)]
    _fill(kept[0], batch, hour)
    before = resident()
    for _ in range(SLICED):
        kept.append(Slices(hour))
        _fill(kept[-1], batch, hour)
    return (resident() - before) / SLICED


def _fill(slices: Slices, batch: EventBatch, hour: float) -> None:
    rng = np.random.default_rng(7)
    for now in (hour, 2 * hour):
        for chunk in range(MAX_VALUES * EVENTS_PER_VALUE // CHUNK):
            labels = [{"locale": f"{(chunk + row) % MAX_VALUES}"} for row in range(CHUNK)]
            scores = replace(batch.scores, values=batch.scores.values * rng.uniform(0.9, 1))
            slices.add(replace(batch, labels=labels, scores=scores), 0.5, now)


def tables(taken: Taken) -> Sequence[tuple[str, Table]]:
    """By setting, and how much the store counts on."""
    shipped = taken.series["as shipped"]
    rows = [
        (name, number(each / MIB), number((shipped - each) / MIB), f"{SERIES * (shipped - each) / MIB:,.0f}")
        for name, each in taken.series.items()
    ]
    rows += [
        ("`max_series`, each one less", "", number(shipped / MIB), ""),
        (f"`slice_labels`, each with {MAX_VALUES} values, a model and kind", "", number(-taken.label / MIB), ""),
    ]
    by_setting = (
        "What settings save: resident MiB of a full series with a final baseline, each by itself in a process of its "
        f"own, with {EVENTS_PER_PANE} events in a pane; below 0 is what one costs:"
    )
    by_dimension = (
        "What the store counts on for a full series, the most that it may take, before it gives a place away; with "
        f"fewer MiB than that for `max_series` {SERIES}, the last ones fold into `__other__`:"
    )
    counted = [
        (
            f"{dimension:,}",
            number(full_series_nbytes(Timing(), dimension) / MIB),
            f"{SHIPPED.max_state_mib * MIB // full_series_nbytes(Timing(), dimension)}",
            f"{room_mib(SERIES, dimension):,}",
        )
        for dimension in DIMENSIONS
    ]
    return [
        (by_setting, Table(("setting", "MiB a series", "saved", f"saved with {SERIES} series"), rows)),
        (
            by_dimension,
            Table(
                (
                    "dimension",
                    "MiB a series",
                    f"series in `max_state_mib` {SHIPPED.max_state_mib}",
                    f"`max_state_mib` for {SERIES}",
                ),
                counted,
            ),
        ),
    ]
