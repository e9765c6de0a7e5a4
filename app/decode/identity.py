"""Which series each event belongs to, and the vector space of each series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.decode.errors import Refused
from app.decode.event import clean_name, series_key
from app.decode.fields import Refusals, Sent, judged
from app.decode.limits import Limits
from app.model import SeriesKey

Keys = tuple[SeriesKey, ...]


def series(sent: Sent, limits: Limits, refusals: Refusals, first: NDArray[np.intp]) -> tuple[Keys, NDArray[np.intp]]:
    """The distinct series, and the position of each event's among them. Every spelling is judged once.

    `first` is the position of each event's if all are of one series: a zero for each event.
    """
    n = len(first)
    columns = [sent.get(field) for field in ("model", "model_version", "tokenizer_version", "kind")]
    if n and all(column is None or column.count(column[0]) == n for column in columns):
        # One series, as in nearly all batches.
        try:
            return (series_key(*[column and column[0] for column in columns], limits.label_bytes),), first
        except Refused as refusal:
            refusals.update(dict.fromkeys(range(n), refusal))
            return (), first
    nothing = (None,) * n
    spellings = list(zip(*[column or nothing for column in columns], strict=True))
    known: dict[tuple[str | None, ...], int | Refused] = {}
    keys: dict[SeriesKey, int] = {}
    key_index = []
    for i, spelling in enumerate(spellings):
        position = known.get(spelling)
        if position is None:
            try:
                position = keys.setdefault(series_key(*spelling, limits.label_bytes), len(keys))
            except Refused as refusal:
                position = refusal
            known[spelling] = position
        if isinstance(position, Refused):
            refusals.setdefault(i, position)
            position = 0
        key_index.append(position)
    return tuple(keys), first if len(keys) <= 1 else np.array(key_index, dtype=np.intp)


def spaces(sent: Sent, keys: Keys, key_index: NDArray[np.intp], limits: Limits, refusals: Refusals) -> tuple[str, ...]:
    """The vector space of each series: as the last of its events said that names one, else the default."""
    found = [key.default_space for key in keys]
    named = judged(sent, "space", lambda text: clean_name("space", text, limits.label_bytes), None, refusals)
    if named is not None and keys:
        for position, space in zip(key_index, named, strict=True):
            if space:
                found[position] = space
    return tuple(found)
