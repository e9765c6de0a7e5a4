"""What queries asked for and found in the last hour, as sets: how many were distinct, and whose results they were."""

from __future__ import annotations

from app.baseline import PinnedBaseline
from app.evaluate.views import ResultsView
from app.series import Series


def results_of(series: Series, baseline: PinnedBaseline | None, now: float) -> ResultsView:
    """The last hour of a series, beside the results that its baseline saw."""
    window = series.retrieval(now)
    overlap = None
    if window.results is not None and baseline is not None and baseline.content.results is not None:
        overlap = window.results.overlap(baseline.content.results)
    return ResultsView(
        distinct_queries=window.distinct_queries,
        sampled_queries=window.sampled_queries,
        distinct_results=None if window.results is None else window.results.distinct.count,
        top_documents_share=window.top_share,
        overlap=overlap,
    )
