"""A frozen baseline: what it holds, where it is from, and how it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from app.baseline.content import Content, content_id, pictured
from app.baseline.stacked import StackedBlocks, StackedSums
from app.distribution import Distribution
from app.drift.same_input import KnownInputs
from app.drift.sums import FrameSums
from app.frame import ANCHORS, MINIMUM_ROWS, Frame, Measured
from app.model import SeriesKey, SimilarityMetric
from app.series import Material, Pane, Yardstick
from app.sketch import VectorSample

State = Literal["learning", "provisional", "final"]
Origin = Literal["learned", "window", "file", "uploaded"]

POOR_MATCH_QUANTILE: Final = 0.05

PROVISIONAL_ANCHORS: Final = 512
"""A frame that lives for some hours, beside the sample for the next one, makes do with fewer."""

STEPS: Final = 400
"""Steps kept of the distributions of novelty and of the first component."""


@dataclass(frozen=True, slots=True, eq=False)
class PinnedBaseline:
    """What a series is measured against; nothing of it changes once it is made."""

    id: str
    """A name for its content, see `content_id`: two baselines with the same id measure alike."""
    key: SeriesKey
    state: State
    origin: Origin
    created: float
    """Unix seconds."""
    seconds: float
    """How long a stretch of traffic it stands for."""
    events: int
    similarity_metric: SimilarityMetric | None
    content: Content

    @property
    def name(self) -> str:
        """As in the label `baseline`."""
        return "uploaded" if self.origin == "uploaded" else "pinned"

    def moved(self, seconds: float) -> PinnedBaseline:
        """The same, made so much later by another clock."""
        return replace(self, created=self.created + seconds) if seconds else self

    @property
    def poor_match_limit(self) -> float | None:
        """The 5 % quantile of top-1 similarity; None where it saw no scores."""
        top1 = self.content.signals.get("top1_similarity")
        return None if top1 is None else float(top1.quantile(POOR_MATCH_QUANTILE))

    @property
    def yardstick(self) -> Yardstick:
        """The part that events are measured with as they come."""
        frame = self.content.frame
        # One that was kept without its vectors judges sums, and measures nothing.
        return Yardstick(self.id, frame if frame is not None and len(frame.anchors) else None, self.content.known)


def freeze(
    material: Material,
    *,
    key: SeriesKey,
    state: State,
    origin: Origin,
    now: float,
    similarity_metric: SimilarityMetric | None,
    projected: bool = False,
) -> PinnedBaseline:
    """Make a baseline of what was collected. Half a second for 2,048 vectors of 768.

    With `projected` it measures novelty and known inputs by projections of vectors, which is what is kept on disk.
    """
    content = _content(material, PROVISIONAL_ANCHORS if state == "provisional" else ANCHORS, projected=projected)
    if state != "provisional" or origin != "learned":
        # Blocks of a provisional one are those that learning goes on to keep.
        content = replace(content, blocks=StackedBlocks.of(content.blocks))
    return PinnedBaseline(
        id=content_id(key, content),
        key=key,
        state=state,
        origin=origin,
        created=now,
        seconds=now - material.started,
        events=material.events,
        similarity_metric=similarity_metric,
        content=content,
    )


def _content(material: Material, most_anchors: int, *, projected: bool) -> Content:
    whole = material.whole
    signals = {name: sketch.distribution() for name, sketch in whole.quantiles.items()}
    frame, sample_sums, components = None, FrameSums.none(), np.empty((0, 0), np.float32)
    frame_sums = tuple(FrameSums.none() for _ in material.blocks)
    sample = material.sample
    if sample is not None and len(sample) >= MINIMUM_ROWS and whole.vectors is not None:
        rows = sample.directions.astype(np.float32) * sample.norms[:, None]
        frame, held_out = Frame.fit(rows, whole.vectors.mean, most_anchors, projected=projected)
        sample_sums, components = frame.sums(rows, held_out), held_out.components
        frame_sums = _sums_of_blocks(frame, rows, held_out, sample, material)
        signals["novelty"] = Distribution.of(held_out.novelty).compact(STEPS)
        signals["pc1"] = Distribution.of(components[:, 0]).compact(STEPS)
    known = None if material.inputs is None else KnownInputs(material.inputs.keys, material.inputs.directions)
    return Content(
        signals=signals,
        frame=frame,
        blocks=material.blocks,
        frame_sums=StackedSums.of(frame_sums),
        block_seconds=material.block_seconds,
        sample_sums=sample_sums,
        components=pictured(components),
        known=known.projected() if projected and known is not None else known,
        top_inputs=_top_inputs(whole),
        label_shares=_label_shares(whole),
        results=material.results,
    )


def _sums_of_blocks(
    frame: Frame, rows: NDArray[np.float32], held_out: Measured, sample: VectorSample, material: Material
) -> tuple[FrameSums, ...]:
    """What the sampled rows of each block measured."""
    starts = np.array([block.start for block in material.blocks])
    ends = np.append(starts[1:], np.inf)
    sums = []
    for start, end in zip(starts, np.minimum(ends, starts + material.block_seconds), strict=True):
        members = np.flatnonzero((sample.times >= start) & (sample.times < end))
        if members.size:
            found = frame.sums(rows[members], held_out.take(members)).compact()
            found.features = np.zeros(0, np.float32)
            sums.append(found)
        else:
            sums.append(FrameSums.none())
    return tuple(sums)


def _top_inputs(whole: Pane) -> dict[int, float]:
    if whole.inputs is None:
        return {}
    keys, shares = whole.inputs.shares()
    return dict(zip(keys.tolist(), shares.tolist(), strict=True))


def _label_shares(whole: Pane) -> dict[tuple[str, str], float]:
    if whole.labels is None:
        return {}
    return {pair: count / whole.events for pair, count in whole.labels.counts.items()}
