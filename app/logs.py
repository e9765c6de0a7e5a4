"""Structured logs: one line an entry on standard error, from structlog and the standard library alike."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS: Final = ("debug", "info", "warning", "error")

RENDERERS: Final[Mapping[str, Processor]] = {
    "logfmt": structlog.processors.LogfmtRenderer(
        key_order=("time", "level", "logger", "event"), drop_missing=True, bool_as_flag=False
    ),
    "json": structlog.processors.JSONRenderer(),
}
"""How an entry becomes text."""


def configure(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send all logs of the process to one place in one form; a further call replaces the former.

    Parameters
    ----------
    level
        One of LEVELS: the least that is logged.
    log_format
        A key of RENDERERS.
    stream
        Standard error unless given.

    """
    entry: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *entry, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=entry,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _flatten,
                _on_one_line(RENDERERS[log_format]),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    if level != "debug":
        # A line for every request would be as many lines as there are batches of events.
        logging.getLogger("uvicorn.access").setLevel(logging.WARNING)


def _flatten(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """Values that both renderers write alike: text, whole numbers, finite numbers, booleans, None."""
    return {key: _plain(value) for key, value in entry.items()}


def _plain(value: object) -> object:
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _escape(line: str) -> str:
    r"""Write what could end the line, move the cursor or hide text as \uXXXX, which is right within JSON too.

    Values may come from clients: a line break in one of them must not forge an entry.

    >>> print(_escape("one\rtwo"))
    one\u000dtwo
    """
    if line.isprintable():
        return line
    return "".join(
        character
        if character.isprintable()
        else f"\\u{ord(character):04x}"
        if ord(character) < 0x10000
        else f"\\U{ord(character):08x}"
        for character in line
    )


def _on_one_line(renderer: Processor) -> Processor:
    def render(logger: WrappedLogger, method: str, entry: EventDict) -> str:
        return _escape(str(renderer(logger, method, entry)))

    return render
