"""What is said to a request before its body is read: nothing, or that it should come again."""

from __future__ import annotations

import time
from collections.abc import Collection

from fastapi import Response

from app.api.admission import RETRY_AFTER_SECONDS, Admission, Overloaded
from app.api.reply import error_reply
from app.metrics import OwnMetrics


def overload_reply(overloaded: Overloaded) -> Response:
    """429 on a connection that stays: a sender who is at its body would else see a reset, and no reply."""
    return error_reply(429, overloaded.message, {"Retry-After": str(RETRY_AFTER_SECONDS)})


class Doorstep:
    """Turns requests to the `paths` of ingest away by their head while admission is full.

    Else its body would be read into memory, and a task made for it, only to be refused: at twice the capacity that
    took a tenth of it, and this takes a quarter of that. Who asks is not looked at: no password is computed for it.
    """

    def __init__(self, admission: Admission, own: OwnMetrics, paths: Collection[str]) -> None:
        self._admission = admission
        self._own = own
        self._paths = {path.encode(): path for path in paths}
        self._refusal = admission.overloaded()
        self._reply = overload_reply(self._refusal)

    def reply(self, method: bytes, target: bytes) -> Response | None:
        """What to answer by the head alone; None where the request is to be served."""
        begun = time.perf_counter()
        if not self._admission.full or method != b"POST":
            return None
        path = self._paths.get(target)
        if path is None:
            return None
        self._own.count_shed(self._refusal.shed)
        self._own.observe_request(path, self._reply.status_code, time.perf_counter() - begun)
        return self._reply
