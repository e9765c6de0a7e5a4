"""What an evaluation found: values for /metrics, /v1/series and the landing page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.baseline import Progress, State
from app.canary import Comparison
from app.distribution import Distribution
from app.drift.diagnosis import Suspect
from app.drift.effects import Effects
from app.drift.same_input import SameInput
from app.model import Score, SeriesKey, SimilarityMetric
from app.series import QueryCounts


@dataclass(frozen=True, slots=True)
class WindowView:
    """A window as it was evaluated."""

    name: str
    events: int
    vectors: int
    """Valid ones."""
    signals: Mapping[str, Distribution]
    """Of each signal that it has."""
    same_input: SameInput
    queries: QueryCounts = field(default_factory=QueryCounts)


@dataclass(frozen=True, slots=True)
class BaselineView:
    """A baseline as it was at the evaluation."""

    name: str
    """As in the label `baseline`: pinned, uploaded, 7d, 30d, 90d or peer."""
    state: State
    origin: str
    """learned, window, file, uploaded, trailing or peer."""
    id: str | None
    """Of its content; None where it has no file."""
    events: int
    """That it was made from; while it is learned, so far."""
    signals: Mapping[str, Distribution]
    """Empty while it is learned."""
    created: float | None = None
    """Unix seconds; None while it is learned, and for one that moves on with the time."""
    progress: Progress | None = None
    """None for one that is not learned."""
    peer: SeriesKey | None = None
    """The series that it is, where that is another one."""
    covered_seconds: float | None = None
    """How far back a trailing one reaches."""


@dataclass(frozen=True, slots=True)
class ResultsView:
    """What queries asked for and found in the last hour, as sets; None where it is not known."""

    distinct_queries: float | None = None
    """Inputs."""
    sampled_queries: int = 0
    """What the rest is from."""
    distinct_results: float | None = None
    """Documents."""
    top_documents_share: float | None = None
    """Share of the results that the ten most frequent documents take."""
    overlap: float | None = None
    """Share of the distinct documents that the baseline saw too."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A window over its baseline in the frame's first two components."""

    window: str
    current: NDArray[np.float32]
    """Sampled vectors, shape (n, 2)."""
    baseline: NDArray[np.float32]
    """Shape (m, 2)."""


@dataclass(frozen=True, slots=True)
class SeriesView:
    """Windows, baselines, scores, effects and what probably happened, of one series."""

    key: SeriesKey
    windows: Mapping[str, WindowView]
    baselines: tuple[BaselineView, ...]
    """The pinned (or uploaded) one first."""
    scores: tuple[Score, ...]
    """Alarm statistics with their limits, and diagnostics without."""
    effects: Mapping[tuple[str, str], Effects] = field(default_factory=dict)
    """By window and baseline."""
    similarity_kl: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """KL of the top-1 similarities in nats, by window and baseline."""
    suspects: Mapping[str, tuple[Suspect, ...]] = field(default_factory=dict)
    """By baseline, the surest first; an empty tuple where a baseline was read and nothing is suspected."""
    picture: Picture | None = None
    results: ResultsView | None = None
    """None of a series of documents."""
    space: str = ""
    """The vector space of its vectors."""
    similarity_metric: SimilarityMetric | None = None
    """None before the first scores."""
    poor_match_limit: float | None = None
    """What a top-1 similarity is poor below; None where that is not known."""


class Origin(NamedTuple):
    """A source of the events of a model, as they name it themselves."""

    model: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of one tick."""

    at: float = 0.0
    """Unix seconds; 0 before the first."""
    duration_seconds: float = 0.0
    series: Mapping[SeriesKey, SeriesView] = field(default_factory=dict)
    measured: int = 0
    """Vectors measured in a frame, of live series since their frames began."""
    measurable: int = 0
    """Vectors that came meanwhile."""
    canaries: Mapping[SeriesKey, Comparison] = field(default_factory=dict)
    """Each version of queries that has a peer, against it."""
    tokenizers: Mapping[Origin, str] = field(default_factory=dict)
    """The tokenizer version of each source that events name."""
