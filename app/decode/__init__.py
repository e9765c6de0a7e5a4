"""Request bodies to columns: what every sender may get wrong is found here, counted by reason and never echoed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from app.decode.encoding import ENCODINGS, inflate
from app.decode.errors import DecodeError, Malformed, TooLarge, UnsupportedMediaType
from app.decode.json_document import decode_document
from app.decode.json_lines import decode_lines
from app.decode.limits import Limits
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
    "decode",
]

Decoder = Callable[[bytes, Limits, float], Decoded]
"""A body without its content encoding, the limits, and the time of arrival (unix seconds)."""

DECODERS: Mapping[str, Decoder] = {
    "application/json": decode_document,
    "application/x-ndjson": decode_lines,
}
"""Media type -> decoder."""


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
        raise UnsupportedMediaType(f"unsupported content type; one of {', '.join(sorted(DECODERS))}")
    return decoder(inflate(content_encoding, body, limits.inflated_bytes), limits, now)


@lru_cache(maxsize=64)
def _decoder(content_type: str | None) -> Decoder | None:
    return DECODERS.get((content_type or "").partition(";")[0].strip().lower())
