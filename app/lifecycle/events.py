"""What a sender may tell about deployments, indexes and maintenance: one struct for each `type`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal, get_args

import msgspec
from msgspec import Meta

from app.decode.event import MAX_ID_BYTES
from app.model import Reason

Track = Literal["stable", "canary"]
DeploymentStatus = Literal["started", "finished", "failed", "rolled_back"]
ReindexStatus = Literal["started", "progress", "finished", "failed"]
DocumentsStatus = Literal["ingested", "indexed", "withdrawn", "restored"]
MaintenanceStatus = Literal["begin", "end"]

MAX_IDS: Final = 10_000
"""Documents that one event may name."""
MAX_COUNT: Final = 1_000_000_000
"""Documents that one event may count: far below where float64 would no longer count single ones."""

COUNTED: Final[frozenset[DocumentsStatus]] = frozenset({"ingested", "indexed"})
"""With these, documents may be counted instead of named: of those that leave, it must be known which they are."""

When = float | Annotated[datetime, Meta(tz=True)]
"""Unix seconds, or RFC 3339."""

_TIME = "Unix seconds, or RFC 3339. Default: arrival."
_Model = Annotated[str, Meta(description="Name of the embedding model, as in its events.", examples=["e5"])]
_Index = Annotated[str, Meta(description="Name of the index, where a model has several.", examples=["products"])]
_Timestamp = Annotated[When | None, Meta(description=_TIME)]
_Id = Annotated[str, Meta(max_length=MAX_ID_BYTES)] | int
"""Characters, which the decoder counts for next to nothing; `reading` counts bytes."""
_Seconds = Annotated[float, Meta(ge=0, le=366 * 86400)]


class Refused(Exception):  # noqa: N818 - named for what is wrong with the event
    """One event cannot be taken: which field, why, and what would be right; never a part of it. Never leaves here."""

    def __init__(self, field: str, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason
        self.message = message


class _Told(msgspec.Struct, tag_field="type", kw_only=True):
    """What every event has. Names are to be fit for a label value: `reading` sees to that."""

    NAMES: ClassVar[tuple[str, ...]] = ("model",)
    """The fields that become label values."""
    timestamp: _Timestamp = None


class Deployment(_Told, tag="deployment"):
    """A version of a model is rolled out, or is taken back."""

    NAMES: ClassVar[tuple[str, ...]] = ("model", "model_version", "tokenizer_version")
    status: DeploymentStatus
    model: _Model
    model_version: Annotated[str, Meta(description="As in the events of this version.")] = ""
    tokenizer_version: Annotated[str, Meta(description="As in the events of this version.")] = ""
    track: Annotated[Track, Meta(description="canary while only a part of the traffic goes to it.")] = "stable"
    deployment: Annotated[
        str,
        Meta(
            max_length=256,
            description="Its id: with it the same status counts once a day, without it once in ten minutes.",
        ),
    ] = ""


class Reindex(_Told, tag="reindex"):
    """An index is built anew."""

    NAMES: ClassVar[tuple[str, ...]] = ("model", "index")
    status: ReindexStatus
    model: _Model
    index: _Index = ""
    reindex: Annotated[
        str,
        Meta(
            max_length=256,
            description="Its id: with it the same status counts once a day, without it once in ten minutes.",
        ),
    ] = ""
    progress: Annotated[float, Meta(ge=0, le=1, description="Share that is done; with the status progress.")] | None = (
        None
    )
    duration_seconds: (
        Annotated[_Seconds, Meta(description="How long it took. Default: from started to finished.")] | None
    ) = None


class Document(msgspec.Struct):
    """A document, and when it was ingested or indexed."""

    id: _Id
    timestamp: Annotated[When | None, Meta(description="Default: that of the event.")] = None


class Documents(_Told, tag="documents"):
    """Documents came in, are to be found now, or must not be found any more. One of count, ids and documents."""

    NAMES: ClassVar[tuple[str, ...]] = ("model", "index")
    status: DocumentsStatus
    model: _Model
    index: _Index = ""
    count: (
        Annotated[int, Meta(ge=0, le=MAX_COUNT, description="How many were ingested or indexed; tells no lag.")] | None
    ) = None
    ids: Annotated[list[_Id], Meta(max_length=MAX_IDS, description="Their ids. Only keyed hashes are kept.")] | None = (
        None
    )
    documents: (
        Annotated[list[Document], Meta(max_length=MAX_IDS, description="Their ids, each with a time of its own.")]
        | None
    ) = None


class Maintenance(_Told, tag="maintenance"):
    """Work on a model, or on all where none is named, during which nobody wants to be woken."""

    status: MaintenanceStatus
    model: Annotated[str, Meta(description="Default: every model.")] = ""
    until: Annotated[When | None, Meta(description="When it ends at the latest; at most 7 days ahead.")] = None
    duration_seconds: (
        Annotated[_Seconds, Meta(description="How long it lasts at most, in place of until. Default: 4 hours.")] | None
    ) = None


LifecycleEvent = Deployment | Reindex | Documents | Maintenance

TYPES: Final[dict[str, type[LifecycleEvent]]] = {
    "deployment": Deployment,
    "reindex": Reindex,
    "documents": Documents,
    "maintenance": Maintenance,
}
"""`type` -> its struct."""

STATUSES: Final[dict[str, tuple[str, ...]]] = {
    "deployment": get_args(DeploymentStatus),
    "reindex": get_args(ReindexStatus),
    "documents": get_args(DocumentsStatus),
    "maintenance": get_args(MaintenanceStatus),
}
"""`type` -> what its `status` may be."""


def move(event: LifecycleEvent, seconds: float) -> None:
    """Make every time that an event tells later by so many seconds; what is no time is left, to be refused."""
    event.timestamp = _moved(event.timestamp, seconds)
    if isinstance(event, Maintenance):
        event.until = _moved(event.until, seconds)
    elif isinstance(event, Documents):
        for document in event.documents or ():
            document.timestamp = _moved(document.timestamp, seconds)


def _moved(told: When | None, seconds: float) -> When | None:
    if told is None:
        return None
    try:
        return (told.timestamp() if isinstance(told, datetime) else float(told)) + seconds
    except (ValueError, OverflowError):
        return told
