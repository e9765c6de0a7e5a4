"""Events as request bodies, in every format that has a row in the tables."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SHARED: Final = ("model", "model_version", "tokenizer_version")
"""Fields that the events of a request mostly have in common."""

Encoding = Literal["list", "base64", "columns", "msgpack", "arrow"]


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """What the requests of one pool are made of; one entry an event."""

    fields: Sequence[Mapping[str, Any]]
    """All but vectors and scores."""
    vectors: NDArray[np.float32]
    """Shape (n, dimension)."""
    scores: NDArray[np.float32]
    """Shape (n, top-k)."""

    def take(self, start: int, end: int) -> Events:
        """Some of them, in a row."""
        return Events(self.fields[start:end], self.vectors[start:end], self.scores[start:end])


@dataclass(frozen=True, slots=True)
class _Format:
    media_type: str
    body: Callable[[Events], bytes]


def media_type(encoding: Encoding) -> str:
    """The content type of its bodies."""
    return _FORMATS[encoding].media_type


def body(encoding: Encoding, events: Events) -> bytes:
    """One request's body."""
    return _FORMATS[encoding].body(events)


def _list(events: Events) -> bytes:
    rows = zip(events.fields, events.vectors.tolist(), events.scores.tolist(), strict=True)
    return json.dumps([{**each, "embedding": vector, "scores": top} for each, vector, top in rows]).encode()


def _base64(events: Events) -> bytes:
    rows = zip(events.fields, events.vectors, events.scores.tolist(), strict=True)
    return json.dumps([{**each, "embedding": _text(vector), "scores": top} for each, vector, top in rows]).encode()


def _columns(events: Events) -> bytes:
    matrices = {"embedding": _text(events.vectors), "scores": _text(events.scores)}
    columns = {"count": len(events.fields)} | _side_by_side(events) | matrices
    return json.dumps({"events": columns}).encode()


def _msgpack(events: Events) -> bytes:
    rows = zip(events.fields, events.vectors, events.scores, strict=True)
    return msgspec.msgpack.encode(
        [{**each, "embedding": vector.tobytes(), "scores": top.tobytes()} for each, vector, top in rows]
    )


def _arrow(events: Events) -> bytes:
    n = len(events.fields)
    columns = {
        name: pa.array([value] * n).dictionary_encode() if isinstance(value, str) else pa.array(value)
        for name, value in _side_by_side(events).items()
    }
    for name, matrix in (("embedding", events.vectors), ("scores", events.scores)):
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
    batch = pa.RecordBatch.from_pydict(columns)
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)
    return stream.getvalue()


def _side_by_side(events: Events) -> dict[str, Any]:
    """Each field once: a value that all share, or a list."""
    columns = {name: [each[name] for each in events.fields] for name in events.fields[0]}
    return {name: each[0] if name in _SHARED and len(set(each)) == 1 else each for name, each in columns.items()}


def _text(matrix: NDArray[np.float32]) -> str:
    return base64.b64encode(matrix.tobytes()).decode()


_FORMATS: Final[Mapping[Encoding, _Format]] = {
    "list": _Format("application/json", _list),
    "base64": _Format("application/json", _base64),
    "columns": _Format("application/json", _columns),
    "msgpack": _Format("application/msgpack", _msgpack),
    "arrow": _Format("application/vnd.apache.arrow.stream", _arrow),
}
