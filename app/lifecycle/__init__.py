"""What senders tell of the life of models and indexes: deployments, reindexes, documents, maintenance."""

from app.lifecycle.documents import DocumentsView
from app.lifecycle.events import (
    COUNTED,
    STATUSES,
    TYPES,
    Deployment,
    Document,
    Documents,
    LifecycleEvent,
    Maintenance,
    Reindex,
    move,
)
from app.lifecycle.lifecycle import LeftOut, Lifecycle, LifecycleView
from app.lifecycle.reading import Lines, read
from app.lifecycle.reindexes import ReindexView
from app.lifecycle.spans import Spans

__all__ = [
    "COUNTED",
    "STATUSES",
    "TYPES",
    "Deployment",
    "Document",
    "Documents",
    "DocumentsView",
    "LeftOut",
    "Lifecycle",
    "LifecycleEvent",
    "LifecycleView",
    "Lines",
    "Maintenance",
    "Reindex",
    "ReindexView",
    "Spans",
    "move",
    "read",
]
