"""Curves as one small SVG that can be read on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

INK: Final = "#808080"
"""Far enough from white and from black."""
COLOURS: Final = ("#2f81f7", "#d18616", "#3fa266")
COLUMNS: Final = 2
WIDTH, HEIGHT = 360, 210
"""Of a panel, in pixels."""
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 28, 44
"""What it leaves free around its curves."""
LABEL_WIDTH: Final = 24
DIVISIONS: Final = 4
"""About so many steps has the upright axis."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line; a name where there are several."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """Some curves over the same x, on a logarithmic axis; the other axis begins at 0."""

    x: str
    y: str
    curves: Sequence[Curve]


def draw(panels: Sequence[Panel]) -> str:
    """All panels as SVG, transparent; the same text for the same numbers."""
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11" fill="{INK}">']
    for number, panel in enumerate(panels):
        row, column = divmod(number, COLUMNS)
        parts += [f'<g transform="translate({column * WIDTH} {row * HEIGHT})">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def steps(largest: float) -> list[float]:
    """From 0 in round steps to the first that is no less than `largest`, which is above 0.

    >>> steps(0.9), steps(31.0)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 10.0, 20.0, 30.0, 40.0])
    """
    rough = largest / DIVISIONS
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(each * decade for each in (1, 2, 5, 10) if each * decade >= rough * 0.75)
    return [round(each * step, 12) for each in range(math.ceil(largest / step - 1e-9) + 1)]


def _panel(panel: Panel) -> Iterator[str]:
    xs = panel.curves[0].x
    marks = steps(max(max(curve.y) for curve in panel.curves))
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    first, span = math.log(xs[0]), math.log(xs[-1]) - math.log(xs[0])

    def at(x: float, y: float) -> tuple[float, float]:
        return round(LEFT + across * (math.log(x) - first) / span, 1), round(TOP + up * (1 - y / marks[-1]), 1)

    yield _text(LEFT, TOP - 12, panel.y, "start")
    for mark in marks:
        _, y = at(xs[0], mark)
        yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity="{0.25 if mark else 1}"/>'
        yield _text(LEFT - 6, y + 4, f"{mark:,g}", "end")
    crosses = [at(each, 0)[0] for each in xs]
    for number, each in enumerate(xs):
        # Not into the next one's text.
        if number + 1 == len(xs) or crosses[number + 1] - crosses[number] >= LABEL_WIDTH:
            yield _text(crosses[number], HEIGHT - BOTTOM + 16, f"{each:,g}", "middle")
    yield _text(LEFT + across / 2, HEIGHT - BOTTOM + 32, panel.x, "middle")
    for number, (curve, colour) in enumerate(zip(panel.curves, COLOURS, strict=False)):
        points = [at(x, y) for x, y in zip(curve.x, curve.y, strict=True)]
        line = " ".join(f"{x},{y}" for x, y in points)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
        yield from (f'<circle cx="{x}" cy="{y}" r="2.6" fill="{colour}"/>' for x, y in points)
        if curve.name:
            # In the lower right, where curves that hardly grow leave room.
            yield _text(WIDTH - RIGHT, HEIGHT - BOTTOM - 12 - 15 * number, curve.name, "end", colour)


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
