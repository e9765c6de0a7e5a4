"""What a sender is told of a request's entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, Self

import msgspec

from app.model import EventError, Reason, Receipt

MAX_ERRORS_TOLD: Final = 10

_encode = msgspec.json.Encoder().encode

_NOTHING: Final[Mapping[Reason, int]] = {}


class Answer(NamedTuple):
    """A reply: 202, or 422 when nothing was acceptable."""

    status: int
    body: bytes
    """JSON."""
    refused: Mapping[Reason, int]
    """How many entries, by reason; none where the answer was given before."""

    @classmethod
    def to(cls, counts: Mapping[str, int], errors: Sequence[EventError]) -> Self:
        """Of counts by their name in the reply, and of what was refused. Never holds any part of the input.

        >>> Answer.to({"accepted": 1, "duplicates": 0}, ())
        Answer(status=202, body=b'{"accepted":1,"duplicates":0,"rejected":0,"errors":[]}', refused={})
        """
        if not errors:
            return cls(202, _encode({**counts, "rejected": 0, "errors": ()}), _NOTHING)
        nothing = not any(counts.values())
        content = {
            **counts,
            "rejected": len(errors),
            "errors": [
                {"index": error.index, "field": error.field, "reason": error.message}
                for error in errors[:MAX_ERRORS_TOLD]
            ],
        }
        return cls(422 if nothing else 202, _encode(content), Counter(error.reason for error in errors))

    @classmethod
    def of(cls, receipt: Receipt, refused: Sequence[EventError]) -> Self:
        """Of what a store made of a batch, and of what the decoder had refused of it before."""
        counts = {"accepted": receipt.accepted, "duplicates": receipt.duplicates, "late": receipt.late}
        if not refused:
            return cls.to(counts, receipt.errors)
        # In the order of the request: some errors are found later than the decoder's.
        return cls.to(counts, sorted([*refused, *receipt.errors], key=attrgetter("index")))
