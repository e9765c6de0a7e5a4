"""The fields of an event, and the two halves of its encoding: a copy in the caller's thread, JSON in the background."""

from __future__ import annotations

import binascii
import json
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, SupportsFloat, SupportsIndex, TypedDict

if TYPE_CHECKING:
    from typing import TypeAlias


class SupportsArray(Protocol):
    """What numpy arrays, torch tensors and their like have in common."""

    def __array__(self) -> Any:  # noqa: ANN401 (a numpy array, without importing numpy)
        """The values as a numpy array."""


Vector: TypeAlias = "Iterable[SupportsFloat] | SupportsArray | bytes | bytearray | memoryview"
Id: TypeAlias = "str | SupportsIndex"


class Defaults(TypedDict, total=False):
    """The fields that may be given to the client, for all its events."""

    model: str | None
    """Name of the embedding model. Required, here or there."""
    model_version: str | None
    tokenizer_version: str | None
    kind: Literal["query", "document"] | None
    """Which side of the index the vector is from; "query" unless said."""
    space: str | None
    """Vectors are compared within one space; the model and its version unless said."""
    labels: Mapping[str, str] | None
    """Slices (locale, cohort, index, ...)."""
    deployment: str | None
    similarity_metric: Literal["cosine", "dot", "l2", "l2_squared", "other"] | None
    """What `scores` measure; "cosine" unless said."""


class Event(Defaults, total=False):
    """What one event may carry; None is the same as nothing."""

    timestamp: float | str | None
    """Unix seconds or RFC 3339; the time of the call unless said."""
    sample_rate: float | None
    """The share of traffic that the caller itself took before calling; the client's own rate comes on top."""
    event_id: str | None
    """An event id is counted once; a new one unless said."""
    query_id: str | None
    """Decides whether the event is in the sample, and joins outcomes."""
    input_hash: str | None
    """Hash of the exact input text: the same input must give the same vector."""
    probe: str | None
    """Name of a fixed input that is embedded again and again; a probe is no traffic, and always in the sample."""
    embedding: Vector | None
    """One vector; bytes are little-endian float32."""
    norm: SupportsFloat | None
    """Where no vector is sent, or the norm before normalisation."""
    scores: Iterable[SupportsFloat] | None
    """Of the top-k, best first, as the engine returns them."""
    result_count: SupportsIndex | None
    """0 is an empty result; absent scores are no statement."""
    ids: Iterable[Id] | None
    """Document ids beside `scores`."""
    top_k: Iterable[Mapping[str, Any]] | None
    """`scores` and `ids` as objects {"id", "score"} instead."""
    relevant: Iterable[Id] | Mapping[str, float] | None
    """Ground truth: document ids, or a grade for each."""
    outcome: Mapping[str, bool] | None
    """success, clicked, no_answer, escalated."""
    latency_seconds: SupportsFloat | None
    error: str | None
    """The type of the error, where the retrieval failed: a short word, not a message."""
    trace_id: str | None


DEFAULT_FIELDS = frozenset(Defaults.__annotations__)
FIELDS = frozenset(Event.__annotations__)


class EventError(ValueError):
    """An event that cannot be sent; the message names fields and types, never a value."""


def float32_bytes(vector: Any) -> bytes:  # noqa: ANN401 (whatever the caller's model returns)
    """A copy of one vector as little-endian float32.

    >>> float32_bytes([1.0, -2.0]).hex()
    '0000803f000000c0'
    """
    if isinstance(vector, memoryview) and vector.format not in ("B", "b", "c"):
        vector = vector.tolist()
    if isinstance(vector, (bytes, bytearray, memoryview)):
        raw = bytes(vector)
        if len(raw) % 4:
            raise ValueError("bytes of float32 come in fours")
        return raw
    if hasattr(vector, "__array__"):
        try:
            rows = vector.__array__()
        except (TypeError, RuntimeError):  # a torch tensor on a GPU, with a gradient or in bfloat16
            rows = None
        if rows is not None:
            if rows.ndim != 1:
                raise ValueError("one vector has one dimension")
            copied: bytes = rows.astype("<f4").tobytes()
            return copied
    values = array("f", vector.tolist() if hasattr(vector, "tolist") else vector)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def items(values: Any) -> list[Any]:  # noqa: ANN401 (a list, an array, a generator)
    """A copy as a list. Raises TypeError for what has no items, and for a string: its letters would pass for ids."""
    if isinstance(values, (str, bytes)):
        raise TypeError
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _items_or_grades(values: Any) -> list[Any] | dict[Any, Any]:  # noqa: ANN401
    return dict(values) if isinstance(values, Mapping) else items(values)


Copies: TypeAlias = "Iterable[tuple[str, Callable[[Any], Any], str]]"
"""Fields that the caller may change after the call, how they are copied, and what they should be."""

_COPIES: Copies = (
    ("embedding", float32_bytes, "one vector of numbers, or bytes of little-endian float32"),
    ("scores", items, "a sequence of numbers"),
    ("ids", items, "a sequence of strings or integers"),
    ("labels", dict, "a mapping of strings"),
    ("top_k", items, 'a sequence of {"id", "score"}'),
    ("relevant", _items_or_grades, "a sequence of ids, or a mapping of ids to grades"),
    ("outcome", dict, "a mapping of strings to booleans"),
)


def copied(event: dict[str, Any], copies: Copies) -> None:
    """Replace the fields of an event by copies, in place. Raises EventError for a value that cannot be copied."""
    for name, copy, expected in copies:
        value = event.get(name)
        if value is not None:
            try:
                event[name] = copy(value)
            except Exception as problem:
                raise EventError(f"{name}: expected {expected}, got {type(value).__name__}") from problem


def snapshot(event: dict[str, Any], event_id: str) -> dict[str, Any]:
    """Make an event independent of its caller, in place: copies, the time and an id where it has none.

    Raises EventError for an unknown field, or a value that cannot be copied.
    """
    if not event.keys() <= FIELDS:
        raise EventError(f"unknown field; the fields are {', '.join(sorted(FIELDS))}")
    copied(event, _COPIES)
    if event.get("timestamp") is None:
        event["timestamp"] = time.time()
    if event.get("event_id") is None:
        event["event_id"] = event_id
    return event


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Numbers of other libraries: numpy and torch scalars have tolist, Decimal and Fraction have __float__."""
    return value.tolist() if hasattr(value, "tolist") else float(value)


# Without NaN and Infinity: they are no JSON, and one of them would make the whole batch unreadable.
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain).encode


def encode(event: Mapping[str, Any], sample_rate: float = 1.0) -> bytes:
    """The JSON of an event that `snapshot` has copied; its own sample rate is multiplied by the client's.

    A probe is not sampled: 1 is its rate. Raises EventError where a value has no JSON, NaN and infinity among them.
    Within a vector they are sent, for the exporter to count.

    >>> encode({"model": "e5", "norm": None, "embedding": bytes.fromhex("0000803f")})
    b'{"model":"e5","embedding":"AACAPw=="}'
    """
    fields = {name: value for name, value in event.items() if value is not None}
    try:
        if "embedding" in fields:
            fields["embedding"] = binascii.b2a_base64(fields["embedding"], newline=False).decode("ascii")
        if fields.get("probe"):
            fields.setdefault("sample_rate", 1.0)
        elif "sample_rate" in fields:
            fields["sample_rate"] = float(fields["sample_rate"]) * sample_rate
        return _to_json(fields).encode("ascii")
    except Exception as problem:
        raise EventError(f"a field has no JSON: {type(problem).__name__}") from problem
