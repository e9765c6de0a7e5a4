"""The family about roll-outs: each version that has a peer, judged against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.canary import Verdict
from app.evaluate import CANARY_WINDOW, Evaluation
from app.metrics.family import Family, Reading, Source


def _results(evaluation: Evaluation) -> Iterator[Reading]:
    for key, comparison in sorted(evaluation.canaries.items(), key=lambda item: item[0]):
        for verdict in Verdict:
            yield (*key[:3], verdict), int(comparison.result is verdict)


CANARY: Final[tuple[Source[Evaluation], ...]] = (
    Source(
        Family(
            "embedding_canary_result",
            "gauge",
            ("model", "model_version", "tokenizer_version", "result"),
            f"1 for what holding the version's queries of the last {CANARY_WINDOW} against those of its peer (the "
            "version with the most traffic, or for that one the version before) comes to with the default limits of "
            "GET /v1/compare: pass, fail or inconclusive. 0 for the others. Absent without another version.",
        ),
        _results,
    ),
)
