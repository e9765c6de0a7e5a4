"""Content encodings: undone piece by piece, so that a bomb costs no more than the cap."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from app.decode.errors import Malformed, TooLarge, UnsupportedMediaType

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_BYTES = 64 * 1024
STEP_BYTES = 256 * 1024
"""Of output at a time: a decompressor that may write more holds it twice while it grows."""

MAX_MEMBERS = 1024
"""Members or frames of one body. Each costs a decompressor and a copy of what follows it in its chunk."""

MAX_WINDOW_LOG = 23
"""8 MiB: what RFC 9659 allows for `Content-Encoding: zstd`."""


class Decompressor(Protocol):
    """What zlib and zstd have in common."""

    @property
    def eof(self) -> bool:
        """The member is complete."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came after the end of the member."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The next output, at most so many bytes of it."""
        ...


def _gzip() -> Decompressor:
    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)


def _zstd() -> Decompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG})


ENCODINGS: Mapping[str, Callable[[], Decompressor] | None] = {"gzip": _gzip, "identity": None, "zstd": _zstd}
"""Content encoding -> what undoes it."""


def inflate(content_encoding: str | None, body: bytes, limit_bytes: int) -> bytes:
    """The body without its content encoding, at most `limit_bytes` long.

    Several gzip members or zstd frames are joined. Linear in the bytes that go in and come out. Holds what it returns
    twice, and of a body that is larger than the limit the limit once, beside a window of at most 8 MiB.
    Raises `UnsupportedMediaType`, `TooLarge`, or `Malformed` (not in that encoding, or cut short).

    >>> inflate("gzip", zlib.compress(b"[]", wbits=31), limit_bytes=100)
    b'[]'
    """
    name = "identity" if content_encoding is None else content_encoding.strip().lower() or "identity"
    if name not in ENCODINGS:
        raise UnsupportedMediaType(f"unsupported content encoding; one of {', '.join(sorted(ENCODINGS))}")
    make = ENCODINGS[name]
    if make is None:
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    try:
        return _inflate(make, body, limit_bytes)
    except (zlib.error, zstd.ZstdError):
        hint = f", or its window is larger than {1 << MAX_WINDOW_LOG - 20} MiB" if name == "zstd" else ""
        raise Malformed(f"the body is not valid {name}{hint}") from None


def _inflate(make: Callable[[], Decompressor], body: bytes, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    members = 1
    decompressor = make()
    for start in range(0, len(body), CHUNK_BYTES):
        data = body[start : start + CHUNK_BYTES]
        while data:
            if decompressor.eof:
                members += 1
                if members > MAX_MEMBERS:
                    raise Malformed(f"the body has more than {MAX_MEMBERS} compressed members; send it as one")
                decompressor = make()
            for piece in _steps(decompressor, data):
                size += len(piece)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                pieces.append(piece)
            data = decompressor.unused_data
    if not decompressor.eof:
        raise Malformed("the compressed body is cut short")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _steps(decompressor: Decompressor, data: bytes) -> Iterator[bytes]:
    """What the data becomes, piece by piece; to the end of the member at most."""
    while True:
        piece = decompressor.decompress(data, STEP_BYTES)
        yield piece
        # zlib hands back what it has not read, zstd keeps it.
        data = getattr(decompressor, "unconsumed_tail", b"")
        if decompressor.eof or (len(piece) < STEP_BYTES and not data):
            return


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit_bytes} bytes (inflated); send fewer events a request")
