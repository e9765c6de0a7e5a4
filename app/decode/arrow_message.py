"""One look at the messages of an Arrow IPC stream: whether their buffers are compressed, and where their numbers are.

pyarrow would inflate buffers to whatever size they say, and tells nobody before. The metadata is a FlatBuffers table
(Message.fbs of the Arrow format, version 5): a table starts with the distance to its vtable, which has the place of
each field, 0 for one that is not there. Nothing here is verified: pyarrow does that before it reads a message, and of
what it accepts this says the same. What this cannot follow pyarrow is asked for.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final, NamedTuple

Buffer = bytes | memoryview

_HEADER_TYPE: Final = 1
_HEADER: Final = 2
_BODY_LENGTH: Final = 3
_CUSTOM_METADATA: Final = 4
_ENDIANNESS: Final = 0
_ROWS: Final = 0
_NODES: Final = 1
_BUFFERS: Final = 2
_DICTIONARY_BATCH: Final = 2
_RECORD_BATCH: Final = 3
_DICTIONARY_DATA: Final = 1
_COMPRESSION: Final = 3
_VARIADIC_COUNTS: Final = 4

_PAIR_BYTES: Final = 16
"""A node is the length and the nulls of an array, a buffer its offset and length: 64-bit integers."""

_uint8: Final = struct.Struct("<B").unpack_from
_uint16: Final = struct.Struct("<H").unpack_from
_uint32: Final = struct.Struct("<I").unpack_from
_int32: Final = struct.Struct("<i").unpack_from
_int64: Final = struct.Struct("<q").unpack_from
_frame: Final = struct.Struct("<II").unpack_from
_frame_bytes: Final = struct.Struct("<II").pack

_CONTINUATION: Final = 0xFFFFFFFF
"""Before the length of each metadata, since version 0.15 of the format."""

END: Final = _frame_bytes(_CONTINUATION, 0)
"""What ends a stream, before anything that nobody reads."""


class Message(NamedTuple):
    """The metadata of a message, and where in the stream it begins."""

    start: int
    metadata: memoryview


class BatchNumbers(NamedTuple):
    """Where in a record batch's message its numbers are: all of it that a schema does not settle."""

    rows: int
    body_length: int
    nodes: int
    """Of the first of them: length and nulls of each array."""
    buffers: int
    """Of the first of them: offset and length of each buffer."""
    node_count: int
    buffer_count: int

    def after(self, distance: int) -> BatchNumbers:
        """The same, counted from so many bytes before."""
        rows, body_length, nodes, buffers = (place + distance for place in self[:4])
        return BatchNumbers(rows, body_length, nodes, buffers, self.node_count, self.buffer_count)

    def spans(self) -> list[tuple[int, int]]:
        """From and to where each lies, in order."""
        sizes = (8, 8, _PAIR_BYTES * self.node_count, _PAIR_BYTES * self.buffer_count)
        return sorted((place, place + size) for place, size in zip(self[:4], sizes, strict=True))


def split(body: bytes, most: int) -> list[Message] | None:
    """The metadata of each message of a stream, of one more than `most` at most; None where they lie otherwise.

    Such as in streams of before 0.15, or cut short. Saves a second reader of pyarrow's, which costs as much as its
    first: to a request of few events mostly code that no cache has. Raises struct.error as `is_compressed` does.
    """
    whole = memoryview(body)
    found: list[Message] = []
    position = 0
    while position < len(body) and len(found) <= most:
        marker, size = _frame(whole, position)
        metadata = whole[position + 8 : position + 8 + size]
        if marker != _CONTINUATION or len(metadata) < size:
            return None
        if size == 0:
            return found  # the end of the stream; nobody reads what follows
        found.append(Message(position + 8, metadata))
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


def is_little_endian(schema: Buffer) -> bool:
    """Whether the numbers of a stream with this schema's message have the order of bytes that nearly all have."""
    data = memoryview(schema)
    header = _field(data, _table(data, 0), _HEADER)
    place = None if header is None else _field(data, _table(data, header), _ENDIANNESS)
    return header is not None and (place is None or _uint16(data, place)[0] == 0)


def batch_numbers(metadata: Buffer) -> BatchNumbers | None:
    """Where the numbers of a record batch's message lie, if they lie apart from all that leads to them.

    A message that is the same everywhere else is as valid a table, and has them in the same places. None for messages
    of other kinds, and for those that say more than rows, nodes and buffers, or less.
    """
    data = memoryview(metadata)
    message = _table(data, 0)
    version, kind, header, length = (_field(data, message, slot) for slot in range(_CUSTOM_METADATA))
    if version is None or kind is None or header is None or length is None:
        return None
    if _uint8(data, kind)[0] != _RECORD_BATCH or _field(data, message, _CUSTOM_METADATA) is not None:
        return None
    batch = _table(data, header)
    rows, nodes, buffers = (_field(data, batch, slot) for slot in range(_COMPRESSION))
    if rows is None or nodes is None or buffers is None:
        return None
    if any(_field(data, batch, slot) is not None for slot in (_COMPRESSION, _VARIADIC_COUNTS)):
        return None
    counts = _table(data, nodes), _table(data, buffers)
    many = [int(_uint32(data, place)[0]) for place in counts]
    found = BatchNumbers(rows, length, 4 + counts[0], 4 + counts[1], many[0], many[1])
    # These places are compared with each other once, when a kind of stream is learned.
    leading = [(version, 2), (kind, 1), *[(place, 4) for place in (0, header, nodes, buffers, *counts, message, batch)]]
    for table in (message, batch):
        vtable = table - _int32(data, table)[0]
        leading.append((vtable, _uint16(data, vtable)[0]))
    spans = found.spans()
    apart = all(end <= begin for (_, end), (begin, _) in pairwise(spans)) and spans[-1][1] <= len(data)
    alone = all(end <= place or place + size <= begin for begin, end in spans for place, size in leading)
    return found if apart and alone else None


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
