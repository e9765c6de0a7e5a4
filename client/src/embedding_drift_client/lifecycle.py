"""What was done on purpose to a model, an index or its documents: a form for each `type`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, SupportsFloat, SupportsIndex, TypedDict, get_args

from embedding_drift_client.event import EventError, Id, copied, encode, items

MAX_IDS: Final = 1000
"""Documents that one event names; more are told in several, so that a batch stays below the exporter's limit."""

DeploymentStatus = Literal["started", "finished", "failed", "rolled_back"]
ReindexStatus = Literal["started", "progress", "finished", "failed"]
DocumentsStatus = Literal["ingested", "indexed", "withdrawn", "restored"]
MaintenanceStatus = Literal["begin", "end"]


class Told(TypedDict, total=False):
    """What every lifecycle event may carry; None is the same as nothing."""

    model: str | None
    """The client's unless said. Maintenance with None is of every model."""
    timestamp: float | str | None
    """Unix seconds or RFC 3339; the time of the call unless said."""


class Deployment(Told, total=False):
    """A version of a model is rolled out, or is taken back."""

    model_version: str | None
    tokenizer_version: str | None
    track: Literal["stable", "canary"] | None
    """"stable" unless said."""
    deployment: str | None
    """Its id; with it the same status counts once a day, without it once in ten minutes."""


class Reindex(Told, total=False):
    """An index is built anew."""

    index: str | None
    reindex: str | None
    """Its id, where several may run at once."""
    progress: SupportsFloat | None
    """The share that is done, 0 to 1."""
    duration_seconds: SupportsFloat | None
    """How long it took; the time from started to finished unless said."""


class Documents(Told, total=False):
    """Documents came in, can be found, or must not be found any more. One of `ids`, `documents` and `count`."""

    index: str | None
    ids: Iterable[Id] | None
    documents: Iterable[Mapping[str, Any]] | None
    """Objects {"id", "timestamp"}: ids, each with a time of its own."""
    count: SupportsIndex | None
    """How many; without ids there is no lag, and an attempt whose reply was lost counts twice."""


class Maintenance(Told, total=False):
    """Work during which nobody wants to be woken; four hours unless said, at most seven days."""

    until: float | str | None
    duration_seconds: SupportsFloat | None


class Form(NamedTuple):
    """What a lifecycle event of one type may say."""

    statuses: tuple[str, ...]
    fields: frozenset[str]


FORMS: Final[Mapping[str, Form]] = {
    "deployment": Form(get_args(DeploymentStatus), frozenset(Deployment.__annotations__)),
    "reindex": Form(get_args(ReindexStatus), frozenset(Reindex.__annotations__)),
    "documents": Form(get_args(DocumentsStatus), frozenset(Documents.__annotations__)),
    "maintenance": Form(get_args(MaintenanceStatus), frozenset(Maintenance.__annotations__)),
}
"""`type` -> its form."""

_LISTS: Final = (
    ("ids", items, "a sequence of strings or integers"),
    ("documents", items, 'a sequence of {"id", "timestamp"}'),
)


def encode_lifecycle(kind: str, status: str, told: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[bytes]:
    """The JSON of a lifecycle event, with the time and with those of the client's fields that its type has.

    Several where it names more than `MAX_IDS` documents. Raises EventError for an unknown type, status or field, and
    for a value that has no JSON.

    >>> encode_lifecycle("reindex", "progress", {"progress": 0.4, "timestamp": 12.5}, {"model": "e5", "kind": "query"})
    [b'{"type":"reindex","status":"progress","model":"e5","progress":0.4,"timestamp":12.5}']
    """
    form = FORMS.get(kind)
    if form is None:
        raise EventError(f"type: expected one of {', '.join(FORMS)}")
    if status not in form.statuses:
        raise EventError(f"status of {kind}: expected one of {', '.join(form.statuses)}")
    if not told.keys() <= form.fields:
        raise EventError(f"unknown field of {kind}; the fields are {', '.join(sorted(form.fields))}")
    event: dict[str, Any] = {"type": kind, "status": status}
    event.update((name, value) for name, value in defaults.items() if name in form.fields)
    event.update(told)
    if event.get("timestamp") is None:
        event["timestamp"] = time.time()
    copied(event, _LISTS)
    # With both lists the exporter refuses the event: one part shows it as well as any.
    long = next((name for name, _, _ in _LISTS if len(event.get(name) or ()) > MAX_IDS), None)
    if long is None:
        return [encode(event)]
    documents = event[long]
    parts = (documents[start : start + MAX_IDS] for start in range(0, len(documents), MAX_IDS))
    return [encode({**event, long: part}) for part in parts]
