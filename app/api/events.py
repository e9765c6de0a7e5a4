"""POST /v1/events: bytes in, counted."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.body import BodyRefused, header
from app.api.reply import error_reply, json_reply
from app.api.services import Services
from app.decode import DecodeError, Malformed, TooLarge, decode
from app.model import EventError, Receipt
from app.outcomes import take_queries

MAX_ERRORS_TOLD = 10

OFF_LOOP_BYTES = 2 * 1024 * 1024
"""A larger body takes more than some three milliseconds: decoded beside the loop, so that scrapes and probes go on.

Not a smaller one: handing a body of a megabyte to a thread and back cost 6 % of its request."""


async def post_events(request: Request) -> Response:
    """Take sampled query and document events; see the request body's schema for the fields.

    202 says how many were accepted, rejected, duplicates and late, with the first ten errors; good events beside bad
    ones are kept. 422 when nothing was acceptable, 400 for a malformed body, 408 too slow, 413 too large, 415 for an
    unknown content type.
    """
    services: Services = request.app.state.services
    try:
        body = await services.bodies.read(request, services.max_body_bytes)
    except BodyRefused as refused:
        services.metrics.own.count_failure(refused.reason)
        return error_reply(refused.status_code, refused.message, {"Connection": "close"})
    content_type = header(request, b"content-type")
    content_encoding = header(request, b"content-encoding")
    try:
        if len(body) > OFF_LOOP_BYTES or content_encoding:
            receipt = await run_in_threadpool(_take, services, content_type, content_encoding, body)
        else:
            receipt = _take(services, content_type, content_encoding, body)
    except DecodeError as error:
        services.metrics.own.count_failure(error.reason)
        return error_reply(_status(error), error.message)
    return _reply(services, receipt)


def _take(services: Services, content_type: str | None, content_encoding: str | None, body: bytes) -> Receipt:
    now = services.clock.now()
    decoded = decode(content_type, content_encoding, body, services.limits, now)
    decoded.batch.withdrawn = services.lifecycle.withdrawn_results(decoded.batch)
    receipt = services.store.append(decoded.batch, now)
    for taken in receipt.taken:
        take_queries(services.outcomes, taken, services.limits.input_key, now)
    if decoded.errors:
        # In the order of the request: the store finds some later than the decoder.
        receipt.errors = sorted([*decoded.errors, *receipt.errors], key=attrgetter("index"))
    return receipt


def _status(error: DecodeError) -> int:
    if isinstance(error, TooLarge):
        return 413
    return 400 if isinstance(error, Malformed) else 415


def _reply(services: Services, receipt: Receipt) -> Response:
    errors = receipt.errors
    if errors:
        for reason, count in Counter(error.reason for error in errors).items():
            services.metrics.own.count_failure(reason, count)
    nothing = bool(errors) and not (receipt.accepted or receipt.duplicates or receipt.late)
    content = {
        "accepted": receipt.accepted,
        "rejected": len(errors),
        "duplicates": receipt.duplicates,
        "late": receipt.late,
        "errors": [_told(error) for error in errors[:MAX_ERRORS_TOLD]],
    }
    return json_reply(content, 422 if nothing else 202)


def _told(error: EventError) -> dict[str, str | int]:
    return {"index": error.index, "field": error.field, "reason": error.message}
