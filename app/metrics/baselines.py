"""Families about the baselines of a series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, get_args

from app.baseline import State
from app.evaluate import BaselineView
from app.metrics.evaluated import Evaluated, gauge
from app.metrics.family import Reading, Source, Value


def _per_baseline(value: Callable[[BaselineView], Value]) -> Callable[[Evaluated], Iterable[Reading]]:
    """Read one value of each baseline."""
    return lambda evaluated: [((baseline.name,), value(baseline)) for baseline in evaluated.view.baselines]


def _baseline_state(evaluated: Evaluated) -> Iterator[Reading]:
    for baseline in evaluated.view.baselines:
        for state in get_args(State):
            yield (baseline.name, state), int(state == baseline.state)


def _baseline_info(evaluated: Evaluated) -> Iterator[Reading]:
    for baseline in evaluated.view.baselines:
        if baseline.state != "learning":
            versions = (
                ("", "") if baseline.peer is None else (baseline.peer.model_version, baseline.peer.tokenizer_version)
            )
            yield (baseline.name, baseline.origin, baseline.id or "", *versions), 1


BASELINES: Final[tuple[Source[Evaluated], ...]] = (
    Source(
        gauge(
            "baseline_state",
            "1 for the state that the baseline is in, 0 for the others: learning (no scores), provisional (usable, "
            "its limits not to be paged by: still being learned, or a trailing one that covers too few of its days) or "
            "final. Baselines are pinned or uploaded, 7d, 30d, 90d and peer; a peer is in the state of its own.",
            "baseline",
            "state",
        ),
        _baseline_state,
    ),
    Source(
        gauge(
            "baseline_events",
            "Events that the baseline was made from; while it is learned, so far. Of a peer those of its last 24h.",
            "baseline",
        ),
        _per_baseline(lambda baseline: baseline.events),
    ),
    Source(
        gauge(
            "baseline_created_timestamp_seconds",
            "Unix time at which the baseline was made. Absent of trailing ones and peers, which move on with the time.",
            "baseline",
        ),
        _per_baseline(lambda baseline: baseline.created),
    ),
    Source(
        gauge(
            "baseline_info",
            "Always 1: where the baseline is from (learned, window, file, uploaded, trailing or peer), the id of its "
            "content, and the versions of the series that it is where that is another one; empty where there is none. "
            "Absent while the baseline is learned.",
            "baseline",
            "origin",
            "id",
            "peer_model_version",
            "peer_tokenizer_version",
        ),
        _baseline_info,
    ),
)
