"""POST /v1/events: bytes in, counted."""

from __future__ import annotations

from functools import partial

import numpy as np
from fastapi import Request, Response

from app.api.intake import intake
from app.api.services import Services
from app.decode import decode
from app.intake import SentEvents


async def post_events(request: Request) -> Response:
    """Take sampled query and document events; see the request body's schema for the fields.

    202 says how many were accepted, rejected, duplicates and late, with the first ten errors; good events beside bad
    ones are kept. 422 when nothing was acceptable, 400 for a malformed body, 408 too slow, 413 too large, 415 for an
    unknown content type.
    """
    return await intake(request, partial(_read, request.app.services))


def _read(services: Services, content_type: str | None, content_encoding: str | None, body: bytes) -> SentEvents:
    now, offset = services.clock.reading()
    decoded = decode(content_type, content_encoding, body, services.limits, now + offset)
    if offset:
        decoded.batch.timestamp = np.minimum(decoded.batch.timestamp - offset, now)
    decoded.batch.withdrawn = services.lifecycle.withdrawn_results(decoded.batch)
    return SentEvents(decoded.batch, decoded.errors, now)
