"""Numbers and texts as the text formats write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import msgspec
from prometheus_client.utils import floatToGoString

number: Final[Callable[[float], str]] = floatToGoString
"""A number as Go writes it."""

EXPONENT_FROM: Final = 1e6
"""Go writes larger numbers with an exponent."""

EXPONENT_BELOW: Final = 1e-4
"""Python writes smaller numbers with an exponent."""

_json: Final = msgspec.json.Encoder().encode


def numbers(values: Sequence[float]) -> list[bytes]:
    """Each of some finite numbers as `number` writes it. 0.1 microseconds each, a quarter of what Python's repr takes.

    JSON has the same shortest digits, and in the middle of the scale the same notation.

    >>> numbers([0.25, -3.0, 1e-05])
    [b'0.25', b'-3.0', b'1e-05']
    """
    if not values:
        return []
    text = _json(values)
    texts = text[1:-1].split(b",")
    if -EXPONENT_FROM < min(values) and max(values) < EXPONENT_FROM and b"0.0000" not in text and b"e" not in text:
        return texts
    return [
        each if value == 0 or EXPONENT_BELOW <= abs(value) < EXPONENT_FROM else number(value).encode()
        for value, each in zip(values, texts, strict=True)
    ]


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
