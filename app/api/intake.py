"""What the routes that take lists have in common: bytes in, a receipt out, what was refused counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Self

from fastapi import Request, Response

from app.api.admission import RETRY_AFTER_SECONDS, Overloaded
from app.api.body import BodyRefused, header
from app.api.reply import error_reply, json_reply
from app.api.services import Services
from app.decode import DecodeError, Malformed, TooLarge
from app.model import EventError, Receipt

MAX_ERRORS_TOLD = 10

OFF_LOOP_BYTES = 2 * 1024 * 1024
"""A larger body takes more than some three milliseconds: decoded beside the loop, so that scrapes and probes go on.

Not a smaller one: handing a body of a megabyte to a thread and back cost 6 % of its request."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request's entries."""

    counts: Mapping[str, int]
    """Name in the reply -> how many entries, of those that were not refused."""
    errors: Sequence[EventError]

    @classmethod
    def of(cls, receipt: Receipt, refused: Sequence[EventError]) -> Self:
        """What a store made of a batch, and what the decoder had refused of it before."""
        counts = {"accepted": receipt.accepted, "duplicates": receipt.duplicates, "late": receipt.late}
        if not refused:
            return cls(counts, receipt.errors)
        # In the order of the request: some errors are found later than the decoder's.
        return cls(counts, sorted([*refused, *receipt.errors], key=attrgetter("index")))


Take = Callable[[str | None, str | None, bytes], Taken]
"""Content type, content encoding and body -> what became of it. Raises `DecodeError`; safe from any thread."""


async def intake(
    request: Request, take: Take, *, max_bytes: int | None = None, off_loop_bytes: int = OFF_LOOP_BYTES
) -> Response:
    """Read the body, take it in and tell what became of it: 202, or 422 when nothing was acceptable.

    400 for a malformed body, 408 too slow, 413 too large (`max_bytes`; None: those of events), 415 for an unknown
    content type, 429 where too much is under way already. A body above `off_loop_bytes` is taken beside the loop.
    """
    services: Services = request.app.state.services
    own = services.metrics.own
    try:
        body = await services.bodies.read(request, max_bytes or services.max_body_bytes)
    except BodyRefused as refused:
        own.count_failure(refused.reason)
        return error_reply(refused.status_code, refused.message, {"Connection": "close"})
    except Overloaded as overloaded:
        return _shed(services, overloaded)
    content_type = header(request, b"content-type")
    content_encoding = header(request, b"content-encoding")
    try:
        taken = await services.admission.run(
            partial(take, content_type, content_encoding, body),
            beside=len(body) > off_loop_bytes or content_encoding is not None,
        )
    except Overloaded as overloaded:
        return _shed(services, overloaded)
    except DecodeError as error:
        own.count_failure(error.reason)
        return error_reply(_status(error), error.message)
    finally:
        services.admission.release(len(body))
    if taken.errors:
        for reason, count in Counter(error.reason for error in taken.errors).items():
            own.count_failure(reason, count)
    return _reply(taken)


def _shed(services: Services, overloaded: Overloaded) -> Response:
    """429 on a connection that stays.

    What is still to come of the body is read and dropped: a sender who is at it would else see a reset, and no reply.
    """
    services.metrics.own.count_shed(overloaded.shed)
    return error_reply(429, overloaded.message, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _status(error: DecodeError) -> int:
    if isinstance(error, TooLarge):
        return 413
    return 400 if isinstance(error, Malformed) else 415


def _reply(taken: Taken) -> Response:
    nothing = bool(taken.errors) and not any(taken.counts.values())
    content = {
        **taken.counts,
        "rejected": len(taken.errors),
        "errors": [_told(error) for error in taken.errors[:MAX_ERRORS_TOLD]],
    }
    return json_reply(content, 422 if nothing else 202)


def _told(error: EventError) -> dict[str, str | int]:
    return {"index": error.index, "field": error.field, "reason": error.message}
