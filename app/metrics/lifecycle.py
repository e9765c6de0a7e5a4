"""Families about deployments, reindexes, documents and maintenance: what was told by POST /v1/lifecycle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from app.lifecycle import DocumentsView, LifecycleView, ReindexView
from app.metrics.family import SERIES_LABELS, Family, Kind, Reading, Source, Value, single

INDEX_LABELS: Final = ("model", "index")
_FOLDED: Final = "Past 64 models or 64 indexes the label is __other__."


def _family(name: str, kind: Kind, text: str, *labels: str) -> Family:
    return Family(f"embedding_{name}", kind, labels, text)


def _per_reindexed(value: Callable[[ReindexView], Value]) -> Callable[[LifecycleView], Iterable[Reading]]:
    """Read one value of each index that was built anew."""
    return lambda view: [(labels, value(each)) for labels, each in sorted(view.reindexes.items())]


def _per_index(value: Callable[[DocumentsView], Value]) -> Callable[[LifecycleView], Iterable[Reading]]:
    """Read one value of each index that documents came into."""
    return lambda view: [(labels, value(each)) for labels, each in sorted(view.documents.items())]


def _deployments(view: LifecycleView) -> Iterator[Reading]:
    for place, results in sorted(view.deployments.items()):
        for result, count in results.items():
            yield (*place, result), count


def _deployment_timestamp(view: LifecycleView) -> Iterator[Reading]:
    for place, deployed in sorted(view.deployed.items()):
        yield (*place, deployed.model_version, deployed.tokenizer_version), deployed.at


def _reindexes(view: LifecycleView) -> Iterator[Reading]:
    for labels, each in sorted(view.reindexes.items()):
        for result, count in each.results.items():
            yield (*labels, result), count


def _maintenance(view: LifecycleView) -> Iterable[Reading]:
    return [((model,), int(under)) for model, under in view.maintenance.items()]


def _left_out(view: LifecycleView) -> Iterable[Reading]:
    return [((reason,), count) for reason, count in view.left_out.items()]


LIFECYCLE: Final[tuple[Source[LifecycleView], ...]] = (
    Source(
        _family(
            "deployments_total",
            "counter",
            "Deployments by how they ended: finished, failed or rolled_back. The share of canaries rolled back is "
            f'result="rolled_back" over all results of track="canary". {_FOLDED}',
            "model",
            "track",
            "result",
        ),
        _deployments,
    ),
    Source(
        _family(
            "deployment_timestamp_seconds",
            "gauge",
            "Unix time at which a deployment of the model was started, finished, failed or rolled_back last, and its "
            "versions.",
            "model",
            "track",
            "status",
            "model_version",
            "tokenizer_version",
        ),
        _deployment_timestamp,
    ),
    Source(
        _family(
            "reindexes_total",
            "counter",
            f"Reindexes by how they ended: finished or failed. {_FOLDED}",
            *INDEX_LABELS,
            "result",
        ),
        _reindexes,
    ),
    Source(
        _family(
            "reindex_in_progress",
            "gauge",
            "Reindexes that started and did not end; one of which nothing was heard for 7 days does not count.",
            *INDEX_LABELS,
        ),
        _per_reindexed(lambda reindex: reindex.in_progress),
    ),
    Source(
        _family(
            "reindex_started_timestamp_seconds",
            "gauge",
            "Unix time at which the reindex in progress started, the first of several. Absent while none is, or where "
            "its start was not told.",
            *INDEX_LABELS,
        ),
        _per_reindexed(lambda reindex: reindex.started),
    ),
    Source(
        _family(
            "reindex_progress_ratio",
            "gauge",
            "Share of the reindex in progress that is done, as told. Absent while none is, or where it was not told.",
            *INDEX_LABELS,
        ),
        _per_reindexed(lambda reindex: reindex.progress),
    ),
    Source(
        _family(
            "reindex_duration_seconds",
            "gauge",
            "Seconds that the last finished reindex took. Absent where neither that nor its start was told.",
            *INDEX_LABELS,
        ),
        _per_reindexed(lambda reindex: reindex.duration_seconds),
    ),
    Source(
        _family(
            "documents_ingested_total",
            "counter",
            f"Documents that came in to be indexed; one that waits already is not counted again. {_FOLDED}",
            *INDEX_LABELS,
        ),
        _per_index(lambda documents: documents.ingested),
    ),
    Source(
        _family("documents_indexed_total", "counter", "Documents that became findable.", *INDEX_LABELS),
        _per_index(lambda documents: documents.indexed),
    ),
    Source(
        _family(
            "documents_fresh_total",
            "counter",
            "Ingested documents that were indexed within embedding_freshness_limit_seconds. Freshness is the rate of "
            "this over that of embedding_documents_ingested_total. Absent where documents were told without ids.",
            *INDEX_LABELS,
        ),
        _per_index(lambda documents: documents.fresh),
    ),
    Source(
        _family(
            "documents_late_total",
            "counter",
            "Ingested documents that were not indexed within the limit, counted as soon as it has passed. A document "
            "is fresh, late or still in time. Absent where documents were told without ids.",
            *INDEX_LABELS,
        ),
        _per_index(lambda documents: documents.late),
    ),
    Source(
        _family(
            "document_lag_seconds",
            "histogram",
            "Seconds from ingested to indexed, of documents told with ids. Cumulative: use rate() or increase().",
            *INDEX_LABELS,
        ),
        _per_index(lambda documents: documents.lag),
    ),
    Source(
        _family(
            "freshness_limit_seconds",
            "gauge",
            "Seconds within which an ingested document is to be indexed: the setting freshness_limit_seconds.",
        ),
        single(lambda view: view.freshness_limit_seconds),
    ),
    Source(
        _family("maintenance", "gauge", "1 while maintenance is announced for the model, else 0; it expires.", "model"),
        _maintenance,
    ),
    Source(
        _family(
            "lifecycle_ignored_total",
            "counter",
            "What was told and says nothing: events that were duplicate or late; documents indexed without, or before, "
            "being ingested (unmatched_document); documents, withdrawn ids and runs forgotten for want of room.",
            "reason",
        ),
        _left_out,
    ),
)

ANNOUNCED: Final[tuple[Source[bool], ...]] = (
    Source(
        _family(
            "version_announced",
            "gauge",
            "1 if POST /v1/lifecycle told of a deployment of these versions, however it went, else 0. Announcements "
            "are forgotten at a restart without state_dir.",
            *SERIES_LABELS,
        ),
        single(int),
    ),
)
