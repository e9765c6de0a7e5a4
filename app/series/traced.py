"""Traces of requests, one for each bucket of a histogram: exemplars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from typing import Final, NamedTuple

import numpy as np

from app.model import Floats
from app.tree import Tree

_TRACE_ID: Final = re.compile(r"[\w.:/+=-]{1,64}", re.ASCII)
"""OpenMetrics leaves an exemplar 128 characters for names and values. What is longer, or has other characters, is no
trace's id; and not every reader of exemplars knows escapes."""


class Exemplar(NamedTuple):
    """A value of a histogram and the trace of the request that it is from."""

    trace_id: str
    value: float
    timestamp: float
    """Unix seconds."""


class Traced:
    """The latest value with a trace in each bucket; a value that equals a bound is below it.

    >>> traced = Traced((0.0, 1.0))
    >>> traced.update(np.array([0.5, 0.7, 2.0]), np.array([1.0, 2.0, 3.0]), ["a", "b", None])
    >>> traced.exemplars
    {1: Exemplar(trace_id='b', value=0.7, timestamp=2.0)}
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = np.array(bounds)
        self.exemplars: dict[int, Exemplar] = {}
        """By the position of the bucket; the last position, past the bounds, is that of the infinite one."""

    def copy(self) -> Traced:
        """Return an independent copy; exemplars themselves never change."""
        copied = copy(self)
        copied.exemplars = dict(self.exemplars)
        return copied

    def freeze(self) -> Tree:
        """What `thaw` takes."""
        return {"exemplars": [[position, *each] for position, each in self.exemplars.items()]}

    def thaw(self, tree: Tree) -> None:
        """Go on from what was frozen."""
        self.exemplars = {position: Exemplar(*each) for position, *each in tree["exemplars"]}

    def update(self, values: Floats, timestamps: Floats, trace_ids: Sequence[str | None]) -> None:
        """Add events, oldest first; NaN is no value. Shapes (n,)."""
        buckets = np.searchsorted(self._bounds, values, side="left")
        for position in np.flatnonzero(np.isfinite(values)).tolist():
            trace_id = trace_ids[position]
            if trace_id and _TRACE_ID.fullmatch(trace_id):
                self.exemplars[int(buckets[position])] = Exemplar(
                    trace_id, float(values[position]), float(timestamps[position])
                )
