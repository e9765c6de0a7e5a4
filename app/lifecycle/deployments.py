"""Deployments: how they ended, when the latest was, and which versions were announced.

M10, the share of canary deployments that were rolled back, with a target below 5 %, in PromQL:

    sum by (model) (increase(embedding_deployments_total{track="canary",result="rolled_back"}[30d]))
      / sum by (model) (increase(embedding_deployments_total{track="canary"}[30d]))

A deployment that is told to have finished, or failed, and then to have been rolled back, counts as both: the share r
of such ones reads r / (1 + r), at the target 4.8 % for 5 %. Where each is told once, it is exact.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple, get_args

from app.lifecycle.events import Deployment, DeploymentStatus
from app.lifecycle.runs import Runs
from app.lifecycle.spans import Spans
from app.model import OTHER, SeriesKey
from app.tree import Tree

RESULTS: Final = tuple(status for status in get_args(DeploymentStatus) if status != "started")
MAX_VERSIONS: Final = 4096

Identity = tuple[str, str, str, str, str]
"""Model, its two versions, track and id of a deployment."""


class Deployed(NamedTuple):
    """The latest deployment of a model, a track and a status."""

    at: float
    """Unix seconds."""
    model_version: str
    tokenizer_version: str


class Deployments:
    """Counts by model and track. Bounded: 129 labels, 4,096 runs, and the 4,096 versions announced last."""

    def __init__(self, spans: Spans) -> None:
        self._runs: Runs[Identity] = Runs(spans)
        self._announced: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self.counts: dict[tuple[str, str], dict[str, int]] = {}
        """Model and track -> result -> how many; every result from the first word on."""
        self.latest: dict[tuple[str, str, str], Deployed] = {}
        """Model, track and status -> the latest."""

    @property
    def dropped(self) -> int:
        """Deployments that were forgotten for want of room: told again, they would count again."""
        return self._runs.dropped

    def apply(self, event: Deployment, model: str, at: float, now: float) -> bool:
        """Take an event whose label is `model`; whether it was news."""
        version = event.model, event.model_version, event.tokenizer_version
        identity = (*version, event.track, event.deployment)
        named = bool(event.deployment)
        if event.status == "started":
            run = self._runs.begin(identity, at, now, named=named)
        else:
            run = self._runs.end(identity, event.status, at, now, named=named)
        if run is None:
            return False
        self._announce(version)
        counts = self.counts.setdefault((model, event.track), dict.fromkeys(RESULTS, 0))
        if event.status in counts:
            counts[event.status] += 1
        place = model, event.track, event.status
        if model == OTHER:
            return True  # of many models, whose versions say nothing beside each other
        if place not in self.latest or at >= self.latest[place].at:
            self.latest[place] = Deployed(at, event.model_version, event.tokenizer_version)
        return True

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {
            "runs": self._runs.freeze(list),
            "announced": [list(version) for version in self._announced],
            "counts": [[*place, counts.copy()] for place, counts in self.counts.items()],
            "latest": [[*place, *last] for place, last in self.latest.items()],
        }

    def thaw(self, tree: Tree, *, counters: bool) -> None:
        """Go on from what was frozen; without `counters` every count begins at 0."""
        self._runs.thaw(tree["runs"], tuple, counters=counters)
        self._announced = OrderedDict.fromkeys(
            (model, version, tokenizer) for model, version, tokenizer in tree["announced"]
        )
        for model, track, counts in tree["counts"]:
            self.counts[model, track] = counts if counters else dict.fromkeys(counts, 0)
        for model, track, status, *last in tree["latest"]:
            self.latest[model, track, status] = Deployed(*last)

    def announced(self, key: SeriesKey) -> bool:
        """Whether any deployment told of these versions; the kind does not matter."""
        return key[:3] in self._announced

    def _announce(self, version: tuple[str, str, str]) -> None:
        self._announced[version] = None
        self._announced.move_to_end(version)
        if len(self._announced) > MAX_VERSIONS:
            self._announced.popitem(last=False)
