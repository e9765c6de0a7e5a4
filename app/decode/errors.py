"""Why a request body, or one event of it, cannot be taken. No message ever holds a part of the input."""

# ruff: noqa: N818 - named for what is wrong with the request

from __future__ import annotations

from typing import ClassVar

from app.model import EventError, Reason


class DecodeError(Exception):
    """A request body refused as a whole: the only kind of exception that `decode` raises."""

    reason: ClassVar[Reason]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Malformed(DecodeError):
    """The body is not what its headers say (400)."""

    reason = Reason.MALFORMED


class UnsupportedMediaType(DecodeError):
    """No decoder for the content type or the content encoding (415)."""

    reason = Reason.MEDIA_TYPE


class TooLarge(DecodeError):
    """More events, or more inflated bytes, than one request may carry (413)."""

    reason = Reason.TOO_LARGE


class Refused(Exception):
    """One event cannot be taken: which field, why, and what would be right. Never leaves the package."""

    def __init__(self, field: str, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason
        self.message = message

    def at(self, index: int) -> EventError:
        """The error of the event at this position of the request."""
        return EventError(index, self.field, self.reason, self.message)
