"""Small pictures of a window over its baseline, drawn on the server as SVG: no script, nothing fetched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.distribution import Distribution
from app.model import Floats

BINS = 32
WIDTH, HEIGHT, BASE = 260, 64, 50

SCATTER_HEIGHT, SCATTER_TOP, SCATTER_BASE, SCATTER_LEFT = 216, 20, 198, 14
"""The legend is above the points, the axes below and to the left."""

MARGIN = 4
"""From the outermost points to the edge."""


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


def scatter(window: str, current: NDArray[np.float32], baseline: NDArray[np.float32]) -> str:
    """Vectors of a window over those of the baseline in two components, shapes (n, 2) and (m, 2), n + m >= 1.

    The axes span the 1 % to 99 % quantiles of both; what lies beyond is drawn at the edge. 12 bytes a point.
    """
    both = np.concatenate((baseline, current)).astype(np.float64)
    low, high = np.quantile(both, 0.01, axis=0), np.quantile(both, 0.99, axis=0)
    span = np.maximum(high - low, 1e-9 * np.maximum(np.abs(high), 1e-9))
    paths = "".join(
        f'<path class="points {name}" d="{_dots((rows - low) / span)}"/>'
        for name, rows in (("baseline", baseline), ("current", current))
    )
    middle = (SCATTER_TOP + SCATTER_BASE) / 2
    title = f"Vectors of the last {window} over the baseline, in the baseline's two leading components"
    return (
        f'<svg class="scatter" viewBox="0 0 {WIDTH} {SCATTER_HEIGHT}" role="img" aria-label="{title}">'
        f'<title>{title}</title><path class="points baseline" d="M17 8h0"/><text x="24" y="12">baseline</text>'
        f'<path class="points current" d="M81 8h0"/><text x="88" y="12">last {window}</text>'
        f'<rect x="{SCATTER_LEFT}" y="{SCATTER_TOP}" width="{WIDTH - SCATTER_LEFT}"'
        f' height="{SCATTER_BASE - SCATTER_TOP}"/>{paths}'
        f'<text x="{SCATTER_LEFT}" y="{SCATTER_HEIGHT - 4}">{low[0]:.2g}</text>'
        f'<text x="{(SCATTER_LEFT + WIDTH) / 2:g}" y="{SCATTER_HEIGHT - 4}" text-anchor="middle">component 1</text>'
        f'<text x="{WIDTH}" y="{SCATTER_HEIGHT - 4}" text-anchor="end">{high[0]:.2g}</text>'
        f'<text transform="translate(9 {middle:g}) rotate(-90)" text-anchor="middle">component 2</text></svg>'
    )


def _dots(places: Floats) -> str:
    """Points of the unit square, y upwards, as strokes of no length: round caps make dots of them."""
    inside = np.clip(places, 0.0, 1.0)
    x = SCATTER_LEFT + MARGIN + inside[:, 0] * (WIDTH - SCATTER_LEFT - 2 * MARGIN)
    y = SCATTER_BASE - MARGIN - inside[:, 1] * (SCATTER_BASE - SCATTER_TOP - 2 * MARGIN)
    return "".join(f"M{across:.0f} {down:.0f}h0" for across, down in zip(x.tolist(), y.tolist(), strict=True))


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
