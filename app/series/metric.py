"""One series measures similarity in one way: scores of another metric would be other numbers."""

from __future__ import annotations

import numpy as np

from app.model import METRICS, EventBatch, EventError, Reason, SimilarityMetric
from app.tree import Tree


class Metric:
    """What the scores of a series measure: settled by the first of them."""

    def __init__(self) -> None:
        self._code = -1

    @property
    def name(self) -> SimilarityMetric | None:
        """None before the first scores."""
        return None if self._code < 0 else METRICS[self._code]

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"name": None if self.name is None else self.name.value}

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen."""
        self._code = -1 if tree["name"] is None else METRICS.index(SimilarityMetric(tree["name"]))

    def refuse_others(self, batch: EventBatch) -> tuple[EventBatch, list[EventError]]:
        """The batch without the events that measure otherwise, and what is told of those."""
        unlike = batch.metric != self._code
        if np.count_nonzero(unlike) == 0:
            return batch, []
        carries = batch.metric >= 0
        if self._code < 0 and carries.any():
            self._code = int(batch.metric[carries][0])
        wrong = carries & (batch.metric != self._code)
        if not wrong.any():
            return batch, []
        message = (
            f"this series measures {METRICS[self._code].value} since its first scores; "
            "send one metric per series, another one under another model_version"
        )
        refused = [
            EventError(int(index), "similarity_metric", Reason.SIMILARITY_METRIC, message)
            for index in batch.index[wrong]
        ]
        return batch.take(np.flatnonzero(~wrong)), refused
