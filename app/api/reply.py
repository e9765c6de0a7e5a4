"""JSON replies. An error says what was wrong and what would be right, and never echoes the input."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from fastapi import Response

_encode = msgspec.json.Encoder().encode


def json_reply(content: object, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A reply in JSON."""
    return Response(_encode(content), status_code, headers, "application/json")


def error_reply(status_code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A reply that refuses: `{"error": message}`."""
    return json_reply({"error": message}, status_code, headers)
