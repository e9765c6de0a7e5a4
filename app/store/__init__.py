"""Where series live. STORES names each kind of store that keeps the SeriesStore promise."""

from app.store.duplicates import event_digests
from app.store.memory import MemoryStore
from app.store.promise import ModelKind, SeriesStore, StoreCounts

STORES = {"memory": MemoryStore}

__all__ = ["STORES", "MemoryStore", "ModelKind", "SeriesStore", "StoreCounts", "event_digests"]
