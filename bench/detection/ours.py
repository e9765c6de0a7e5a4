"""The project's own comparison as a detector: the very code path of the command `compare`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from app.compare import Reference
from app.drift.effects import Effects
from bench.detection.sample import Sample, Verdict


def fit(reference: Sample) -> Callable[[Sample], Verdict]:
    """Fit and calibrate once; values are scores, 1 is the limit."""
    fitted = Reference(reference.vectors, norms=reference.norms, hashes=reference.hashes)

    def judge(window: Sample) -> Verdict:
        comparison = fitted.compare(window.vectors, norms=window.norms, hashes=window.hashes)
        values = {"score": comparison.score}
        for each in comparison.scores:
            values[each.statistic] = max(values.get(each.statistic, 0.0), each.score)
        return Verdict(values, known(comparison.effects), [suspect.cause for suspect in comparison.diagnosis])

    return judge


def known(effects: Effects) -> dict[str, float]:
    """The effects that there is something to tell from, by name."""
    return {name: float(value) for name, value in asdict(effects).items() if value is not None}
