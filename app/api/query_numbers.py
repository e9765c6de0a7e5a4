"""Numbers in query parameters: as JSON writes them, `.5` and `5.` too; 3.0 is an integer, as it is in bodies."""

from __future__ import annotations

import math
import re
from typing import Final

from app.decode.whole_numbers import whole

_NUMBER: Final = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def number(text: str) -> float | None:
    """A finite number; None where it is none. Linear.

    >>> number("2.5e-1"), number("1_000"), number("nan"), number("1e999")
    (0.25, None, None, None)
    """
    if _NUMBER.fullmatch(text) is None:
        return None
    found = float(text)
    return found if math.isfinite(found) else None


def integer(text: str) -> int | None:
    """A whole number; None where it is none. Linear.

    >>> integer("3"), integer("3.0"), integer("3.5")
    (3, 3, None)
    """
    found = whole(number(text))
    return found if isinstance(found, int) else None
