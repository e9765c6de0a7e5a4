"""What waits for the disk: entries, whose senders are answered, and notes, which are nobody's."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Entry:
    """What is written, and applied once it is on disk."""

    encode: Callable[[], bytes]
    apply: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Note(NamedTuple):
    """What happens of itself and is no answer to anybody."""

    payload: bytes
    apply: Callable[[], object]


def carry_out(each: Entry | Note) -> None:
    """Apply it, unless it has met an error; what comes of an entry is kept there for its answer."""
    if isinstance(each, Note):
        try:
            each.apply()
        except Exception:
            log.exception("note not applied")
    elif each.error is None:
        try:
            each.result = each.apply()
        except Exception as error:
            each.error = error


def answer(entries: Iterable[Entry]) -> None:
    """Wake each loop once for all that wait in it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Entry]] = defaultdict(list)
    for each in entries:
        by_loop[each.loop].append(each)
    for loop, waiting in by_loop.items():
        # Closed: the server stopped without them.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, waiting)


def _settle(waiting: list[Entry]) -> None:
    for each in waiting:
        if each.future.done():
            continue
        if each.error is None:
            each.future.set_result(each.result)
        else:
            each.future.set_exception(each.error)
