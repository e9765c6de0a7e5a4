"""One look at the messages of an Arrow IPC stream before pyarrow reads them: whether their buffers are compressed.

pyarrow would inflate buffers to whatever size they say, and tells nobody before. The metadata is a FlatBuffers table
(Message.fbs of the Arrow format, version 5): a table starts with the distance to its vtable, which has the place of
each field, 0 for one that is not there. Nothing here is verified: pyarrow does that before it reads a message, and of
what it accepts this says the same. What this cannot follow pyarrow is asked for.
"""

from __future__ import annotations

import struct
from typing import Final

Buffer = bytes | memoryview

_HEADER_TYPE: Final = 1
_HEADER: Final = 2
_BODY_LENGTH: Final = 3
_DICTIONARY_BATCH: Final = 2
_RECORD_BATCH: Final = 3
_DICTIONARY_DATA: Final = 1
_COMPRESSION: Final = 3

_uint8: Final = struct.Struct("<B").unpack_from
_uint16: Final = struct.Struct("<H").unpack_from
_uint32: Final = struct.Struct("<I").unpack_from
_int32: Final = struct.Struct("<i").unpack_from
_int64: Final = struct.Struct("<q").unpack_from
_frame: Final = struct.Struct("<II").unpack_from

_CONTINUATION: Final = 0xFFFFFFFF
"""Before the length of each metadata, since version 0.15 of the format."""


def split(body: bytes, most: int) -> list[memoryview] | None:
    """The metadata of each message of a stream, of one more than `most` at most; None where they lie otherwise.

    Such as in streams of before 0.15, or cut short. Saves a second reader of pyarrow's, which costs as much as its
    first: to a request of few events mostly code that no cache has. Raises struct.error as `is_compressed` does.
    """
    whole = memoryview(body)
    found: list[memoryview] = []
    position = 0
    while position < len(body) and len(found) <= most:
        marker, size = _frame(whole, position)
        metadata = whole[position + 8 : position + 8 + size]
        if marker != _CONTINUATION or len(metadata) < size:
            return None
        if size == 0:
            return found  # the end of the stream; nobody reads what follows
        found.append(metadata)
        place = _field(metadata, _table(metadata, 0), _BODY_LENGTH)
        length = 0 if place is None else int(_int64(metadata, place)[0])
        if length < 0:
            return None
        position += 8 + size + length
    return found if position <= len(body) else None


def is_compressed(metadata: Buffer) -> bool:
    """Whether a record batch, or the dictionary's, says that its buffers are compressed; constant time.

    False for messages of another kind, or without a header. Raises struct.error for places outside of the bytes.
    """
    data = memoryview(metadata)
    message = _table(data, 0)
    kind, header = _field(data, message, _HEADER_TYPE), _field(data, message, _HEADER)
    if kind is None or header is None:
        return False
    (number,) = _uint8(data, kind)
    if number not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return False
    batch = _table(data, header)
    if number == _DICTIONARY_BATCH:
        inner = _field(data, batch, _DICTIONARY_DATA)
        if inner is None:
            return False
        batch = _table(data, inner)
    return _field(data, batch, _COMPRESSION) is not None


def _table(data: memoryview, position: int) -> int:
    """Where the table begins that the offset at this position leads to."""
    return position + int(_uint32(data, position)[0])


def _field(data: memoryview, table: int, slot: int) -> int | None:
    """Where the field of this number is; None where the table has none."""
    vtable = table - int(_int32(data, table)[0])
    (size,) = _uint16(data, vtable)
    entry = 4 + 2 * slot
    if entry + 2 > size:
        return None
    (distance,) = _uint16(data, vtable + entry)
    return table + int(distance) if distance else None
