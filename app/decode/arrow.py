"""`application/vnd.apache.arrow.stream`: record batches whose columns are the fields of events.

pyarrow is an extra: its 170 MB are more than all the rest together. docs/decisions/arrow.md says why it and no smaller
library. Only plain layouts are read, whose values are all in the body (`arrow_columns.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from app.decode.arrow_columns import Column, ColumnReader
from app.decode.arrow_known import KnownStreams, Rows
from app.decode.arrow_message import Message, is_compressed, split
from app.decode.columnar import COUNT, decode_columns
from app.decode.columns import check_count
from app.decode.errors import Malformed, TooLarge
from app.decode.event import RULES
from app.decode.limits import Limits
from app.decode.number_rows import NumberRows
from app.model import Decoded

if TYPE_CHECKING:
    import pyarrow as pa

AVAILABLE: Final = find_spec("pyarrow") is not None

MAX_METADATA_BYTES: Final = 1024 * 1024
"""Of one message: a schema of thousands of fields takes seconds to read."""

KNOWN: Final = KnownStreams()
"""The kinds of streams that came last, of all senders."""


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
    rows, columns = KNOWN.read(body, limits) or _read(body, limits)
    return decode_columns({**columns, COUNT: rows}, {}, limits, now)


def _read(body: bytes, limits: Limits) -> Rows:
    """The rows of any stream. Raises `Malformed` or `TooLarge`."""
    pa = _pyarrow()
    if not body or body.isspace():
        raise Malformed("the body is empty; send an Arrow IPC stream")
    reader = ColumnReader(pa.lib, limits.events * limits.top_k, limits.inflated_bytes, len(body))
    parts: dict[str, list[Column]] = {}
    places: Mapping[str, int] | None = None
    batches = rows = 0
    try:
        source = pa.py_buffer(body)
        messages = _looked_at(body, source, limits)
        for batch in pa.ipc.open_stream(source, options=_options()):
            batches += 1
            if not batch.num_rows:
                continue
            check_count(rows + batch.num_rows, limits)
            rows += batch.num_rows
            if places is None:
                places = _places(batch.schema.names)  # those of all batches: a stream has one schema
            # All of it, values too: offsets and indices are a sender's, and nothing below looks at them again.
            arrays: Sequence[Any] | Mapping[int, Any]
            if len(places) == batch.num_columns:
                batch.validate(full=True)
                arrays = batch.columns
            else:  # at columns of no field nobody looks
                arrays = {place: batch.column(place) for place in places.values()}
                for array in arrays.values():
                    array.validate(full=True)
            for name, place in places.items():
                parts.setdefault(name, []).append(reader.column(name, arrays[place]))
        if messages and batches == 1 and rows:  # of several, also empty ones, none is like what was learned of one
            KNOWN.learn(body, messages, batch, reader, limits)
    except (pa.ArrowException, OSError, ValueError, KeyError, struct.error):
        raise Malformed("the body must be a valid Arrow IPC stream") from None
    return rows, {name: _joined(name, each) for name, each in parts.items()}


def _places(names: Sequence[str]) -> dict[str, int]:
    """Where the column of each field is; a name that comes twice is no field's."""
    places = {name: place for place, name in enumerate(names) if name in RULES}
    if len(set(names)) < len(names):
        places = {name: place for name, place in places.items() if names.count(name) == 1}
    return places


def _looked_at(body: bytes, source: pa.Buffer, limits: Limits) -> list[Message] | None:
    """The messages, after a look at each; None where they lie otherwise than `split` can follow.

    Raises `Malformed`, `TooLarge` or what pyarrow raises.
    """
    # An empty batch takes a tenth of a millisecond.
    most = 2 * limits.events
    messages = split(body, most)
    if messages is None:
        read = islice(_pyarrow().ipc.MessageReader.open_stream(source), most + 1)
        looked = [memoryview(message.metadata) for message in read]
    else:
        looked = [message.metadata for message in messages]
    if len(looked) > most:
        raise TooLarge(f"more than {most} messages; send fewer and larger record batches")
    for metadata in looked:
        if len(metadata) > MAX_METADATA_BYTES:
            raise TooLarge(f"more than {MAX_METADATA_BYTES} bytes of metadata in a message")
        if is_compressed(metadata):
            raise Malformed("the buffers of an Arrow stream must not be compressed; use Content-Encoding instead")
    return messages


@lru_cache(maxsize=1)
def _options() -> pa.ipc.IpcReadOptions:
    return _pyarrow().ipc.IpcReadOptions(use_threads=False)


def _joined(name: str, parts: Sequence[Column]) -> Column:
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
