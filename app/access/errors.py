"""What is wrong with a file that says who may do what."""

from __future__ import annotations


class AccessError(Exception):
    """The message names the file, what is wrong and what would be right; never a secret."""
