"""What the routes that take lists have in common: bytes in, an answer out, what was refused counted."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from fastapi import Request, Response

from app.api.admission import Overloaded
from app.api.body import BodyRefused, header
from app.api.doorstep import overload_reply
from app.api.reply import Answered, error_reply
from app.api.services import Services
from app.decode import DecodeError, Malformed, TooLarge, at_hand
from app.intake import Answer, Claim, OtherBody, SentRequest
from app.journal import Unwritable
from app.model import Reason

OFF_LOOP_BYTES = 2 * 1024 * 1024
"""A larger body takes more than some three milliseconds: decoded beside the loop, so that scrapes and probes go on.

Not a smaller one: handing a body of a megabyte to a thread and back cost 6 % of its request."""


UNWRITABLE_RETRY_SECONDS: Final = 5
"""A disk that is full is rarely so for less."""

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

Read = Callable[[str | None, str | None, bytes], SentRequest]
"""Content type, content encoding and body -> what it holds. Raises `DecodeError`; safe from any thread."""


async def intake(
    request: Request, read: Read, *, max_bytes: int | None = None, off_loop_bytes: int = OFF_LOOP_BYTES
) -> Response:
    """Read the body, take it in and tell what became of it: 202, or 422 when nothing was acceptable.

    400 for a malformed body, 408 too slow, 413 too large (`max_bytes`; None: those of events), 415 for an unknown
    content type, 429 where too much is under way already, 503 where it cannot be written to the journal. A body above
    `off_loop_bytes`, or whose decoder is still to be imported, is taken beside the loop. With an `Idempotency-Key`
    that came before, what was answered then, and nothing is taken; 422 if it came with another body.
    """
    services: Services = request.app.services
    own = services.metrics.own
    try:
        body = await services.bodies.read(request, max_bytes or services.max_body_bytes)
    except BodyRefused as refused:
        own.count_failure(refused.reason)
        return error_reply(refused.status_code, refused.message, {"Connection": "close"})
    except Overloaded as overloaded:
        own.count_shed(overloaded.shed)
        return overload_reply(overloaded)
    content_encoding = header(request, b"content-encoding")
    content_type = header(request, b"content-type")
    work = partial(read, content_type, content_encoding, body)
    beside = len(body) > off_loop_bytes or content_encoding is not None or not at_hand(content_type)
    try:
        key = header(request, b"idempotency-key")
        if key is None:
            return await _taken(services, work, None, beside=beside)
        return await _once(request, key, body, partial(_taken, services, work, beside=beside))
    except Overloaded as overloaded:
        own.count_shed(overloaded.shed)
        return overload_reply(overloaded)
    except DecodeError as error:
        own.count_failure(error.reason)
        return error_reply(_status(error), error.message)
    finally:
        services.admission.release(len(body))


async def _once(request: Request, key: str, body: bytes, take: Callable[[Claim], Awaitable[Response]]) -> Response:
    """Take a request in, or answer it as the one before it of the same key."""
    services: Services = request.app.services
    if _KEY.fullmatch(key) is None:
        services.metrics.own.count_failure(Reason.IDEMPOTENCY_KEY)
        return error_reply(400, "Idempotency-Key must have 1 to 255 visible ASCII characters, without spaces")
    repeats = services.intake.ledger.repeats
    claim = Claim.of(request.scope["path"], key, body)
    try:
        known = await repeats.begin(claim, services.clock.now())
    except OtherBody:
        services.metrics.own.count_failure(Reason.IDEMPOTENCY_KEY)
        return error_reply(422, "this Idempotency-Key came with another body before: each batch needs a key of its own")
    if known is not None:
        return Response(known.body, known.status, {"Idempotent-Replayed": "true"}, "application/json")
    try:
        return await take(claim)
    finally:
        repeats.end(claim)


async def _taken(services: Services, read: Callable[[], SentRequest], claim: Claim | None, *, beside: bool) -> Response:
    intake = services.intake
    try:
        begun = await services.admission.run(partial(intake.begin, read, claim), beside=beside)
        answer = begun if isinstance(begun, Answer) else await intake.end(begun, claim)
    except Unwritable as unwritable:
        services.metrics.own.count_failure(Reason.NOT_WRITTEN)
        message = f"{unwritable}: nothing of this request was counted; send it again later"
        return error_reply(503, message, {"Retry-After": str(UNWRITABLE_RETRY_SECONDS)})
    for reason, count in answer.refused.items():
        services.metrics.own.count_failure(reason, count)
    return Answered(answer.body, answer.status)


def _status(error: DecodeError) -> int:
    if isinstance(error, TooLarge):
        return 413
    return 400 if isinstance(error, Malformed) else 415
