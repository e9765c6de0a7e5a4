"""A frozen baseline: distributions, limits, the poor-match limit and a sample of vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np

from app.distribution import Distribution
from app.drift import STATISTICS, Limit, learn_limit, resolution_floor
from app.model import Floats, SeriesKey, SimilarityMetric
from app.series import Block, Material
from app.signals import SIGNALS
from app.sketch import VectorSample

State = Literal["learning", "provisional", "final"]
Origin = Literal["learned", "window", "file"]

POOR_MATCH_QUANTILE = 0.05

PART_EVENTS = max(statistic.minimum_events for statistic in STATISTICS)
"""Events of the smallest part of a baseline that its limits are learned from."""

LimitKey = tuple[str, str, str]
"""Window, signal, statistic."""


@dataclass(frozen=True, slots=True, eq=False)
class PinnedBaseline:
    """All that a series is measured against; nothing of it changes once it is made.

    The edges of bins follow from the distributions, so they are frozen with them.
    """

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
    signals: Mapping[str, Distribution]
    limits: Mapping[LimitKey, Limit]
    sample: VectorSample | None

    @property
    def poor_match_limit(self) -> float | None:
        """The 5 % quantile of top-1 similarity; None where it saw no scores."""
        top1 = self.signals.get("top1_similarity")
        return None if top1 is None else float(top1.quantile(POOR_MATCH_QUANTILE))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        steps = sum(each.values.nbytes + each.cumulative.nbytes for each in self.signals.values())
        return steps + (0 if self.sample is None else self.sample.nbytes)

    def limit(self, window: str, signal: str, statistic: str) -> Limit | None:
        """The limit learned for windows of this duration; None where the baseline had too few time blocks."""
        return self.limits.get((window, signal, statistic))


def content_id(
    key: SeriesKey,
    signals: Mapping[str, Distribution],
    limits: Mapping[LimitKey, Limit],
    sample: VectorSample | None,
) -> str:
    """Hash of all that a baseline measures with."""
    digest = blake2b("\x00".join(key).encode(), digest_size=8)
    for name, distribution in sorted(signals.items()):
        digest.update(f"{name} {distribution.n}\0".encode())
        digest.update(distribution.values.tobytes())
        digest.update(distribution.cumulative.tobytes())
    for limit_key, limit in sorted(limits.items()):
        digest.update("\x00".join(limit_key).encode())
        digest.update(np.array(astuple(limit), dtype=np.float64).tobytes())
    if sample is not None:
        digest.update(sample.directions.tobytes())
        digest.update(sample.norms.tobytes())
    return digest.hexdigest()


def freeze(
    material: Material,
    *,
    key: SeriesKey,
    state: State,
    origin: Origin,
    now: float,
    similarity_metric: SimilarityMetric | None,
    windows: tuple[str, ...],
) -> PinnedBaseline:
    """Make a baseline of what was collected, with its limits. Some hundred ms for a day of blocks."""
    limits: dict[LimitKey, Limit] = {}
    for signal in SIGNALS:
        baseline = material.signals.get(signal.name)
        if baseline is None:
            continue
        scale = abs(float(material.signals[signal.scale].quantile(0.5)))
        resolution = max(scale * signal.relative_resolution, float(np.finfo(np.float32).tiny))
        parts = {window: _parts(material.blocks.get(window, ()), signal.name, baseline.n) for window in windows}
        for statistic in STATISTICS:
            floor = resolution_floor(statistic, baseline, resolution)
            known: Limit | None = None
            for window in windows:
                learned = learn_limit(
                    [statistic.compute(part, baseline) for part in parts[window]],
                    [part.n for part in parts[window]],
                    baseline.n,
                    statistic,
                    floor,
                )
                # With too few blocks of the window's own duration a final baseline lends the limit of the next shorter
                # one: shorter blocks spread wider, so it is late rather than wrong. Not before it is final: hours
                # differ by the day's rhythm, of which the 5-minute blocks of one hour know nothing.
                known = learned or (known if state == "final" else None)
                if known is not None:
                    limits[window, signal.name, statistic.name] = known
    return PinnedBaseline(
        id=content_id(key, material.signals, limits, material.sample),
        key=key,
        state=state,
        origin=origin,
        created=now,
        seconds=now - material.started,
        events=material.events,
        similarity_metric=similarity_metric,
        signals=material.signals,
        limits=limits,
        sample=material.sample,
    )


def _parts(blocks: Sequence[Block], signal: str, baseline_events: int) -> list[Distribution]:
    """The blocks as parts of the baseline, neighbours joined until each part has events enough to learn from.

    Or a series with twenty queries an hour would never have a limit. A part of nothing but the whole says nothing.
    """
    parts = []
    values: list[Floats] = []
    weights: list[Floats] = []
    events = 0
    for block in blocks:
        n = block.signals.get(signal, 0)
        if n:
            values.append(block.values(signal).astype(np.float64))
            weights.append(np.full(values[-1].size, n / values[-1].size))
            events += n
        if events >= PART_EVENTS:
            parts.append(Distribution.weighted(np.concatenate(values), np.concatenate(weights), events))
            values, weights, events = [], [], 0
    return [part for part in parts if part.n < baseline_events]
