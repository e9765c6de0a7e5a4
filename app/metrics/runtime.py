"""Families about the process and the interpreter, from the client library's own collectors."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from app.metrics.family import Family

PROCESS: Final[tuple[Family, ...]] = (
    Family("process_virtual_memory_bytes", "gauge", (), "Virtual memory size in bytes."),
    Family("process_resident_memory_bytes", "gauge", (), "Resident memory size in bytes."),
    Family("process_start_time_seconds", "gauge", (), "Start time of the process since unix epoch in seconds."),
    Family("process_cpu_seconds_total", "counter", (), "Total user and system CPU time spent in seconds."),
    Family("process_open_fds", "gauge", (), "Number of open file descriptors."),
    Family("process_max_fds", "gauge", (), "Maximum number of open file descriptors."),
    Family(
        "python_info",
        "gauge",
        ("version", "implementation", "major", "minor", "patchlevel"),
        "Python platform information",
    ),
    Family("python_gc_objects_collected_total", "counter", ("generation",), "Objects collected during gc"),
    Family(
        "python_gc_objects_uncollectable_total", "counter", ("generation",), "Uncollectable objects found during GC"
    ),
    Family("python_gc_collections_total", "counter", ("generation",), "Number of times this generation was collected"),
)
"""As the client library words them; on systems without /proc the process_ families are absent."""


def register_runtime(registry: CollectorRegistry) -> None:
    """Add the collectors of process, platform and garbage collection to a registry."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
