"""A baseline as a tree, for the state directory: all of it, or what of it holds no single vector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.baseline.content import Content, content_id, pack, unpack
from app.baseline.reference import PinnedBaseline
from app.drift.sums import FrameSums, VectorSums
from app.model import SeriesKey, SimilarityMetric
from app.series.pane import LEAST_SUMMED
from app.tree import Tree


def to_tree(baseline: PinnedBaseline, *, vectors: bool = True) -> Tree:
    """The baseline; without `vectors` no anchors, known inputs and coordinates of vectors, nor sums of few of them.

    What is left judges means, spreads, norms and similarities, and nothing that needs the nearest anchor.
    """
    content = baseline.content if vectors else _without_vectors(baseline.content)
    return {
        "id": baseline.id if vectors else content_id(baseline.key, content),
        "key": list(baseline.key),
        "state": baseline.state,
        "origin": baseline.origin,
        "created": baseline.created,
        "seconds": baseline.seconds,
        "events": baseline.events,
        "similarity_metric": None if baseline.similarity_metric is None else baseline.similarity_metric.value,
        "content": pack(content),
    }


def from_tree(tree: Tree) -> PinnedBaseline:
    """The baseline that `to_tree` was asked of."""
    metric = tree["similarity_metric"]
    return PinnedBaseline(
        id=tree["id"],
        key=SeriesKey(*tree["key"]),
        state=tree["state"],
        origin=tree["origin"],
        created=tree["created"],
        seconds=tree["seconds"],
        events=tree["events"],
        similarity_metric=None if metric is None else SimilarityMetric(metric),
        content=unpack(tree["content"]),
    )


def _without_vectors(content: Content) -> Content:
    frame = content.frame
    return replace(
        content,
        frame=None if frame is None else replace(frame, anchors=frame.anchors[:0]),
        blocks=tuple(
            replace(block, vectors=VectorSums.none()) if block.vectors.n < LEAST_SUMMED else block
            for block in content.blocks
        ),
        frame_sums=tuple(FrameSums.none() if sums.n < LEAST_SUMMED else sums for sums in content.frame_sums),
        components=np.empty((0, 0), np.float32),
        known=None,
    )
