"""What a drift statistic is: a pure function of two distributions, and what one must know to read its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.distribution import Distribution


@dataclass(frozen=True, slots=True)
class Statistic:
    """One entry of the table `STATISTICS`."""

    name: str
    """As in the label `statistic`."""
    unit: str
    """Unit of the value, in words."""
    description: str
    """One sentence for the docs: which quantity of that name it is, and its range."""
    noise_exponent: float
    """p: with no drift, n current and m baseline events, the value shrinks as (1/n + 1/m)^p.

    0.5 for distances, which are linear in the difference of the distributions, 1 for divergences, which are quadratic.
    """
    minimum_events: int
    """Fewer events than this a side say next to nothing; blocks below it are not learned from."""
    compute: Callable[[Distribution, Distribution], float]
    """compute(current, baseline): finite and >= 0, 0 for a distribution against itself."""
    noise_quantile: Callable[[float], float] | None = None
    """noise_quantile(alpha) x (1/n + 1/m)^p is what n independent events exceed with probability alpha, no drift given.

    Asymptotic; too large where the signal has ties. None where it depends on the signal's scale.
    """
