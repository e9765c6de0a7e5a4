"""Families about what queries asked for and found in the last hour, as sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from app.evaluate import ResultsView
from app.metrics.evaluated import Evaluated, gauge
from app.metrics.family import Reading, Source, Value
from app.series import RESULTS_WINDOW, SAMPLED_QUERIES_A_SECOND

_SAMPLED: Final = f"Of a sample of at most {SAMPLED_QUERIES_A_SECOND:.0f} queries a second that told the ids of them."


def _of_window(
    value: Callable[[ResultsView], Value], *, shares: bool = False
) -> Callable[[Evaluated], Iterable[Reading]]:
    """One value of the window; shares only of queries enough."""

    def read(evaluated: Evaluated) -> Iterable[Reading]:
        results = evaluated.view.results
        if results is not None and (not shares or results.sampled_queries >= evaluated.min_window_events):
            yield (RESULTS_WINDOW,), value(results)

    return read


RESULTS: Final[tuple[Source[Evaluated], ...]] = (
    Source(
        gauge(
            "distinct_queries",
            "Distinct inputs in the window, by their input_hash; a relative standard error of at most 5.4 %, none up "
            "to a thousand. Never add these over replicas, which may see the same input.",
            "window",
        ),
        _of_window(lambda results: results.distinct_queries),
    ),
    Source(
        gauge(
            "distinct_results",
            f"Distinct documents among the results in the window. {_SAMPLED} Error and replicas as of "
            "embedding_distinct_queries.",
            "window",
        ),
        _of_window(lambda results: results.distinct_results),
    ),
    Source(
        gauge(
            "top_documents_share",
            "Share of the results that the ten most frequent documents take, in the window and up to another one "
            f"before it; at most 0.04 too low. {_SAMPLED}",
            "window",
        ),
        _of_window(lambda results: results.top_documents_share, shares=True),
    ),
    Source(
        gauge(
            "result_overlap_ratio",
            "Share of the distinct documents among the results in the window that were among those of the pinned "
            f"baseline, too. {_SAMPLED} Absent where the baseline saw so many more documents that fewer than 64 of the "
            "window can be told, and where it was learned under another input_hash_key_file.",
            "window",
        ),
        _of_window(lambda results: results.overlap, shares=True),
    ),
)
