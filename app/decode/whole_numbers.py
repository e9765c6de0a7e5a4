"""Whole floats where integers are wanted: to JSON Schema 3.0 is one, and a data frame makes it of 3 beside nulls.

Asked for only where a typed decoder refused what was sent, so that those who write integers pay nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Rewrite = Callable[[Any], Any]
"""What a field holds -> the same with integers; what it does not know stays as it is."""


def whole(value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    """3.0 as 3.

    >>> whole(3.0), whole(3.5), whole(float("inf")), whole("3.0")
    (3, 3.5, inf, '3.0')
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


def whole_items(value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    """A list of ids.

    >>> whole_items(["a", 3.0])
    ['a', 3]
    """
    return [whole(each) for each in value] if isinstance(value, list) else value


def whole_ids(value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    """A list of objects that have ids.

    >>> whole_ids([{"id": 3.0, "score": 1.0}, {"score": 0.5}])
    [{'id': 3, 'score': 1.0}, {'score': 0.5}]
    """
    if not isinstance(value, list):
        return value
    return [each | {"id": whole(each["id"])} if isinstance(each, dict) and "id" in each else each for each in value]


def with_integers(fields: Mapping[str, Any], rewrites: Mapping[str, Rewrite]) -> dict[str, Any]:
    """Fields as they were sent, those that hold integers rewritten. Linear in what these hold."""
    return {name: rewrites[name](value) if name in rewrites else value for name, value in fields.items()}
