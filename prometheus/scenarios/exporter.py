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
_SHED: Final = 'embedding_exporter_shed_requests_total{reason="requests"}'
_NOT_WRITTEN: Final = 'embedding_event_failures_total{reason="not_written"}'
_UNPROTECTED: Final = 'embedding_exporter_unprotected{role="ingest"}'
_NOT_RELOADED: Final = "embedding_exporter_access_reload_failed"
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
        "EmbeddingDriftRequestsShed",
        "warning",
        {_SHED: "0+60xN"},
        "37m",
        "30m",
        "1 requests a second to fires are answered with 429 or 503: events of senders that do not try again are lost.",
        about=ABOUT,
        silent={
            "none_since": {_SHED: "500+0xN"},
            "once": {_SHED: "0+0x5 500+0xN"},
            "now_and_then": {_SHED: "0+0x8 60+0x12 120+0x12 180+0xN"},
            "nan": {_SHED: NAN},
            "absent": {_SHED: None},
            "restarted": {_SHED: "500+0x20 0+0xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftRequestsShed",
        "warning",
        {_NOT_WRITTEN: "0+60xN"},
        "37m",
        "30m",
        "1 requests a second to fires are answered with 429 or 503: events of senders that do not try again are lost.",
        about=ABOUT,
        silent={
            "none_since": {_NOT_WRITTEN: "500+0xN"},
            "once": {_NOT_WRITTEN: "0+0x5 500+0xN"},
            "now_and_then": {_NOT_WRITTEN: "0+0x8 60+0x12 120+0x12 180+0xN"},
            "nan": {_NOT_WRITTEN: NAN},
            "absent": {_NOT_WRITTEN: None},
            "restarted": {_NOT_WRITTEN: "500+0x20 0+0xN"},
            "refused_for_another_reason": {_NOT_WRITTEN: None, _NOT_WRITTEN.replace("not_written", "norm"): "0+60xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftUnprotected",
        "warning",
        {_UNPROTECTED: "1+0xN"},
        "62m",
        "59m",
        "The exporter at fires can be reached from beyond its machine, and asks nobody who they are "
        "for the role ingest.",
        about=ABOUT,
        labels={"role": "ingest"},
        silent={
            "protected": {_UNPROTECTED: "0+0xN"},
            "mended": {_UNPROTECTED: "1+0x50 0+0xN"},
            "nan": {_UNPROTECTED: NAN},
            "absent": {_UNPROTECTED: None},
        },
    ),
    Scenario(
        "EmbeddingDriftAccessNotReloaded",
        "warning",
        {_NOT_RELOADED: "1+0xN"},
        "17m",
        "14m",
        "The exporter at fires cannot read its new certificate, key, tokens or web configuration, and "
        "goes on with those it had: when they expire, nobody gets in.",
        about=ABOUT,
        silent={
            "reloaded": {_NOT_RELOADED: "0+0xN"},
            "replaced_one_file_after_the_other": {_NOT_RELOADED: "1+0x10 0+0xN"},
            "nan": {_NOT_RELOADED: NAN},
            "absent": {_NOT_RELOADED: None},
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
