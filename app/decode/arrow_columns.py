"""Columns of an Arrow record batch as what a decoder hands on: lists of plain values, and numbers that stay numbers.

What is read here has been validated in full. A column of views, runs or nothing is not read: it can stand for more
values than a machine holds.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, pairwise
from types import ModuleType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.decode.arrow_dictionaries import Array, Dictionaries
from app.decode.errors import TooLarge
from app.decode.event import IN_BYTES
from app.decode.number_rows import NumberRows, ragged
from app.model import Floats

_MOSTLY: Final = 0.8
"""Vectors that are this share of the body stay in it; a copy of them costs more than what else is kept is worth."""

Column = list[Any] | NumberRows

UNITS_A_SECOND: Final = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""Of Arrow's moments."""

_UNFIT: Final = object()
"""Stands for a value of a type that no field has: its field's rule refuses it."""


class ColumnTypes(NamedTuple):
    """Ids of the layouts that are read."""

    nothing: int
    numbers: frozenset[int]
    plain: frozenset[int]
    """Of one value a row that is in the body itself, and needs no more than to be listed."""
    texts: frozenset[int]
    text: int
    """Its offsets have 32 bits."""
    instant: int
    dictionary: int
    lists: frozenset[int]
    plain_list: int
    """Its offsets have 32 bits."""
    large_list: int
    """Its offsets have 64 bits."""
    fixed_list: int
    float32: int
    map: int
    struct: int


@lru_cache(maxsize=1)
def _types(lib: ModuleType) -> ColumnTypes:
    integers = {getattr(lib, f"Type_{sign}INT{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)}
    numbers = frozenset({*integers, lib.Type_HALF_FLOAT, lib.Type_FLOAT, lib.Type_DOUBLE})
    return ColumnTypes(
        nothing=lib.Type_NA,
        numbers=numbers,
        plain=numbers | {lib.Type_BOOL, lib.Type_BINARY, lib.Type_LARGE_BINARY, lib.Type_FIXED_SIZE_BINARY},
        texts=frozenset({lib.Type_STRING, lib.Type_LARGE_STRING}),
        text=lib.Type_STRING,
        instant=lib.Type_TIMESTAMP,
        dictionary=lib.Type_DICTIONARY,
        lists=frozenset({lib.Type_LIST, lib.Type_LARGE_LIST, lib.Type_FIXED_SIZE_LIST}),
        plain_list=lib.Type_LIST,
        large_list=lib.Type_LARGE_LIST,
        fixed_list=lib.Type_FIXED_SIZE_LIST,
        float32=lib.Type_FLOAT,
        map=lib.Type_MAP,
        struct=lib.Type_STRUCT,
    )


class ColumnReader:
    """Columns as values of events; numbers of vectors and scores stay numbers.

    `most` objects are made of a column at most: where there are more, or as many could stand for more, `TooLarge`.
    `lib` is pyarrow's.
    """

    def __init__(self, lib: ModuleType, most: int, most_dictionary_bytes: int, body_bytes: int) -> None:
        self.most = most
        self._body_bytes = body_bytes
        self.types = _types(lib)
        self._dictionaries = Dictionaries(most_dictionary_bytes, self._values)

    def column(self, name: str, array: Array) -> Column:
        """The values of a validated column, the field of this name."""
        kind = array.type.id
        if kind in self.types.lists:
            if array.type.value_type.id in self.types.texts:
                return self._lists_of_texts(array)
            return self._lists(name, array)
        if kind == self.types.map:
            return self._maps(array)
        return self._structs(array) if kind == self.types.struct else self._values(array)

    def _values(self, array: Array) -> list[Any]:
        """Values that are no lists and no structures; None for a null."""
        self._check(array)
        types = self.types
        kind = array.type.id
        if kind in types.texts:
            return array.to_pylist()  # type: ignore[no-any-return]
        if kind in types.plain:
            values = array.to_pylist() if array.null_count else array.to_numpy(zero_copy_only=False).tolist()
            return list(values)
        if kind == types.instant:
            units = UNITS_A_SECOND[array.type.unit]
            return [None if value is None else value / units for value in array.view("int64").to_pylist()]
        if kind == types.dictionary:
            # Its entries by reference: written out they could be a thousand times the body.
            entries = self.entries(array)
            if len(entries) == 1 and not array.null_count:
                return entries * len(array)  # the only one that an index can mean: what all events have in common
            return [None if index is None else entries[index] for index in array.indices.to_pylist()]
        return _unfit(array)

    def entries(self, array: Array) -> list[Any]:
        """The values of a column's dictionary, shared by all who ask."""
        return self._dictionaries.entries(array.dictionary)

    def _bounds(self, array: Array) -> NDArray[np.int32] | NDArray[np.int64]:
        """Where each list begins, and the last one ends."""
        offsets, count = array.buffers()[1], len(array) + 1
        if array.type.id == self.types.large_list:
            return np.frombuffer(offsets, np.int64, count, 8 * array.offset)
        return np.frombuffer(offsets, np.int32, count, 4 * array.offset)

    def _lists_of_texts(self, array: Array) -> list[Any]:
        if len(array.values) > self.most:
            self._check(array.flatten())  # which leaves out what no row shows
        return array.to_pylist()  # type: ignore[no-any-return]

    def _lists(self, name: str, array: Array) -> Column:
        if name in IN_BYTES and not array.null_count:
            numbers = self._plain_numbers(name, array)
            if numbers is not None:
                return numbers
        types = self.types
        present = _present(array) if array.null_count else None
        if array.type.id == types.fixed_list:
            lengths = [array.type.list_size] * len(array)
        else:
            bounds = self._bounds(array).tolist()
            lengths = [b - a for a, b in pairwise(bounds)]
        if present is not None or array.offset:
            # Those of nulls left out; by far the most columns have none, and need no copy.
            items = array.flatten()
            if present is not None:
                lengths = [length if there else 0 for length, there in zip(lengths, present.tolist(), strict=True)]
        else:
            items, first, count = array.values, 0 if array.type.id == types.fixed_list else bounds[0], sum(lengths)
            items = items if len(items) == count else items.slice(first, count)
        kind = items.type.id
        # A null in a vector is an invalid number, in scores it is none.
        if name in IN_BYTES and kind in types.numbers and (name == "embedding" or not items.null_count):
            return NumberRows(ragged(self._numbers(name, items), lengths), present)
        if kind == types.struct:
            flat = self._structs(items)
        elif kind in types.numbers or kind == types.dictionary:
            flat = self._values(items)
        else:
            # Such as the lists that are all empty, whose items have no type.
            told = zip(_unfit(array), lengths, strict=True)
            return [[] if each is _UNFIT and not length else each for each, length in told]
        rows = [flat[a:b] for a, b in pairwise(accumulate(lengths, initial=0))]
        if present is None:
            return rows
        return [row if there else None for row, there in zip(rows, present.tolist(), strict=True)]

    def _plain_numbers(self, name: str, array: Array) -> NumberRows | None:
        """Lists of one length of float32 without nulls, read where they lie; None for any other.

        Says what `_lists` would say, with a fourth of the calls into pyarrow.
        """
        kind = array.type
        if kind.id != self.types.fixed_list or kind.value_type.id != self.types.float32 or array.offset:
            return None
        _, nulls, data = array.buffers()
        if nulls is not None or not data or not kind.list_size:
            return None
        values = np.frombuffer(data, np.float32, len(array) * kind.list_size)
        return NumberRows(ragged(kept(name, values, self._body_bytes), [kind.list_size] * len(array)), None)

    def _numbers(self, name: str, items: Array) -> NDArray[np.float32] | Floats:
        return kept(name, items.to_numpy(zero_copy_only=False), self._body_bytes)

    def _structs(self, array: Array) -> list[Any]:
        """Structures of plain values as objects, without their nulls."""
        self._check(array)
        held = self.types.plain | self.types.texts | {self.types.dictionary, self.types.nothing}
        names = [field.name for field in array.type]
        if not all(field.type.id in held for field in array.type):
            return _unfit(array)
        rows = zip(*map(self._values, array.flatten()), strict=True) if names else ((),) * len(array)
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None} if there else None
            for row, there in zip(rows, _present(array).tolist(), strict=True)
        ]

    def _maps(self, array: Array) -> list[Any]:
        self._check(array.keys)
        types = self.types
        if array.type.key_type.id in types.texts and array.type.item_type.id in types.plain | types.texts:
            return [None if pairs is None else dict(pairs) for pairs in array.to_pylist()]
        return _unfit(array)

    def _check(self, array: Array) -> None:
        if len(array) > self.most:
            raise TooLarge(f"more than {self.most} values in a column; send fewer events a request")


def kept(name: str, numbers: NDArray[Any], body_bytes: int) -> NDArray[np.float32] | Floats:
    """The numbers of a field; a copy where a view would keep much else of the request in memory."""
    if name == "embedding" and numbers.dtype == np.float32:
        mostly_these = numbers.nbytes >= _MOSTLY * body_bytes
        return numbers if mostly_these else numbers.copy()
    with np.errstate(over="ignore", invalid="ignore"):  # NaN that signals is a NaN, of which others say what to do
        return np.array(numbers, np.float64) if name == "scores" else np.array(numbers, np.float32)


def _unfit(array: Array) -> list[Any]:
    """For each row that is no null something that its field's rule refuses."""
    return [_UNFIT if there else None for there in _present(array).tolist()]


def _present(array: Array) -> NDArray[np.bool_]:
    """Which rows are no nulls."""
    if not array.null_count:
        return np.ones(len(array), np.bool_)
    if array.null_count == len(array):
        return np.zeros(len(array), np.bool_)  # asked first: of the type without values there is no bitmap to rely on
    bitmap = array.buffers()[0]
    bits = np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(np.bool_)
