"""A baseline as a tree, for the state directory: all of it, or what of it holds no single vector as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import numpy as np

from app.baseline.content import Content, content_id, pack, unpack
from app.baseline.reference import PinnedBaseline
from app.drift.sums import VectorSums
from app.model import SeriesKey, SimilarityMetric
from app.series.pane import LEAST_SUMMED
from app.tree import Tree

Vectors = Literal["full", "projected", "none"]
"""Which may be on disk: single vectors, fixed random projections of them, or neither."""

VECTORS: Final[tuple[Vectors, ...]] = ("full", "projected", "none")


def to_tree(baseline: PinnedBaseline, vectors: Vectors = "full") -> Tree:
    """The baseline, as far as it may be on disk, see `reduced`."""
    content = reduced(baseline.content, vectors)
    whole, frame = baseline.content.frame, content.frame
    # What is measured by the same anchors goes on after a restart.
    same = vectors != "none" and (whole is None or (frame is not None and len(frame.anchors) == len(whole.anchors)))
    return {
        "id": baseline.id if same else content_id(baseline.key, content),
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


def reduced(content: Content, vectors: Vectors) -> Content:
    """What of a baseline may be on disk; the same object where that is all of it.

    Not full: no coordinates of vectors, nor sums of few of them; `joint` has no limits to be learned from then. With
    `none` no anchors and known inputs either: what is left judges means, spreads, norms and similarities, and nothing
    that needs the nearest anchor. `projected` keeps them where they are projections; a baseline that was fitted with
    whole vectors is left what `none` leaves it, and projections of its known inputs.
    """
    if vectors == "full":
        return content
    frame, known = content.frame, None
    if frame is not None and not (vectors == "projected" and frame.projected):
        frame = replace(frame, anchors=frame.anchors[:0])
    if content.known is not None and vectors == "projected":
        known = content.known.projected()
    blocks = content.blocks
    if any(0 < block.vectors.n < LEAST_SUMMED for block in blocks):
        blocks = tuple(
            block if block.vectors.n >= LEAST_SUMMED else replace(block, vectors=VectorSums.none()) for block in blocks
        )
    sums = content.frame_sums
    if any(0 < each.n < LEAST_SUMMED and each.novel.size for each in sums):
        # Of all of them, or none: those of some would be another moment than that of the whole.
        sums = tuple(replace(each, novel=np.zeros(0)) for each in sums)
    return replace(
        content, frame=frame, blocks=blocks, frame_sums=sums, components=np.empty((0, 0), np.float32), known=known
    )
