"""The bench of growth: what can be held without measuring: its picture, its tables and its simulated months."""

import xml.etree.ElementTree as ET

import pytest

from bench import growth
from bench.picture import Curve, Panel, draw, steps
from bench.steps import Steps
from bench.uptime import Age, ages

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def found():
    """Costs that double along each axis, the same in both rounds but for a machine that is twice as slow."""
    measured = growth.Measured()
    axes = {
        "batch": growth.BATCHES,
        "dimension": growth.DIMENSIONS,
        "connections": growth.WAYS,
        "series": growth.SERIES,
        "scrape": growth.SERIES,
        "pace": growth.PACES,
        "busy": growth.PACES,
    }
    for name, values in axes.items():
        for power, value in enumerate(values):
            getattr(measured, name)[value] = [1e-5 * 2**power, 2e-5 * 2**power]
    for value in growth.SERIES:
        measured.resident[value] = value << 20
        measured.page[value] = 10 * value, 1000 * value
    for place in [(batch, growth.DIMENSION) for batch in growth.BATCHES]:
        measured.steps[place] = [Steps(1e-6, 2e-6), Steps(2e-6, 4e-6)]
    measured.saturation = [1e5, 5e4]
    return measured


MONTHS = [Age(days, 1e6, 400, 60_000, 0.001, 0.01) for days in (1, 30)]


def test_ratios_are_of_one_round(found):
    """A slow round is slow for both sides: every ratio is exact."""
    times = growth.over_first(found.series, 1)

    assert [(1, 1, 1), (2, 2, 2), (4, 4, 4), (8, 8, 8)] == [
        (each.median, each.low, each.high) for each in times.values()
    ]


def test_every_axis_has_a_table_and_a_curve(found):
    """Each with all of its values."""
    report = growth.report(found, MONTHS, 2)
    batches, dimensions, profile, connections, series, paces, months = (table.rows for _, table in report.tables)

    for rows, values in (
        (batches, growth.BATCHES),
        (dimensions, growth.DIMENSIONS),
        (profile, growth.BATCHES),
        (connections, growth.WAYS),
        (series, growth.SERIES),
        (paces[:-1], growth.PACES),
        (months, (1, 30)),
    ):
        assert [f"{value:,}" for value in values] == [row[0] for row in rows]
    drawing = ET.fromstring(report.pictures[growth.PICTURE])
    assert len(drawing.findall(f"{SVG}g")) == 8


def test_a_picture_has_its_points_where_they_belong():
    """On a logarithmic axis equal ratios are equal ways; twice the value is twice as high; text is text."""
    drawing = ET.fromstring(draw([Panel("a & b", "y", [Curve("", (1, 10, 100), (5, 10, 20))])]))

    points = [(float(each.get("cx")), float(each.get("cy"))) for each in drawing.iter(f"{SVG}circle")]
    (x1, y1), (x2, y2), (x3, y3) = points
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y2 - y3 == pytest.approx(2 * (y1 - y2), abs=0.3)
    assert "a & b" in {each.text for each in drawing.iter(f"{SVG}text")}


@pytest.mark.parametrize("largest", [0.003, 0.9, 1.0, 31.0, 715.0, 25_000.0])
def test_an_axis_has_few_round_steps_that_reach_the_largest(largest):
    """From 0 to the first step that is no less."""
    marks = steps(largest)

    assert 0 == marks[0]
    assert marks[-2] < largest <= marks[-1]
    assert 4 <= len(marks) <= 8


def test_days_go_by_without_the_machine_s_clock():
    """A simulated day has its events, and the day after it no more samples to a series than the families have."""
    first, second = ages((1, 2), step_seconds=21_600.0)

    assert (1, 2) == (first.days, second.days)
    assert first.state_bytes > 0
    assert first.samples <= second.samples < 1000
