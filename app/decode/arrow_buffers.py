"""Columns of an Arrow record batch from its buffers, where the places of those are known: without pyarrow.

A reader says what `ColumnReader` says of the same column, or None: of columns with nulls, of lengths that do not fit,
of indices and offsets that lead nowhere, and of texts that are none. pyarrow has a word for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.decode.arrow_columns import UNITS_A_SECOND, Column, ColumnReader, kept
from app.decode.arrow_dictionaries import Array
from app.decode.event import IN_BYTES, RULES
from app.decode.number_rows import NumberRows, ragged

TOLD: Final = frozenset(("model", "model_version", "tokenizer_version", "kind", "space", "similarity_metric", "error"))
"""Fields whose texts a scrape has as labels, or none but known words."""

_INT32: Final = np.dtype("<i4")
_INT64: Final = np.dtype("<i8")


class Batch(NamedTuple):
    """A record batch, every buffer of which lies within the body of its stream."""

    body: bytes
    rows: int
    nodes: Sequence[int]
    """Length and nulls of each array, depth first."""
    buffers: Sequence[int]
    """Where in `body` each buffer begins, and how many bytes it has."""

    def is_whole(self, node: int, length: int) -> bool:
        """Whether the array has this length and no null."""
        return self.nodes[2 * node] == length and self.nodes[2 * node + 1] == 0

    def numbers(self, buffer: int, kind: np.dtype[Any], count: int) -> NDArray[Any] | None:
        """The first numbers of a buffer; None where it has fewer."""
        if self.buffers[2 * buffer + 1] < count * kind.itemsize:
            return None
        return np.frombuffer(self.body, kind, count, self.buffers[2 * buffer])


class Layout(NamedTuple):
    """How a column whose own array is whole is read, and of how many arrays and of how many buffers it is made."""

    read: Callable[[Batch], Column | None]
    nodes: int
    buffers: int


def layout(name: str, array: Array, node: int, buffer: int, reader: ColumnReader) -> Layout | None:
    """That of a field's column whose first array and buffer are these; None for one that is not read here.

    Of dictionaries are read those whose texts are told anyhow: a stream's are kept, and no id may outlive its request.
    `reader` has read the column before, and with it the dictionary.
    """
    kind, types = array.type, reader.types
    if name not in RULES:
        found = None
    elif kind.id in types.lists:
        found = _lists(name, kind, node + 1, buffer, reader)
    elif kind.id == types.dictionary and kind.value_type.id in types.texts and name in TOLD:
        found = Layout(_Entries(buffer + 1, _dtype(kind.index_type), reader.entries(array)), 1, 2)
    elif kind.id in types.numbers:
        found = Layout(_Numbers(buffer + 1, _dtype(kind)), 1, 2)
    elif kind.id == types.instant:
        found = Layout(_Instants(buffer + 1, UNITS_A_SECOND[kind.unit]), 1, 2)
    elif kind.id == types.text:
        found = Layout(_Texts(buffer + 1), 1, 3)
    else:
        found = None
    return found


def _lists(name: str, kind: Any, items: int, buffer: int, reader: ColumnReader) -> Layout | None:  # noqa: ANN401
    """That of a column of lists of this type of pyarrow's, whose items are this array."""
    types, of = reader.types, kind.value_type
    numbers = name in IN_BYTES and of.id in types.numbers
    if kind.id == types.fixed_list and kind.list_size and numbers:
        return Layout(_Rows(name, items, buffer + 2, _dtype(of), kind.list_size), 2, 3)
    if kind.id == types.plain_list and numbers:
        return Layout(_RowsOfAnyLength(name, items, buffer + 1, buffer + 3, _dtype(of)), 2, 4)
    if kind.id == types.plain_list and of.id == types.text:
        return Layout(_ListsOfTexts(items, buffer + 1, buffer + 3, reader.most), 2, 5)
    return None


def _dtype(kind: Any) -> np.dtype[Any]:  # noqa: ANN401 - a type of pyarrow's
    found: np.dtype[Any] = np.dtype(kind.to_pandas_dtype()).newbyteorder("<")
    return found


def _bounds(batch: Batch, offsets: int, count: int, size: int) -> list[int] | None:
    """Where each of so many begins, and the last one ends; None where not one after the other and within the size."""
    found = batch.numbers(offsets, _INT32, count + 1)
    if found is None or np.count_nonzero(found[1:] < found[:-1]):
        return None
    bounds: list[int] = found.tolist()
    return bounds if bounds[0] >= 0 and bounds[-1] <= size else None


def _texts(batch: Batch, offsets: int, count: int) -> list[str] | None:
    """The texts of an array whose offsets are this buffer, and whose bytes are the next."""
    start, size = batch.buffers[2 * offsets + 2 : 2 * offsets + 4]
    bounds = _bounds(batch, offsets, count, size)
    if bounds is None:
        return None
    data = batch.body[start : start + bounds[-1]]
    try:
        if data.isascii():
            text = data.decode("ascii")
            return [text[a:b] for a, b in pairwise(bounds)]
        return [data[a:b].decode() for a, b in pairwise(bounds)]
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class _Rows:
    """Lists of one length of numbers."""

    name: str
    items: int
    values: int
    kind: np.dtype[Any]
    width: int

    def __call__(self, batch: Batch) -> Column | None:
        count = batch.rows * self.width
        values = batch.numbers(self.values, self.kind, count)
        if values is None or not batch.is_whole(self.items, count):
            return None
        return NumberRows(ragged(kept(self.name, values, len(batch.body)), [self.width] * batch.rows), None)


@dataclass(frozen=True, slots=True)
class _RowsOfAnyLength:
    name: str
    items: int
    offsets: int
    values: int
    kind: np.dtype[Any]

    def __call__(self, batch: Batch) -> Column | None:
        count = batch.nodes[2 * self.items]
        bounds = _bounds(batch, self.offsets, batch.rows, count)
        if bounds is None or not batch.is_whole(self.items, count):
            return None
        values = batch.numbers(self.values, self.kind, count)
        if values is None:
            return None
        shown = kept(self.name, values[bounds[0] : bounds[-1]], len(batch.body))
        return NumberRows(ragged(shown, [b - a for a, b in pairwise(bounds)]), None)


@dataclass(frozen=True, slots=True)
class _ListsOfTexts:
    items: int
    offsets: int
    texts: int
    """Their offsets."""
    most: int
    """Texts that are made at most."""

    def __call__(self, batch: Batch) -> Column | None:
        count = batch.nodes[2 * self.items]
        bounds = _bounds(batch, self.offsets, batch.rows, count)
        if bounds is None or count > self.most or not batch.is_whole(self.items, count):
            return None
        texts = _texts(batch, self.texts, count)
        return None if texts is None else [texts[a:b] for a, b in pairwise(bounds)]


@dataclass(frozen=True, slots=True)
class _Entries:
    """Indices of the entries of a dictionary."""

    indices: int
    kind: np.dtype[Any]
    entries: list[Any]

    def __call__(self, batch: Batch) -> Column | None:
        indices = batch.numbers(self.indices, self.kind, batch.rows)
        if indices is None:
            return None
        if len(self.entries) == 1:
            return None if np.count_nonzero(indices) else self.entries * batch.rows
        listed = indices.tolist()
        if min(listed) < 0 or max(listed) >= len(self.entries):
            return None
        return [self.entries[index] for index in listed]


@dataclass(frozen=True, slots=True)
class _Numbers:
    values: int
    kind: np.dtype[Any]

    def __call__(self, batch: Batch) -> Column | None:
        values = batch.numbers(self.values, self.kind, batch.rows)
        return None if values is None else values.tolist()


@dataclass(frozen=True, slots=True)
class _Instants:
    values: int
    units: float

    def __call__(self, batch: Batch) -> Column | None:
        values = batch.numbers(self.values, _INT64, batch.rows)
        return None if values is None else [value / self.units for value in values.tolist()]


@dataclass(frozen=True, slots=True)
class _Texts:
    offsets: int

    def __call__(self, batch: Batch) -> Column | None:
        return _texts(batch, self.offsets, batch.rows)
