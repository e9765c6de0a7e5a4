"""Sends events, outcomes, lifecycle and probes to the Embedding Drift Exporter, and never makes its caller wait."""

from embedding_drift_client.buffer import Stats
from embedding_drift_client.client import DriftClient
from embedding_drift_client.event import Defaults, Event
from embedding_drift_client.outcome import Outcome
from embedding_drift_client.probes import ProbeWatch

__all__ = ["Defaults", "DriftClient", "Event", "Outcome", "ProbeWatch", "Stats"]
__version__ = "0.1.0"
