"""Arrow streams like one that was read before: by the places of their numbers, without a call into pyarrow.

A sender's streams differ in numbers: how many rows, where the buffers lie, what is in them. The schema, the
dictionaries and all else of the metadata are the same bytes each time, and pyarrow has read and checked them once. A
stream with the same bytes in the same places is read here. Each number that may differ is checked, and what is not as
it should be is left to pyarrow, which says what is wrong with it: nothing is refused here. Reads are of bytes and by
numpy, within bounds whatever the numbers say.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, NamedTuple

from app.decode.arrow_buffers import Batch, layout
from app.decode.arrow_columns import Column, ColumnReader
from app.decode.arrow_message import END, BatchNumbers, Message, batch_numbers, is_little_endian
from app.decode.limits import Limits

MAX_KNOWN: Final = 16
"""Kinds of streams; a new one takes the place of the one that was learned first."""
MAX_HEAD_BYTES: Final = 8 * 1024
"""Of schema, dictionaries and the record batch's metadata, which are kept."""
MAX_SEEN: Final = 64
"""Streams that were learned from, or may be if one like them comes again."""

_number: Final = struct.Struct("<q").unpack_from

RecordBatch = Any
"""pyarrow's, whose one door is `app.decode.arrow`."""

Rows = tuple[int, dict[str, Column]]
"""How many there are, and the columns by field."""


class _Place(NamedTuple):
    """A column: its field, its own array, and how it is read."""

    name: str
    node: int
    read: Callable[[Batch], Column | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What all streams of one kind have in common."""

    head: int
    """The hash of what stands before the record batch."""
    most_rows: int
    fixed: tuple[tuple[int, bytes], ...]
    """All bytes up to the record batch's body but its numbers, with their places."""
    start: int
    """Where that body begins."""
    numbers: BatchNumbers
    """From the start of the stream."""
    nodes: struct.Struct
    buffers: struct.Struct
    columns: tuple[_Place, ...]

    def read(self, body: bytes) -> Rows | None:
        """The rows of a stream of this kind; None for any other, and where pyarrow should look."""
        for place, piece in self.fixed:
            if not body.startswith(piece, place):
                return None
        batch = self._batch(body) if len(body) >= self.start else None  # where a number is last no piece is
        if batch is None:
            return None
        for _, node, _ in self.columns:
            if not batch.is_whole(node, batch.rows):
                return None  # before any of them is read for nothing
        columns: dict[str, Column] = {}
        for name, _, read in self.columns:
            column = read(batch)
            if column is None:
                return None
            columns[name] = column
        return batch.rows, columns

    def _batch(self, body: bytes) -> Batch | None:
        """The record batch, if each buffer lies within it and nothing follows."""
        (rows,), (size,) = _number(body, self.numbers.rows), _number(body, self.numbers.body_length)
        end = self.start + size
        if not 0 < rows <= self.most_rows or size < 0 or (end != len(body) and not body.startswith(END, end)):
            return None
        buffers = list(self.buffers.unpack_from(body, self.numbers.buffers))
        for i in range(0, len(buffers), 2):
            offset, length = buffers[i], buffers[i + 1]
            if offset < 0 or length < 0 or offset % 8 or offset + length > size:
                return None
            buffers[i] += self.start
        return Batch(body, rows, self.nodes.unpack_from(body, self.numbers.nodes), buffers)


class KnownStreams:
    """The kinds of streams that were learned last; safe from any thread."""

    def __init__(self) -> None:
        self._known: tuple[Limits | None, tuple[_Known, ...]] = (None, ())
        """Under which limits the streams were taken that these were learned from; an exporter has one set of them."""
        self._learning = Lock()
        self._seen: dict[int, int] = {}
        """How often what stands before a record batch was offered, by its hash; the last one offered is last."""

    def __len__(self) -> int:
        return len(self._known[1])

    def read(self, body: bytes, limits: Limits) -> Rows | None:
        """The rows of a stream like one that was learned under these limits; None for any other."""
        under, kinds = self._known
        if limits is under:
            for known in kinds:
                if (found := known.read(body)) is not None:
                    return found
        return None

    def learn(
        self, body: bytes, messages: Sequence[Message], batch: RecordBatch, reader: ColumnReader, limits: Limits
    ) -> None:
        """Remember a stream that was taken, of this one record batch, whose columns `reader` has read.

        When it is offered for the second time, and then not again: it takes half as long as to read it, for nothing
        where each stream has dictionaries of its own, nulls or other columns. Not one that has a column of no field or
        of a layout that is not read here.
        """
        last = messages[-1]
        if last.start + len(last.metadata) > MAX_HEAD_BYTES:
            return
        head = hash(body[: last.start])
        with self._learning:
            if limits is not self._known[0]:
                self._known, self._seen = (limits, ()), {}
            times = self._seen.pop(head, 0) + 1
            self._seen[head] = times
            if len(self._seen) > MAX_SEEN:
                del self._seen[next(iter(self._seen))]
            _, others = self._known
            if times != 2 or any(each.head == head for each in others):  # also one that was forgotten as seen
                return
            known = _learned(body, messages, batch, reader, limits)
            if known is None:
                return
            for gone in others[MAX_KNOWN - 1 :]:
                self._seen.pop(gone.head, None)  # it may come again
            self._known = limits, (known, *others[: MAX_KNOWN - 1])


def _learned(
    body: bytes, messages: Sequence[Message], batch: RecordBatch, reader: ColumnReader, limits: Limits
) -> _Known | None:
    """What streams like this one have in common; None where they cannot be read here."""
    last, names = messages[-1], batch.schema.names
    if len(set(names)) < len(names) or not is_little_endian(messages[0].metadata):
        return None
    numbers = batch_numbers(last.metadata)
    columns, node, buffer = [], 0, 0
    for name, array in zip(names, batch.columns, strict=True):
        found = layout(name, array, node, buffer, reader)
        if found is None:
            return None
        columns.append(_Place(name, node, found.read))
        node, buffer = node + found.nodes, buffer + found.buffers
    if numbers is None or (numbers.node_count, numbers.buffer_count) != (node, buffer):
        return None
    numbers, start = numbers.after(last.start), last.start + len(last.metadata)
    fixed, place = [], 0
    for begin, end in [*numbers.spans(), (start, start)]:
        fixed.append((place, body[place:begin]))
        place = end
    return _Known(
        head=hash(body[: last.start]),
        most_rows=limits.events,
        fixed=tuple(fixed),
        start=start,
        numbers=numbers,
        nodes=struct.Struct(f"<{2 * node}q"),
        buffers=struct.Struct(f"<{2 * buffer}q"),
        columns=tuple(columns),
    )
