"""How much one request, and one event, may carry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of what is decoded; past `events` and `inflated_bytes` the request is refused, else the event."""

    dimension: int = 8192
    top_k: int = 1000
    events: int = 1000
    inflated_bytes: int = 32 * 1024 * 1024
    label_bytes: int = 128
    future_seconds: float = 600.0
    """How far ahead of arrival a timestamp may lie before it is taken for a mistake."""
