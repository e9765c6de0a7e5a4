"""Request bodies to columns: what every sender may get wrong is found here, counted by reason and never echoed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from app.decode import arrow
from app.decode.arrow import decode_arrow
from app.decode.encoding import ENCODINGS, inflate
from app.decode.errors import DecodeError, Malformed, TooLarge, UnsupportedMediaType
from app.decode.json_document import decode_document
from app.decode.json_lines import decode_lines
from app.decode.limits import Limits
from app.decode.packed import decode_packed
from app.model import Decoded

__all__ = [
    "DECODERS",
    "ENCODINGS",
    "DecodeError",
    "Decoder",
    "Limits",
    "Malformed",
    "TooLarge",
    "UnsupportedMediaType",
    "at_hand",
    "decode",
]

ARROW: Final = "application/vnd.apache.arrow.stream"

Decoder = Callable[[bytes, Limits, float], Decoded]
"""A body without its content encoding, the limits, and the time of arrival (unix seconds)."""

DECODERS: Mapping[str, Decoder] = {
    "application/json": decode_document,
    "application/x-ndjson": decode_lines,
    "application/msgpack": decode_packed,
} | ({ARROW: decode_arrow} if arrow.AVAILABLE else {})
"""Media type -> decoder."""

EXTRAS: Mapping[str, str] = {ARROW: "arrow"}
"""Media type -> the extra that its decoder needs."""


def decode(content_type: str | None, content_encoding: str | None, body: bytes, limits: Limits, now: float) -> Decoded:
    """The events of a request body: acceptable ones as columns, the others as errors with their position.

    Raises a `DecodeError` where nothing of the body can be taken, and nothing else, whatever the bytes:
    `UnsupportedMediaType`, `TooLarge` or `Malformed`. Linear in the inflated size; safe from any thread.

    >>> decoded = decode("application/json", None, b'[{"model": "e5", "norm": 1.5}, {"norm": 2}]', Limits(), now=0.0)
    >>> decoded.batch.norm.tolist(), decoded.errors[0].message
    ([1.5], 'model is required: the name of the embedding model')
    """
    decoder = _decoder(content_type)
    if decoder is None:
        raise UnsupportedMediaType(_unsupported())
    return decoder(inflate(content_encoding, body, limits.inflated_bytes), limits, now)


def at_hand(content_type: str | None) -> bool:
    """Whether decoding can begin at once: False where a library is still to be imported, which would hold up a loop."""
    return _decoder(content_type) is not decode_arrow or arrow.at_hand()


def _unsupported() -> str:
    message = f"unsupported content type; one of {', '.join(sorted(DECODERS))}"
    for media_type in sorted(EXTRAS.keys() - DECODERS.keys()):
        message += f"; for {media_type} install embedding-drift-exporter[{EXTRAS[media_type]}]"
    return message


@lru_cache(maxsize=64)
def _decoder(content_type: str | None) -> Decoder | None:
    return DECODERS.get((content_type or "").partition(";")[0].strip().lower())
