"""Families about retrieval as people judge it: labelled queries, and what came of queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from app.metrics.family import SERIES_LABELS, Family, Reading, Source, single
from app.model import Floats
from app.outcomes import OutcomeCounts, OutcomeTotals
from app.relevance import RelevanceSums


def _family(name: str, text: str, *labels: str) -> Family:
    return Family(f"embedding_{name}", "counter", (*SERIES_LABELS, *labels), text)


def _by_k(values: Callable[[RelevanceSums], Floats]) -> Callable[[RelevanceSums], Iterable[Reading]]:
    return lambda sums: [((str(k),), float(value)) for k, value in zip(sums.ks, values(sums), strict=True)]


RELEVANCE: Final[tuple[Source[RelevanceSums], ...]] = (
    Source(
        _family("labelled_queries_total", "Queries that came with the documents that are relevant to them."),
        single(lambda sums: sums.queries),
    ),
    Source(
        _family(
            "hit_queries_total",
            "Labelled queries with a relevant document among the first k results. The hit rate is the rate of this "
            "over that of embedding_labelled_queries_total.",
            "k",
        ),
        _by_k(lambda sums: sums.hits),
    ),
    Source(
        _family(
            "recall_total",
            "Sum over labelled queries of the share of their relevant documents that is among the first k results. The "
            "mean recall is the rate of this over that of embedding_labelled_queries_total.",
            "k",
        ),
        _by_k(lambda sums: sums.recall),
    ),
    Source(
        _family(
            "precision_queries_total",
            "Labelled queries with at least k relevant documents: with fewer, precision could not reach 1.",
            "k",
        ),
        _by_k(lambda sums: sums.precision_queries.astype(float)),
    ),
    Source(
        _family(
            "precision_total",
            "Sum over labelled queries with at least k relevant documents of the share of the first k results that is "
            "relevant. The mean precision is the rate of this over that of embedding_precision_queries_total.",
            "k",
        ),
        _by_k(lambda sums: sums.precision),
    ),
    Source(
        _family(
            "ndcg_total",
            "Sum over labelled queries of the normalised discounted cumulative gain of the first k results: gains of "
            "2^grade - 1, over those of the best possible order. The mean is the rate of this over that of "
            "embedding_labelled_queries_total.",
            "k",
        ),
        _by_k(lambda sums: sums.ndcg),
    ),
    Source(
        _family(
            "reciprocal_rank_total",
            "Sum over labelled queries of 1 / rank of the first relevant result, 0 where there is none. The mean is "
            "the rate of this over that of embedding_labelled_queries_total.",
        ),
        single(lambda sums: sums.reciprocal_rank),
    ),
)


def _outcomes(counts: OutcomeCounts) -> Iterable[Reading]:
    return [((each.outcome, "true" if each.value else "false", each.band), count) for each, count in counts.items()]


OUTCOMES: Final[tuple[Source[OutcomeCounts], ...]] = (
    Source(
        _family(
            "outcomes_total",
            "What was said to have come of queries: success, clicked, no_answer and escalated, each true or false and "
            "once a query at most. The band is poor where the query's match was below embedding_poor_match_limit or it "
            "found nothing, else normal.",
            "outcome",
            "value",
            "band",
        ),
        _outcomes,
    ),
)

UNMATCHED: Final[tuple[Source[OutcomeTotals], ...]] = (
    Source(
        Family(
            "embedding_outcomes_unmatched_total",
            "counter",
            (),
            "Values of outcomes whose query is not known: its event was not sent or not sampled, or is more than an "
            "hour or 100,000 queries ago.",
        ),
        single(lambda totals: totals.unmatched),
    ),
)
