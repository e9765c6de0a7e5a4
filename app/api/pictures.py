"""Small pictures of distributions, drawn on the server as SVG: no script, nothing fetched."""

from __future__ import annotations

import numpy as np

from app.distribution import Distribution
from app.model import Floats

BINS = 32
WIDTH, HEIGHT, BASE = 260, 64, 50


def histogram(title: str, current: Distribution | None, baseline: Distribution | None) -> str:
    """The current distribution (filled) over the baseline's (outlined), in equal bins; empty if there is neither.

    >>> histogram("norm", None, None)
    ''
    """
    present = [each for each in (current, baseline) if each is not None]
    if not present:
        return ""
    low = min(float(each.quantile(0.005)) for each in present)
    high = max(float(each.quantile(0.995)) for each in present)
    if high - low < 1e-6 * max(abs(low), 1e-3):
        # All values alike: a bar in the middle says more than a bar as wide as the picture.
        low, high = low - 0.01 * max(abs(low), 0.1), high + 0.01 * max(abs(high), 0.1)
    edges = np.linspace(low, high, BINS + 1)
    shares = {name: _shares(each, edges) for name, each in (("baseline", baseline), ("current", current)) if each}
    top = max(float(share.max()) for share in shares.values()) or 1.0
    paths = "".join(f'<path class="{name}" d="{_outline(share / top)}"/>' for name, share in shares.items())
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}: now over baseline">'
        f"<title>{title}: now (filled) over baseline (outline)</title>{paths}"
        f'<text x="0" y="{HEIGHT - 2}">{low:.3g}</text>'
        f'<text x="{WIDTH / 2:g}" y="{HEIGHT - 2}" text-anchor="middle">{title}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 2}" text-anchor="end">{high:.3g}</text></svg>'
    )


def _shares(distribution: Distribution, edges: Floats) -> Floats:
    cumulative = distribution.cdf(edges)
    # What lies beyond the picture's ends is drawn in its outer bins: nothing may vanish.
    cumulative[0], cumulative[-1] = 0.0, 1.0
    return np.diff(cumulative)


def _outline(heights: Floats) -> str:
    step = WIDTH / BINS
    points = [f"M0 {BASE}"]
    for position, height in enumerate(heights):
        points.append(f"V{BASE - height * (BASE - 2):.1f}H{(position + 1) * step:.1f}")
    return "".join(points) + f"V{BASE}Z"
