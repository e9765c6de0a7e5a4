"""One look into the metadata of an Arrow IPC message: whether its buffers are compressed.

pyarrow would inflate them to whatever size they say, and tells nobody before. The metadata is a FlatBuffers table
(Message.fbs of the Arrow format, version 5): a table starts with the distance to its vtable, which has the place of
each field, 0 for one that is not there.
"""

from __future__ import annotations

import struct
from typing import Final

Buffer = bytes | memoryview

_HEADER_TYPE: Final = 1
_HEADER: Final = 2
_DICTIONARY_BATCH: Final = 2
_RECORD_BATCH: Final = 3
_DICTIONARY_DATA: Final = 1
_COMPRESSION: Final = 3


def is_compressed(metadata: Buffer) -> bool:
    """Whether a record batch, or the dictionary's, says that its buffers are compressed; constant time.

    False for messages of another kind, or without a header. Raises struct.error for places outside of the bytes.
    """
    data = memoryview(metadata)
    message = _table(data, 0)
    kind, header = _field(data, message, _HEADER_TYPE), _field(data, message, _HEADER)
    if kind is None or header is None:
        return False
    batch: int | None = _table(data, header)
    (number,) = struct.unpack_from("<B", data, kind)
    if number == _DICTIONARY_BATCH:
        inner = _field(data, _table(data, header), _DICTIONARY_DATA)
        batch = None if inner is None else _table(data, inner)
    elif number != _RECORD_BATCH:
        return False
    return batch is not None and _field(data, batch, _COMPRESSION) is not None


def _table(data: memoryview, position: int) -> int:
    """Where the table begins that the offset at this position leads to."""
    return position + int(struct.unpack_from("<I", data, position)[0])


def _field(data: memoryview, table: int, slot: int) -> int | None:
    """Where the field of this number is; None where the table has none."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    (size,) = struct.unpack_from("<H", data, vtable)
    entry = 4 + 2 * slot
    if entry + 2 > size:
        return None
    (distance,) = struct.unpack_from("<H", data, vtable + entry)
    return table + int(distance) if distance else None
