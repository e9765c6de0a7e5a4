"""What somebody may be allowed to do."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The `role` of embedding_exporter_unprotected."""

    INGEST = "ingest"
    """Send events and outcomes."""
    READ = "read"
    """Scrape, and see series, samples, comparisons and pages."""
    ADMIN = "admin"
    """Baselines and lifecycle events, and all of the above."""
