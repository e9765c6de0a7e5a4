"""What ends a start."""

from __future__ import annotations


class StartError(Exception):
    """The service cannot start; the message says why and what to do."""
