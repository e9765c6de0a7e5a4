"""What one request, and one event, may carry."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of what is decoded; past `events` and `inflated_bytes` the request is refused, else the event.

    Beside them what is kept of the names that a sender may make up: which labels, and under which key an input.
    """

    dimension: int = 8192
    top_k: int = 1000
    events: int = 1000
    inflated_bytes: int = 32 * 1024 * 1024
    label_bytes: int = 128
    future_seconds: float = 600.0
    """How far ahead of arrival a timestamp may lie before it is taken for a mistake."""
    slice_labels: frozenset[str] = frozenset()
    """The names of labels that are kept."""
    input_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """The secret that input hashes are hashed with, at most 64 bytes; another one for each `Limits` unless given."""
