"""Embedding Drift Exporter: sampled embedding events in, drift scores for Prometheus out."""

from importlib.metadata import version

__version__ = version("embedding-drift-exporter")
