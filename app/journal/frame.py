"""How a segment is laid out: a header that says what came before it, then records, each with its length and checksum.

    header  8 bytes  magic
            2        format
            2        1 where records before this segment are known to be missing, else 0
            8        number of the segment
            8        number of the segment before, 0 where there is none
            8        how many bytes of that one count
            4        salt
            4        CRC-32 of the 40 bytes above
    record  4        length of the payload, at least 1
            4        CRC-32 of the length and the record's place in the segment, begun with the salt
            4        CRC-32 of the payload, begun with the one before
            length   payload

All numbers are little-endian. The salt and the place make sure that bytes of another file, or of another place in this
one, are not taken for a record; and zeros, which file systems leave at the end after a power cut, are none. The length
has a checksum of its own, or one that is damaged would read as a record that was cut short.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

FORMAT: Final = 1

_MAGIC: Final = b"EDXJRNL\n"
_HEADER: Final = struct.Struct("<8sHHQQQI")
_CHECK: Final = struct.Struct("<I")
_RECORD: Final = struct.Struct("<III")
_PLACE: Final = struct.Struct("<IQ")

HEADER_BYTES: Final = _HEADER.size + _CHECK.size
RECORD_HEAD_BYTES: Final = _RECORD.size
MAX_PAYLOAD_BYTES: Final = 256 * 1024 * 1024
"""Far above what a request of 32 MiB can make; a length above it is damage, and nothing is allocated for it."""


class Ended(NamedTuple):
    """A segment that nothing is added to any more."""

    number: int
    length: int
    """Bytes that count; what stands behind them was refused, or was never written whole."""


NOTHING: Final = Ended(0, 0)
"""What is before the first segment."""


class Header(NamedTuple):
    """What a segment says of itself."""

    number: int
    before: Ended
    gap: bool
    """Whether records before it are known to be missing."""
    salt: int


class Damaged(Exception):  # noqa: N818 - says what the bytes are
    """The bytes are not as they were written; `torn` where they may just as well never have been written whole."""

    def __init__(self, what: str, *, torn: bool = False) -> None:
        super().__init__(what)
        self.torn = torn


class Newer(Exception):  # noqa: N818
    """The segment is whole and of a newer version."""


def pack_header(header: Header) -> bytes:
    """A header as bytes."""
    head = _HEADER.pack(_MAGIC, FORMAT, header.gap, header.number, *header.before, header.salt)
    return head + _CHECK.pack(zlib.crc32(head))


def unpack_header(data: bytes) -> Header:
    """What the first `HEADER_BYTES` of a segment say.

    Raises:
        Damaged: they are no header.
        Newer: they are that of a newer version.
    """
    if len(data) < HEADER_BYTES:
        raise Damaged("no whole header", torn=True)
    head = data[: _HEADER.size]
    magic, written_by, gap, number, *before, salt = _HEADER.unpack(head)
    if _CHECK.unpack(data[_HEADER.size : HEADER_BYTES]) != (zlib.crc32(head),):
        raise Damaged("the checksum of its header does not fit")
    if magic != _MAGIC:
        raise Damaged("no segment of a journal")
    if written_by > FORMAT:
        raise Newer(f"it has format {written_by}, this version reads {FORMAT} and older")
    return Header(number, Ended(*before), bool(gap), salt)


def pack_records(payloads: Sequence[bytes], salt: int, place: int) -> bytes:
    """Records one after the other, the first at this place among those of its segment. Linear."""
    parts: list[bytes] = []
    for payload in payloads:
        checksum = _of_length(len(payload), salt, place)
        parts += (_RECORD.pack(len(payload), checksum, zlib.crc32(payload, checksum)), payload)
        place += 1
    return b"".join(parts)


class Head(NamedTuple):
    """What stands before a payload."""

    length: int
    length_checksum: int
    checksum: int


def unpack_head(data: bytes, salt: int, place: int) -> Head:
    """The head of the record at this place. Raises Damaged."""
    if len(data) < RECORD_HEAD_BYTES:
        raise Damaged("a record has no whole head", torn=True)
    head = Head(*_RECORD.unpack(data))
    if head.length_checksum != _of_length(head.length, salt, place) or not 0 < head.length <= MAX_PAYLOAD_BYTES:
        raise Damaged("the head of a record does not fit", torn=not any(data))
    return head


def fits(payload: bytes, head: Head) -> bool:
    """Whether a payload is as it was written."""
    return zlib.crc32(payload, head.length_checksum) == head.checksum


def _of_length(length: int, salt: int, place: int) -> int:
    return zlib.crc32(_PLACE.pack(length, place), salt)
