"""Numbers and texts as the text formats write them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from prometheus_client.utils import floatToGoString

number: Final[Callable[[float], str]] = floatToGoString
"""A number as Go writes it."""


@lru_cache(maxsize=4096)
def pair(label: tuple[str, str]) -> str:
    r"""A label and its value.

    >>> print(pair(("model", 'a "b" \\')))
    model="a \"b\" \\"
    """
    name, value = label
    return f'{name}="{quoted(value)}"'


def line(text: str) -> str:
    """What stands to the end of a line."""
    return text.replace("\\", r"\\").replace("\n", r"\n")


def quoted(text: str) -> str:
    """What stands between quotation marks."""
    return line(text).replace('"', r"\"")
