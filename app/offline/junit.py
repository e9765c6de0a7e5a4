"""JUnit XML, the format of test results that CI systems read: a test case for each statistic of the alarm family."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from app.compare import Comparison
from app.drift.family import ALARMS, OF_TWO_SIDES

SUITE = "embedding-drift"


def of_comparison(comparison: Comparison) -> str:
    """A failure where a score is above 1, skipped where the files do not have what the statistic needs."""
    readings = {reading.statistic: reading for reading in comparison.scores}
    causes = "\n".join(f"{suspect.title}: {suspect.evidence}" for suspect in comparison.diagnosis)
    suite = ET.Element("testsuite", name=SUITE)
    for alarm in (each for each in ALARMS if each.name not in OF_TWO_SIDES):
        case = _case(suite, alarm.name)
        reading = readings.get(alarm.name)
        if reading is None:
            ET.SubElement(case, "skipped", message=f"nothing to measure it from: {alarm.description}")
        elif reading.score > 1:
            message = f"score {reading.score:.2f}: {reading.value:.4f} {alarm.unit}, the limit is {reading.limit:.4f}"
            ET.SubElement(case, "failure", message=message, type="drift").text = _printable(
                f"{alarm.description}\n{causes}"
            )
    return _document(suite)


def of_error(message: str) -> str:
    """One test case that could not run; or a file of an earlier run would go on telling its result."""
    suite = ET.Element("testsuite", name=SUITE)
    ET.SubElement(_case(suite, "compare"), "error", message=_printable(message), type="input")
    return _document(suite)


def _case(suite: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=SUITE, name=name)


def _document(suite: ET.Element) -> str:
    counts = {
        "tests": len(suite),
        "failures": len(suite.findall("*/failure")),
        "errors": len(suite.findall("*/error")),
        "skipped": len(suite.findall("*/skipped")),
    }
    root = ET.Element("testsuites")
    root.append(suite)
    for each in (root, suite):
        each.attrib.update({name: str(count) for name, count in counts.items()})
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    """The text without what XML cannot hold: names of files may have control characters and lone surrogates."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
