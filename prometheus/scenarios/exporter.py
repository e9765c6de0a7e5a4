"""When alerts about the exporter fire, and when they must not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus.scenarios.scenario import EXPORTER as ABOUT
from prometheus.scenarios.scenario import Scenario
from prometheus.thresholds import JOB

NAN: Final = "NaN+0xN"
_EVALUATED: Final = "embedding_exporter_last_evaluation_timestamp_seconds"
_FOLDED: Final = "embedding_exporter_folded_events_total"
_SAVED: Final = "embedding_exporter_state_last_success_timestamp_seconds"
_MAINTENANCE: Final = "embedding_maintenance"

EXPORTER: Final[Sequence[Scenario]] = (
    Scenario(
        "EmbeddingDriftExporterDown",
        "critical",
        {"up": "0+0xN"},
        "11m",
        "9m",
        "The exporter at fires has been out of reach for 10 minutes: drift is not seen.",
        about=ABOUT,
        silent={
            "up": {"up": "1+0xN"},
            "missed_a_few_scrapes": {"up": "0+0x8 1+0x1 0+0xN"},
            "nan": {"up": NAN},
            "absent": {"up": None},
        },
    ),
    Scenario(
        "EmbeddingDriftExporterDown",
        "critical",
        {"up": None},
        "11m",
        "9m",
        f"All targets of job {JOB} have been out of reach for 10 minutes: drift is not seen.",
        about=("job",),
    ),
    Scenario(
        "EmbeddingDriftEvaluationStale",
        "warning",
        {_EVALUATED: "0+0xN"},
        "9m",
        "6m",
        "The exporter at fires answers, but evaluated 9m 0s ago: scores and windows are as old.",
        about=ABOUT,
        silent={
            "evaluating": {_EVALUATED: "0+60xN"},
            "nan": {_EVALUATED: NAN},
            "absent": {_EVALUATED: None},
        },
    ),
    Scenario(
        "EmbeddingDriftSeriesFolded",
        "warning",
        {_FOLDED: "0+10xN"},
        "32m",
        "15m",
        "150 events in the last 15 minutes at fires were counted under the model __other__, without drift scores.",
        about=ABOUT,
        silent={
            "none_since": {_FOLDED: "500+0xN"},
            "nan": {_FOLDED: NAN},
            "absent": {_FOLDED: None},
            "restarted": {_FOLDED: "500+0x20 0+0xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftStateNotSaved",
        "warning",
        {_SAVED: "0+0xN"},
        "12m",
        "9m",
        "The state of the exporter at fires was saved 12m 0s ago: a restart loses what came since.",
        about=ABOUT,
        silent={
            "saving": {_SAVED: "0+60xN"},
            "nan": {_SAVED: NAN},
            "absent": {_SAVED: None},
        },
    ),
    Scenario(
        "EmbeddingDriftMaintenance",
        "none",
        {_MAINTENANCE: "0+0x4 1+0xN"},
        "6m",
        "4m",
        "Maintenance of fires is announced. This alert tells nobody; Alertmanager inhibits by it.",
        about=("job", "model"),
        silent={
            "none_announced": {_MAINTENANCE: "0+0xN"},
            "nan": {_MAINTENANCE: NAN},
            "absent": {_MAINTENANCE: None},
        },
    ),
    Scenario(
        "EmbeddingDriftWatchdog",
        "none",
        {"up": "1+0xN"},
        "1m",
        None,
        "The dead man's switch of this alerting pipeline. It is to fire always.",
        about=(),
    ),
)
