"""Families about the windows of a series: how many events, and quantiles of their signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from app.metrics.evaluated import FULL_WINDOW, Evaluated, gauge
from app.metrics.family import Reading, Source
from app.series import FRAME_SIGNALS
from app.signals import SIGNALS

DIAGNOSED: Final = ("similarity_mean", "margin", "pc1")
"""Signals that nothing but diagnostics reads, and those of one window alone."""


def _window_events(evaluated: Evaluated) -> Iterator[Reading]:
    for window in evaluated.view.windows.values():
        left_out = () if window.name == FULL_WINDOW else DIAGNOSED
        for name in [signal.name for signal in SIGNALS if signal.name not in left_out]:
            distribution = window.signals.get(name)
            yield (window.name, name), 0 if distribution is None else distribution.n
        yield (window.name, "embedding"), window.vectors
        for name in [each for each in FRAME_SIGNALS if each not in left_out and each in window.signals]:
            yield (window.name, name), window.signals[name].n


def _quantiles(signal: str, *q: float) -> Callable[[Evaluated], Iterator[Reading]]:
    """Quantiles of a signal in each window that has enough events."""
    shares, names = np.array(q), [str(each) for each in q]

    def read(evaluated: Evaluated) -> Iterator[Reading]:
        for window in evaluated.view.windows.values():
            distribution = window.signals.get(signal)
            if distribution is not None and distribution.n >= evaluated.min_window_events:
                for name, value in zip(names, distribution.quantile(shares).tolist(), strict=True):
                    yield (window.name, name), value

    return read


WINDOWS: Final[tuple[Source[Evaluated], ...]] = (
    Source(
        gauge(
            "window_events",
            "Events in the window that had the signal: what its scores and quantiles rest on. Below min_window_events "
            "there are none. embedding counts valid vectors; novelty and pc1 those of them that were measured in the "
            "frame of the baseline, absent where there is no frame and in windows that keep no distribution of them. "
            f"{', '.join(DIAGNOSED)}: window {FULL_WINDOW} only.",
            "window",
            "signal",
        ),
        _window_events,
    ),
    Source(
        gauge(
            "norm_quantile",
            "Quantile q of the L2 norms in the window, within 1.4 % of rank. Never sum or average quantiles: over "
            "replicas use histogram_quantile on embedding_norm_bucket.",
            "window",
            "q",
        ),
        _quantiles("norm", 0.05, 0.5, 0.95),
    ),
    Source(
        gauge(
            "top1_similarity_quantile",
            "Quantile q of the similarity of the best result in the window, within 1.4 % of rank. Never sum or average "
            "quantiles: over replicas use histogram_quantile on embedding_top1_similarity_bucket.",
            "window",
            "q",
        ),
        _quantiles("top1_similarity", 0.05, 0.5),
    ),
)
