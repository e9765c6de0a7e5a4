"""Families about slices of the traffic: the values of slice labels, over all versions of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from app.metrics.family import Family, Kind, Reading, Source, Value
from app.series import SliceView
from app.series.slices import MINIMUM_EVENTS
from app.sketch.label_counts import MAX_VALUES
from app.store import ModelKind

Sliced = Mapping[ModelKind, Sequence[SliceView]]


def _slice(name: str, kind: Kind, text: str, value: Callable[[SliceView], Value]) -> Source[Sliced]:
    def read(sliced: Sliced) -> Iterator[Reading]:
        for place, views in sliced.items():
            for view in views:
                yield (*place, view.label, view.value), value(view)

    labels = ("model", "kind", "slice_label", "slice_value")
    return Source(Family(f"embedding_slice_{name}", kind, labels, text), read)


_RECENT: Final = (
    f"Of the last one to two hours; absent with fewer than {MINIMUM_EVENTS} of them. Never sum or average it."
)

SLICES: Final[tuple[Source[Sliced], ...]] = (
    _slice(
        "events_total",
        "counter",
        "Accepted events with this value of a slice label, over all versions. Values past the first "
        f"{MAX_VALUES - 1} of a label are other; an event without the label is in none.",
        lambda view: view.events,
    ),
    _slice(
        "queries_total",
        "counter",
        "Queries of the slice whose match was judged: they did not fail, and embedding_poor_match_limit of their "
        "version was known. Absent until there is a limit.",
        lambda view: view.queries,
    ),
    _slice(
        "poor_match_queries_total",
        "counter",
        "Those of embedding_slice_queries_total that matched poorly, as embedding_poor_match_queries_total has it. The "
        "poor match ratio of the slice is the rate of this over that. Absent until there is a limit.",
        lambda view: view.poor_matches,
    ),
    _slice(
        "top1_similarity_median",
        "gauge",
        f"Median similarity of the best result of the slice's queries. {_RECENT}",
        lambda view: view.top1_median,
    ),
    _slice(
        "ood_excess_ratio",
        "gauge",
        "Share of the slice's vectors with a cosine to the nearest anchor below the 5 % quantile of the pinned or "
        f"uploaded baseline, less 0.05: about 0 with no drift, at most 0.95. {_RECENT}",
        lambda view: view.ood_excess_ratio,
    ),
)
