"""Getting a batch to the exporter: what is tried again, when, and what became of the events."""

from __future__ import annotations

import http.client
import json
import random
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from embedding_drift_client.log import RateLimitedLog
from embedding_drift_client.route import ROUTES, Route
from embedding_drift_client.transport import Reply, Transport

RETRYABLE = frozenset({408, 429, 502, 503, 504})
MAX_ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0
MAX_RETRY_AFTER_SECONDS = 60.0


class Delivery:
    """Posts batches to one route, all with the same `defaults` (a JSON object), and retries what may be retried.

    `pause(seconds)` waits that long and returns whether there is time for another attempt.
    """

    def __init__(
        self,
        transport: Transport,
        route: Route,
        defaults: bytes,
        *,
        pause: Callable[[float], bool],
        log: RateLimitedLog,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._transport = transport
        self._route = route
        self._head = (b"{" if defaults == b"{}" else defaults[:-1] + b",") + b'"events":['
        self._pause = pause
        self._log = log
        self._uniform = uniform

    def deliver(self, events: Sequence[bytes]) -> Counter[str]:
        """Send encoded events and count what became of each: accepted, duplicates, late, unmatched, rejected or failed.

        `retried` counts the requests made again.
        """
        body = self._head + b",".join(events) + b"]}"
        # The same for every attempt: whatever became of the one before, the batch counts once.
        key = secrets.token_hex(16)
        counts = Counter[str]()
        reply = self._attempt(body, key)
        for attempt in range(1, MAX_ATTEMPTS):
            if reply is not None and reply.status not in RETRYABLE:
                break
            if not self._pause(self._pause_seconds(attempt, reply)):
                break
            counts["retried"] += 1
            reply = self._attempt(body, key)
        if reply is not None and reply.status == 413 and len(events) > 1:
            half = len(events) // 2
            return counts + self.deliver(events[:half]) + self.deliver(events[half:])
        return counts + self._settle(reply, len(events))

    def _attempt(self, body: bytes, key: str) -> Reply | None:
        try:
            return self._transport.post(self._route, body, key)
        except (OSError, http.client.HTTPException) as problem:
            self._log.warning("connection", "no reply from the exporter: %s", type(problem).__name__)
            return None

    def _pause_seconds(self, attempt: int, reply: Reply | None) -> float:
        # Full jitter (Brooker, "Exponential Backoff and Jitter"): who failed together must not return together.
        pause = self._uniform(0.0, min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1)))
        if reply is None:
            return pause
        return min(reply.retry_after_seconds, MAX_RETRY_AFTER_SECONDS) + pause

    def _settle(self, reply: Reply | None, sent: int) -> Counter[str]:
        if reply is None or reply.status >= 500 or reply.status in RETRYABLE:
            self._log.warning(f"failed {self._route}", "gave up a batch of %d %s", sent, ROUTES[self._route])
            return Counter(failed=sent)
        answer = _answer(reply.body)
        counts = _shares(answer, sent) if 200 <= reply.status < 300 else Counter(rejected=sent)
        if counts["rejected"]:
            self._log.warning(
                f"rejected {self._route}",
                "the exporter rejected %d of %d %s with status %d%s",
                counts["rejected"],
                sent,
                ROUTES[self._route],
                reply.status,
                _first_error(answer),
            )
        return counts


def _answer(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _shares(answer: dict[str, Any], sent: int) -> Counter[str]:
    """The counts of a reply; whatever it says, they add up to what was sent."""
    counts = Counter[str]()
    left = sent
    for name in ("rejected", "duplicates", "late", "unmatched"):
        counts[name] = min(left, _count(answer.get(name)))
        left -= counts[name]
    counts["accepted"] = left
    return counts


def _count(value: Any) -> int:  # noqa: ANN401 (anything that JSON can hold)
    return value if isinstance(value, int) and value > 0 else 0


def _first_error(answer: dict[str, Any]) -> str:
    errors = answer.get("errors")
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], dict):
        return ""
    field, reason = errors[0].get("field"), errors[0].get("reason")
    # %r and a bound: a reply must not write lines of its own into the caller's log
    return f"; the first: field {str(field)[:100]!r}, {str(reason)[:200]!r}"
