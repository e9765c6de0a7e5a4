"""The vector statistics by name: the alarm family, whose limits share a budget, and the diagnostics."""

from __future__ import annotations

from typing import Final, NamedTuple


class VectorStatistic(NamedTuple):
    """One entry of the tables ALARMS and DIAGNOSTICS."""

    name: str
    """As in the label `statistic`."""
    signal: str
    """As in the label `signal`."""
    unit: str
    """Of the value, in words."""
    description: str
    """One sentence for the docs: what it is and what it sees."""


_DEVIATIONS: Final = "squared standard deviations"

ALARMS: Final[tuple[VectorStatistic, ...]] = (
    VectorStatistic(
        "mean_shift",
        "embedding",
        _DEVIATIONS,
        "Whitened distance of the means, the baseline's own wobble deflated: another tokenizer, pooling or mix.",
    ),
    VectorStatistic(
        "novelty",
        "embedding",
        "cosine",
        "How far vectors fall below the baseline's usual cosine to the nearest anchor: new topics and languages.",
    ),
    VectorStatistic(
        "mahalanobis",
        "embedding",
        _DEVIATIONS,
        "Mean whitened distance of vectors from the baseline's mean: a smaller vocabulary, quantised models.",
    ),
    VectorStatistic("spread", "embedding", "log ratio", "Ratio of the total variances: collapse towards the mean."),
    VectorStatistic(
        "joint",
        "embedding",
        "times its limit",
        "Mean shift of the novel vectors, alone or with mean_shift and novelty: small shares of new topics.",
    ),
    VectorStatistic("norm", "norm", "ratio", "Relative Wasserstein distance of lengths: a lost normalisation."),
    VectorStatistic(
        "top1", "top1_similarity", "similarity", "Wasserstein distance of top-1 similarities: a stale index."
    ),
    VectorStatistic("invalid", "embedding", "ratio", "Share of invalid vectors above the baseline's."),
    VectorStatistic(
        "same_input", "embedding", "ratio", "Share of known inputs with another vector: a changed model or tokenizer."
    ),
    VectorStatistic(
        "query_document",
        "embedding",
        _DEVIATIONS,
        "Change of the way from queries to documents: one side preprocessed or embedded otherwise than the other.",
    ),
)
"""What `Calibration.read` gives, and `query_document`, for which both sides must be there."""

OF_TWO_SIDES: Final = frozenset({"query_document"})
"""Those that need queries and documents: a sample is one of them."""

DIAGNOSTICS: Final[tuple[VectorStatistic, ...]] = (
    VectorStatistic("mmd", "embedding", "feature distance", "Maximum mean discrepancy by random Fourier features."),
    VectorStatistic("energy_distance", "embedding", "root of the vectors' unit", "Energy distance of reservoirs."),
    VectorStatistic(
        "sliced_wasserstein", "embedding", "the vectors' unit", "Sliced Wasserstein distance of reservoirs."
    ),
    VectorStatistic("centroid_cosine", "embedding", "cosine", "Cosine of the two means."),
)
"""Shown, never alarming."""
