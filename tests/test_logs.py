"""Logs: one line an entry, whatever it says and whoever logs it."""

import io
import json
import logging
import re
import warnings

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app import logs

every_format = pytest.mark.parametrize("log_format", logs.RENDERERS)


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


def configured(log_format: str = "logfmt", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, log_format, stream)
    return stream


def test_logfmt_begins_with_time_level_logger_and_event():
    """The time is RFC 3339 in UTC; values follow as key=value."""
    stream = configured()

    structlog.get_logger("app.store").info("series folded", series=64, share=0.5, known=True, peer=None)

    assert re.fullmatch(
        r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z level=info logger=app\.store "
        r'event="series folded" series=64 share=0\.5 known=true peer=\n',
        stream.getvalue(),
    )


def test_json_is_one_object_a_line():
    """With the same keys and typed values."""
    stream = configured("json")

    structlog.get_logger("app.store").warning("series folded", series=64, known=True, nothing=float("nan"))

    entry = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", entry.pop("time"))
    assert {
        "level": "warning",
        "logger": "app.store",
        "event": "series folded",
        "series": 64,
        "known": True,
        "nothing": "nan",
    } == entry


@every_format
def test_other_loggers_go_through_the_same_renderer(log_format):
    """Those of uvicorn and of the standard library, also where they had handlers of their own."""
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler(io.StringIO()))
    stream = configured(log_format)

    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("another").error("failed")

    first, second = stream.getvalue().splitlines()
    assert "uvicorn.error" in first
    assert "Started server process [7]" in first
    assert "level=error" in second or '"level": "error"' in second


@every_format
def test_a_warning_of_python_is_a_log_entry(log_format):
    """It would otherwise stand between the lines in a form of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        stream = configured(log_format)
        warnings.warn("divided by nothing", RuntimeWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    (line,) = stream.getvalue().splitlines()
    assert "py.warnings" in line
    assert "divided by nothing" in line


def test_requests_are_logged_at_debug_alone():
    """A line for each would drown the rest."""
    for level, expected in (("info", 0), ("debug", 1)):
        stream = configured(level=level)
        logging.getLogger("uvicorn.access").info('127.0.0.1 - "GET /metrics HTTP/1.1" 200')

        assert expected == len(stream.getvalue().splitlines())


@pytest.mark.parametrize("level", logs.LEVELS)
def test_nothing_below_the_level_is_logged(level):
    """For structlog and the standard library alike."""
    stream = configured(level=level)

    for name in logs.LEVELS:
        getattr(structlog.get_logger("ours"), name)("event")
        getattr(logging.getLogger("theirs"), name)("event")

    assert 2 * len(logs.LEVELS[logs.LEVELS.index(level) :]) == len(stream.getvalue().splitlines())


def test_configuring_again_replaces_the_former():
    """No line is written twice."""
    former = configured()
    stream = configured()

    structlog.get_logger("app").info("once")

    assert "" == former.getvalue()
    assert 1 == len(stream.getvalue().splitlines())


@every_format
def test_an_exception_stays_on_its_line(log_format):
    """The traceback is a value, its line breaks are escaped."""
    stream = configured(log_format)
    try:
        raise ValueError("one\nlevel=error event=forged")
    except ValueError:
        structlog.get_logger("app").exception("tick failed")
        logging.getLogger("another").exception("tick failed")

    lines = stream.getvalue().splitlines()
    assert 2 == len(lines)
    for line in lines:
        assert "Traceback" in line
        assert "ValueError: one\\n" in line


def test_a_forged_entry_stays_a_value():
    """The accident: a model's name with a line break in it wrote an entry of its own."""
    stream = configured()

    structlog.get_logger("app").info("series added", model='e5"\ntime=2024-01-01T00:00:00Z level=error event=forged')

    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r'model="e5\"\ntime=2024-01-01T00:00:00Z level=error event=forged"')


@pytest.mark.parametrize(
    "character", ["\r", "\x0b", "\x1b[2J", "\x00", "\x7f", "\x85", "\u2028", "\u202e", "\ud800", "\U000e0001"]
)
@every_format
def test_control_characters_are_escaped(character, log_format):
    """Also those that only some readers take for the end of a line, and those that turn the text around."""
    stream = configured(log_format)

    structlog.get_logger("app").info(f"a{character}b", value=f"a{character}b", error=ValueError(character))
    logging.getLogger("another").info("a%sb", character)

    lines = stream.getvalue().split("\n")
    assert 3 == len(lines)
    assert all(line.isprintable() for line in lines)
    if log_format == "json":
        assert f"a{character}b" == json.loads(lines[0])["value"]


@given(st.text(), st.sampled_from(list(logs.RENDERERS)))
def test_any_text_makes_one_printable_line(text, log_format):
    """Nothing that a client sends breaks a line."""
    stream = configured(log_format)

    structlog.get_logger("app").info(text, value=text)

    assert 1 == stream.getvalue().count("\n")
    assert stream.getvalue()[:-1].isprintable()
