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
    nothing = (None,) * len(first)
    models, versions, tokenizers = sent.get("model"), sent.get("model_version"), sent.get("tokenizer_version")
    kinds = sent.get("kind")
    spellings = list(zip(models or nothing, versions or nothing, tokenizers or nothing, kinds or nothing, strict=True))
    if spellings and spellings.count(spellings[0]) == len(spellings):
        try:
            return (series_key(*spellings[0], limits.label_bytes),), first
        except Refused as refusal:
            refusals.update(dict.fromkeys(range(len(spellings)), refusal))
            return (), first
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
