"""Which tokenizer each source of a model's events uses: a client and a server that differ embed one text as two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from app.evaluate.look import Look
from app.evaluate.views import Origin

SOURCE_LABEL: Final = "source"
"""The slice label that names who made the vector."""

SOURCE_WINDOW: Final = "1h"

MINIMUM_EVENTS: Final = 100
"""A source with fewer in the window is not told: a stray event is no deployment."""


def tokenizers(looks: Iterable[Look]) -> dict[Origin, str]:
    """The tokenizer version that most events of each source had in the last hour."""
    versions: dict[Origin, Counter[str]] = {}
    for look in looks:
        key, labels = look.series.key, look.windows[SOURCE_WINDOW].pane.labels
        for (name, value), count in labels.counts.items() if labels else ():
            if name == SOURCE_LABEL:
                versions.setdefault(Origin(key.model, key.kind, value), Counter())[key.tokenizer_version] += count
    return {
        origin: counts.most_common(1)[0][0]
        for origin, counts in sorted(versions.items())
        if counts.total() >= MINIMUM_EVENTS
    }
