"""`application/vnd.apache.arrow.stream`: record batches whose columns are the fields of events.

pyarrow is an extra: its 170 MB are more than all the rest together. docs/decisions/arrow.md says why it and no smaller
library. Only plain layouts are read, whose values are all in the body: a column of views, runs or nothing can stand for
more values than a machine holds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import accumulate, pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.decode.arrow_dictionaries import Dictionaries
from app.decode.arrow_message import is_compressed
from app.decode.columnar import COUNT, decode_columns
from app.decode.columns import check_count
from app.decode.errors import Malformed, TooLarge
from app.decode.event import IN_BYTES, RULES
from app.decode.limits import Limits
from app.decode.number_rows import NumberRows, ragged
from app.decode.texts import cut
from app.model import Decoded, Floats

if TYPE_CHECKING:
    import pyarrow as pa

AVAILABLE: Final = find_spec("pyarrow") is not None

MAX_METADATA_BYTES: Final = 1024 * 1024
"""Of one message: a schema of thousands of fields takes seconds to read."""

_Column = list[Any] | NumberRows

_UNFIT: Final = object()
"""Stands for a value of a type that no field has: its field's rule refuses it."""


class _Types(NamedTuple):
    """Ids of the layouts that are read."""

    nothing: int
    numbers: frozenset[int]
    plain: frozenset[int]
    """Of one value a row that is in the body itself, and needs no more than to be listed."""
    texts: frozenset[int]
    large: frozenset[int]
    """Those whose offsets have 64 bits."""
    instant: int
    dictionary: int
    lists: frozenset[int]
    fixed_list: int
    map: int
    struct: int


@lru_cache(maxsize=1)
def _pyarrow() -> ModuleType:
    # Not at the start: it takes 0.2 s and 25 MiB, of which most exporters have no use.
    import pyarrow.ipc  # noqa: PLC0415

    return pyarrow  # type: ignore[no-any-return]


def at_hand() -> bool:
    """Whether pyarrow is imported, which the first body does."""
    return _pyarrow.cache_info().currsize > 0


def decode_arrow(body: bytes, limits: Limits, now: float) -> Decoded:
    """An Arrow IPC stream without compressed buffers: a column is a field of events, a row an event."""
    pa = _pyarrow()
    if not body or body.isspace():
        raise Malformed("the body is empty; send an Arrow IPC stream")
    reader = _Reader(limits.events * limits.top_k, limits.inflated_bytes)
    parts: dict[str, list[_Column]] = {}
    places: list[tuple[str, int]] | None = None
    rows = 0
    try:
        for batch in _batches(body, limits):
            if not batch.num_rows:
                continue
            check_count(rows + batch.num_rows, limits)
            rows += batch.num_rows
            if places is None:  # those of all batches: a stream has one schema
                found = ((name, batch.schema.get_field_index(name)) for name in RULES)
                places = [(name, place) for name, place in found if place >= 0]
            for name, place in places:
                array = batch.column(place)
                # All of it, values too: offsets and indices are a sender's, and nothing below looks at them again.
                array.validate(full=True)
                parts.setdefault(name, []).append(reader.column(name, array))
    except (pa.ArrowException, OSError, ValueError, KeyError, struct.error):
        raise Malformed("the body must be a valid Arrow IPC stream") from None
    return decode_columns({name: _joined(name, each) for name, each in parts.items()} | {COUNT: rows}, {}, limits, now)


def _batches(body: bytes, limits: Limits) -> Iterator[pa.RecordBatch]:
    """The record batches, after a look at every message. Raises `Malformed`, `TooLarge` or what pyarrow raises."""
    pa = _pyarrow()
    source = pa.py_buffer(body)
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(source)):
        # An empty batch takes a tenth of a millisecond.
        if number > 2 * limits.events:
            raise TooLarge(f"more than {2 * limits.events} messages; send fewer and larger record batches")
        if message.metadata.size > MAX_METADATA_BYTES:
            raise TooLarge(f"more than {MAX_METADATA_BYTES} bytes of metadata in a message")
        if is_compressed(message.metadata):
            raise Malformed("the buffers of an Arrow stream must not be compressed; use Content-Encoding instead")
    yield from pa.ipc.open_stream(source, options=pa.ipc.IpcReadOptions(use_threads=False))


@lru_cache(maxsize=1)
def _types() -> _Types:
    lib = _pyarrow().lib
    integers = {getattr(lib, f"Type_{sign}INT{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)}
    numbers = frozenset({*integers, lib.Type_HALF_FLOAT, lib.Type_FLOAT, lib.Type_DOUBLE})
    return _Types(
        nothing=lib.Type_NA,
        numbers=numbers,
        plain=numbers | {lib.Type_BOOL, lib.Type_BINARY, lib.Type_LARGE_BINARY, lib.Type_FIXED_SIZE_BINARY},
        texts=frozenset({lib.Type_STRING, lib.Type_LARGE_STRING}),
        large=frozenset({lib.Type_LARGE_STRING, lib.Type_LARGE_LIST}),
        instant=lib.Type_TIMESTAMP,
        dictionary=lib.Type_DICTIONARY,
        lists=frozenset({lib.Type_LIST, lib.Type_LARGE_LIST, lib.Type_FIXED_SIZE_LIST}),
        fixed_list=lib.Type_FIXED_SIZE_LIST,
        map=lib.Type_MAP,
        struct=lib.Type_STRUCT,
    )


class _Reader:
    """Columns as values of events; numbers of vectors and scores stay numbers.

    `most` objects are made of a column at most: where there are more, or as many could stand for more, `TooLarge`.
    """

    def __init__(self, most: int, most_dictionary_bytes: int) -> None:
        self._most = most
        self._types = _types()
        self._dictionaries = Dictionaries(most_dictionary_bytes, self._values)

    def column(self, name: str, array: pa.Array) -> _Column:
        kind = array.type.id
        if kind in self._types.lists:
            return self._lists(name, array)
        if kind == self._types.map:
            return self._maps(array)
        return self._structs(array) if kind == self._types.struct else self._values(array)

    def _values(self, array: pa.Array) -> list[Any]:
        """Values that are no lists and no structures; None for a null."""
        self._check(array)
        types = self._types
        kind = array.type.id
        if kind in types.texts:
            return self._texts(array)
        if kind in types.plain:
            values = array.to_pylist() if array.null_count else array.to_numpy(zero_copy_only=False).tolist()
            return list(values)
        if kind == types.instant:
            units = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[array.type.unit]
            return [None if value is None else value / units for value in array.view("int64").to_pylist()]
        if kind == types.dictionary:
            # Its entries by reference: written out they could be a thousand times the body.
            entries = self._dictionaries.entries(array.dictionary)
            return [None if index is None else entries[index] for index in array.indices.to_pylist()]
        return _unfit(array)

    def _texts(self, array: pa.Array) -> list[Any]:
        _, offsets, data = array.buffers()
        if data is None or offsets is None or not len(array):
            # Writers may leave out the one offset of no texts.
            return list(array.to_pylist())
        texts: list[Any] = cut(data.to_pybytes(), self._bounds(array, offsets))
        if array.null_count:
            for i in np.flatnonzero(~_present(array)).tolist():
                texts[i] = None
        return texts

    def _bounds(self, array: pa.Array, offsets: pa.Buffer) -> NDArray[np.int32] | NDArray[np.int64]:
        """Where each text, or list, begins, and the last one ends."""
        count = len(array) + 1
        if array.type.id in self._types.large:
            return np.frombuffer(offsets, np.int64, count, 8 * array.offset)
        return np.frombuffer(offsets, np.int32, count, 4 * array.offset)

    def _lists(self, name: str, array: pa.Array) -> _Column:
        types = self._types
        present = _present(array) if array.null_count else None
        if array.type.id == types.fixed_list:
            lengths = [array.type.list_size] * len(array)
        else:
            bounds = self._bounds(array, array.buffers()[1]).tolist()
            lengths = [b - a for a, b in pairwise(bounds)]
        if present is not None or array.offset:
            # Those of nulls left out; by far the most columns have none, and need no copy.
            items = array.flatten()
            if present is not None:
                lengths = [length if there else 0 for length, there in zip(lengths, present.tolist(), strict=True)]
        elif array.type.id == types.fixed_list:
            items = array.values.slice(0, sum(lengths))
        else:
            items = array.values.slice(bounds[0], bounds[-1] - bounds[0])
        kind = items.type.id
        # A null in a vector is an invalid number, in scores it is none.
        if name in IN_BYTES and kind in types.numbers and (name == "embedding" or not items.null_count):
            return NumberRows(ragged(_numbers(name, items), lengths), present)
        if kind == types.struct:
            flat = self._structs(items)
        elif kind in types.numbers | types.texts | {types.dictionary}:
            flat = self._values(items)
        else:
            # Such as the lists that are all empty, whose items have no type.
            told = zip(_unfit(array), lengths, strict=True)
            return [[] if each is _UNFIT and not length else each for each, length in told]
        rows = [flat[a:b] for a, b in pairwise(accumulate(lengths, initial=0))]
        if present is None:
            return rows
        return [row if there else None for row, there in zip(rows, present.tolist(), strict=True)]

    def _structs(self, array: pa.Array) -> list[Any]:
        """Structures of plain values as objects, without their nulls."""
        self._check(array)
        held = self._types.plain | self._types.texts | {self._types.dictionary, self._types.nothing}
        names = [field.name for field in array.type]
        if not all(field.type.id in held for field in array.type):
            return _unfit(array)
        rows = zip(*map(self._values, array.flatten()), strict=True) if names else ((),) * len(array)
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None} if there else None
            for row, there in zip(rows, _present(array).tolist(), strict=True)
        ]

    def _maps(self, array: pa.Array) -> list[Any]:
        self._check(array.keys)
        types = self._types
        if array.type.key_type.id in types.texts and array.type.item_type.id in types.plain | types.texts:
            return [None if pairs is None else dict(pairs) for pairs in array.to_pylist()]
        return _unfit(array)

    def _check(self, array: pa.Array) -> None:
        if len(array) > self._most:
            raise TooLarge(f"more than {self._most} values in a column; send fewer events a request")


def _numbers(name: str, items: pa.Array) -> NDArray[np.float32] | Floats:
    """A copy, or it would keep the whole request in memory."""
    numbers = items.to_numpy(zero_copy_only=False)
    if name == "scores":
        return np.array(numbers, np.float64)
    with np.errstate(over="ignore"):
        return np.array(numbers, np.float32)


def _unfit(array: pa.Array) -> list[Any]:
    """For each row that is no null something that its field's rule refuses."""
    return [_UNFIT if there else None for there in _present(array).tolist()]


def _present(array: pa.Array) -> NDArray[np.bool_]:
    """Which rows are no nulls."""
    if array.type.id == _types().nothing:
        return np.zeros(len(array), np.bool_)
    bitmap = array.buffers()[0] if array.null_count else None
    if bitmap is None:
        return np.ones(len(array), np.bool_)
    bits = np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(np.bool_)


def _joined(name: str, parts: Sequence[_Column]) -> _Column:
    """One column from those of all batches."""
    if len(parts) == 1:
        return parts[0]
    numbers = [part for part in parts if isinstance(part, NumberRows)]
    if len(numbers) == len(parts):
        return NumberRows.concatenate(numbers)
    listed: list[Any] = []
    for part in parts:
        if isinstance(part, NumberRows):
            listed += part.in_bytes() if name == "embedding" else part.in_lists()
        else:
            listed += part
    return listed
