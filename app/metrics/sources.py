"""The family about who makes the vectors: each source with the tokenizer that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.evaluate import Evaluation
from app.evaluate.sources import MINIMUM_EVENTS, SOURCE_LABEL, SOURCE_WINDOW
from app.metrics.family import Family, Reading, Source


def _read(evaluation: Evaluation) -> Iterator[Reading]:
    for origin, tokenizer_version in evaluation.tokenizers.items():
        yield (*origin, tokenizer_version), 1


SOURCES: Final[tuple[Source[Evaluation], ...]] = (
    Source(
        Family(
            "embedding_source_tokenizer_info",
            "gauge",
            ("model", "kind", "source", "tokenizer_version"),
            f"1 with the tokenizer version that most events of each value of the slice label {SOURCE_LABEL} had in the "
            f"last {SOURCE_WINDOW}: two versions of one model are a client and a server that differ. Absent with fewer "
            f"than {MINIMUM_EVENTS} events, and unless {SOURCE_LABEL} is among slice_labels.",
        ),
        _read,
    ),
)
