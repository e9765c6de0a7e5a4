"""Repeats: equal inputs in a window are no independent witnesses of a change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

POPULARITY: Final = 2.5
"""How many times more often than the second the most frequent input may come and still be one popular query among
others; ranks of Zipf's law with an exponent up to 1.2 stay below. Above it, it is a flood."""


class Repeats(NamedTuple):
    """What repeats do to a window's noise."""

    factor: float
    """n / factor independent events would have as much sampling noise; >= 1."""
    concentration: float
    """Sum over inputs of (share now - share before)^4: how much of the noise hangs on a few of them."""
    largest: float
    """Share of the most frequent input above its share of the baseline; 0 to 1."""


NO_REPEATS: Final = Repeats(1.0, 0.0, 0.0)


def count_repeats(current: Iterable[Hashable], baseline: Iterable[Hashable]) -> Repeats:
    """From the inputs of a window and of the baseline it is held against; O(n + m).

    The mean's noise is the sum over inputs of (share now - share before)^2, which is 1/n + 1/m without repeats (Kish's
    design effect of unequal weights, 1965). What repeats alike on both sides does not count: it is no noise.

    >>> count_repeats("aabb", "cdef")
    Repeats(factor=2.0, concentration=0.125, largest=0.5)
    >>> count_repeats("aabb", "aabb").factor
    1.0
    """
    now, before = Counter(current), Counter(baseline)
    n, m = now.total(), before.total()
    if n == 0 or m == 0:
        return NO_REPEATS
    differences = [now[key] / n - before[key] / m for key in now]
    excess = sorted(differences, reverse=True)
    largest = max(excess[0], 0.0)
    second = max(excess[1], 0.0) if len(excess) > 1 else 0.0
    popular = min(largest, POPULARITY * second + 2 / n)
    gone = sum((count / m) ** 2 for key, count in before.items() if key not in now)
    noise = sum(difference**2 for difference in differences) - largest**2 + popular**2 + gone
    fourth = sum(difference**4 for difference in differences) - largest**4 + popular**4
    return Repeats(max((noise - 1 / m) * n, 1.0), fourth, largest)
