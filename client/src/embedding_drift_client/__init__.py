"""Sends sampled embedding and retrieval events to the Embedding Drift Exporter, and never makes its caller wait."""

from embedding_drift_client.buffer import Stats
from embedding_drift_client.client import DriftClient
from embedding_drift_client.event import Defaults, Event

__all__ = ["Defaults", "DriftClient", "Event", "Stats"]
__version__ = "0.1.0"
