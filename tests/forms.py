"""Every way to write events: what the contract of decoders is run over. A new format needs a line in `FORMS`."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

JSON = "application/json"
LINES = "application/x-ndjson"
PACKED = "application/msgpack"
ARROW = "application/vnd.apache.arrow.stream"


class Unwritable(Exception):  # noqa: N818 - named for the events
    """The form cannot say these events: Arrow's columns have one type, columns no event that is no object."""


@dataclass(frozen=True)
class Form:
    media_type: str
    encode: Callable[[list], bytes]
    """Raises `Unwritable`."""


def float32(numbers):
    with np.errstate(over="ignore"):  # what is too large becomes infinite, as senders' own conversions make it
        return np.array(numbers, "<f4").tobytes()


def with_vectors(write, events, *fields):
    """The events with number lists of these fields written otherwise."""

    def plain(value):
        return isinstance(value, list) and all(isinstance(number, float) for number in value)

    return [
        {name: write(value) if name in fields and plain(value) else value for name, value in event.items()}
        if isinstance(event, dict)
        else event
        for event in events
    ]


def base64_text(numbers):
    return base64.b64encode(float32(numbers)).decode()


def columns(events):
    """Field -> a value for each event, None where it has none."""
    if not all(isinstance(event, dict) for event in events):
        raise Unwritable
    names = {name: None for event in events for name in event}
    return {name: [event.get(name) for event in events] for name in names if name not in {"events", "count"}}


def pack(value):
    try:
        return msgspec.msgpack.encode(value)
    except (UnicodeEncodeError, OverflowError):
        raise Unwritable from None


def stream(*batches, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def record_batch(events, array=pa.array):
    named = columns(events)
    if not any(value is not None for column in named.values() for value in column):
        # A batch without columns has no rows either.
        named = {"x": [0] * len(events)}
    try:
        return pa.RecordBatch.from_pydict({name: array(column) for name, column in named.items()})
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, ValueError, TypeError):
        raise Unwritable from None


def compact(values):
    """As a data pipeline has it: texts as dictionaries, numbers in half the width."""
    array = pa.array(values)
    if pa.types.is_string(array.type):
        return array.dictionary_encode()
    if pa.types.is_list(array.type) and pa.types.is_floating(array.type.value_type):
        lengths = {len(value) for value in values if value is not None}
        if len(lengths) == 1:
            return pa.array(values, pa.list_(pa.float32(), lengths.pop()))
        return pa.array(values, pa.large_list(pa.float32()))
    return array


FORMS = {
    "json": Form(JSON, lambda events: json.dumps({"events": events}).encode()),
    "json base64": Form(JSON, lambda events: json.dumps(with_vectors(base64_text, events, "embedding")).encode()),
    "json columns": Form(
        JSON, lambda events: json.dumps({"events": columns(events) | {"count": len(events)}}).encode()
    ),
    "lines": Form(LINES, lambda events: b"\n".join(json.dumps(event).encode() for event in events)),
    "msgpack": Form(PACKED, lambda events: pack({"events": events})),
    "msgpack bytes": Form(PACKED, lambda events: pack(with_vectors(float32, events, "embedding", "scores"))),
    "msgpack columns": Form(
        PACKED,
        lambda events: pack(
            {"events": columns(with_vectors(float32, events, "embedding", "scores")) | {"count": len(events)}}
        ),
    ),
    "arrow": Form(ARROW, lambda events: stream(record_batch(events))),
    "arrow compact": Form(ARROW, lambda events: stream(record_batch(events, compact))),
    "arrow batches": Form(ARROW, lambda events: stream(*batches_of_one(events))),
}


def batches_of_one(events):
    whole = record_batch(events)
    return [whole.slice(i, 1) for i in range(whole.num_rows)] or [whole]


def says(form, events):
    """Whether this form can say these events."""
    try:
        FORMS[form].encode(events)
    except Unwritable:
        return False
    return True


def writable(form, events):
    """The events, without what this form cannot say."""
    if says(form, events):
        return events
    kept = []
    for event in events:
        if isinstance(event, dict):
            kept.append({})
            for name, value in event.items():
                kept[-1][name] = value
                if not says(form, kept):
                    del kept[-1][name]
    return kept
