"""Families about the exporter itself."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Final

from app import __version__
from app.evaluate import Evaluation
from app.metrics.family import Family, Source, single
from app.metrics.own import OwnTotals
from app.series.measuring import ROWS_PER_SECOND
from app.state import StateFacts
from app.store import StoreCounts


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the exporter knows of itself at a scrape."""

    own: OwnTotals
    store: StoreCounts
    evaluation: Evaluation
    state: StateFacts = field(default_factory=StateFacts)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


INTAKE: Final[tuple[Source[Vitals], ...]] = (
    Source(
        Family(
            "embedding_event_failures_total",
            "counter",
            ("reason",),
            "Events refused, by the reason told to their sender; a request that could not be read counts as one.",
        ),
        lambda vitals: [((reason,), count) for reason, count in vitals.own.failures.items()],
    ),
    Source(
        Family(
            "embedding_events_ignored_total",
            "counter",
            ("reason",),
            "Events left out on purpose: duplicate (its event_id was seen before) or late (too old for its window). "
            "unknown_label counts events that were kept, without a label that is not among slice_labels.",
        ),
        lambda vitals: [((reason,), count) for reason, count in vitals.store.ignored.items()],
    ),
)

EXPORTER: Final[tuple[Source[Vitals], ...]] = (
    Source(
        Family(
            "embedding_exporter_build_info",
            "gauge",
            ("version", "python_version"),
            "Always 1: the version of the exporter and of Python.",
        ),
        lambda _: [((__version__, platform.python_version()), 1)],
    ),
    Source(
        Family("embedding_exporter_series", "gauge", (), "Live series, without the one that others fold into."),
        single(lambda vitals: vitals.store.series),
    ),
    Source(
        Family("embedding_exporter_series_limit", "gauge", (), "Most series held at once: the setting max_series."),
        single(lambda vitals: vitals.store.series_limit),
    ),
    Source(
        Family(
            "embedding_exporter_folded_events_total",
            "counter",
            (),
            "Events past the limit of series or of memory: counted under the model __other__, without drift scores.",
        ),
        single(lambda vitals: vitals.store.folded_events),
    ),
    Source(
        Family(
            "embedding_exporter_novelty_sampled_ratio",
            "gauge",
            (),
            "Share of the vectors, of live series and since each has its baseline, that were measured in the frame: "
            "what novelty, mahalanobis, joint and pc1 rest on. Below 1 an even sample of the vectors past "
            f"{ROWS_PER_SECOND:g} a second and series is; that is no fault. Absent before the first.",
        ),
        single(lambda vitals: _ratio(vitals.evaluation.measured, vitals.evaluation.measurable)),
    ),
    Source(
        Family(
            "embedding_exporter_evaluation_duration_seconds",
            "gauge",
            (),
            "Seconds that the latest evaluation of all series took.",
        ),
        single(lambda vitals: vitals.evaluation.duration_seconds if vitals.evaluation.at else None),
    ),
    Source(
        Family(
            "embedding_exporter_last_evaluation_timestamp_seconds",
            "gauge",
            (),
            "Unix time of the latest evaluation: scores and windows are as of then.",
        ),
        single(lambda vitals: vitals.evaluation.at or None),
    ),
    Source(
        Family(
            "embedding_exporter_request_duration_seconds",
            "histogram",
            ("route", "code"),
            "Seconds from the first line of a request to the end of the reply, by route template and class of status "
            "code. Cumulative: use rate() or increase().",
        ),
        lambda vitals: sorted(vitals.own.requests.items()),
    ),
    Source(
        Family("embedding_exporter_connections", "gauge", (), "Open connections, at most the setting max_connections."),
        single(lambda vitals: vitals.own.watched.get("connections")),
    ),
    Source(
        Family(
            "embedding_exporter_waiting_requests",
            "gauge",
            (),
            "Requests to ingest whose bodies are there and whose turn has not come, at most max_waiting_requests.",
        ),
        single(lambda vitals: vitals.own.watched.get("waiting_requests")),
    ),
    Source(
        Family(
            "embedding_exporter_held_bytes",
            "gauge",
            (),
            "Bytes of bodies to ingest that are held, whole or in part, at most max_inflight_mib.",
        ),
        single(lambda vitals: vitals.own.watched.get("held_bytes")),
    ),
    Source(
        Family(
            "embedding_exporter_unprotected",
            "gauge",
            ("role",),
            "1 where anybody who can connect from beyond this machine may act in the role: ingest, read or admin. 0 "
            "with credentials or required client certificates, or on loopback.",
        ),
        lambda vitals: [
            ((name.removeprefix("unprotected_"),), value)
            for name, value in vitals.own.watched.items()
            if name.startswith("unprotected_")
        ],
    ),
    Source(
        Family(
            "embedding_exporter_access_reload_failed",
            "gauge",
            (),
            "1 while a file of access (web configuration, certificate, key, tokens) is wrong, so that what was read "
            "before it changed holds; the log says what is wrong.",
        ),
        single(lambda vitals: vitals.own.watched.get("access_reload_failed")),
    ),
    Source(
        Family(
            "embedding_exporter_closed_connections_total",
            "counter",
            ("reason",),
            "Connections closed on their clients: crowded (there were max_connections, and it had waited longest for "
            "its client, or found all others at work), slow_request (no whole head in time; bodies count under "
            "embedding_event_failures_total), slow_reader (a minute with a reply unread), head_too_large, malformed "
            "(not HTTP), handshake (of TLS: too slow, no fit certificate, or no TLS).",
        ),
        lambda vitals: [((reason,), count) for reason, count in vitals.own.closed.items()],
    ),
    Source(
        Family(
            "embedding_exporter_shed_requests_total",
            "counter",
            ("reason",),
            "Requests to ingest answered with 429, none of whose events were taken: requests (as many waited as may) "
            "or bytes (the bodies under way had as many as they may). Their senders may send them again.",
        ),
        lambda vitals: [((reason,), count) for reason, count in vitals.own.shed.items()],
    ),
    Source(
        Family(
            "embedding_exporter_scrape_duration_seconds",
            "gauge",
            (),
            "Seconds that the scrape before this one took to render.",
        ),
        single(lambda vitals: vitals.own.scrape_seconds),
    ),
)
