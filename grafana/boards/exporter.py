"""Exporter: its own health, what it costs, and what it leaves out."""

from __future__ import annotations

from typing import Final

from grafana.dashboard import Dashboard, Row
from grafana.panel import BELOW, stat, table, time_series
from grafana.query import Query, of, quantile, rate, threshold
from prometheus.thresholds import LIMITS

_SERIES: Final = of("embedding_exporter_series")
_LIMIT: Final = of("embedding_exporter_series_limit")

_STATE: Final = (
    stat(
        "Up",
        "Whether Prometheus could read the exporter at its last try. Down also where a scrape was refused: Prometheus' "
        "page of targets has the reason.",
        Query(of("up"), "{{instance}}"),
        mappings={0: ("down", "red"), 1: ("up", "green")},
        sparkline=False,
        limits=(("red", BELOW), ("green", 1)),
        none="no target",
    ),
    stat(
        "Running since",
        "When the process started. Often and lately is a crash loop.",
        Query(f"{of('process_start_time_seconds')} * 1000", "{{instance}}"),
        unit="dateTimeFromNow",
        sparkline=False,
    ),
    stat(
        "Last evaluation",
        "Age of the scores. Orange: twelve evaluations were missed, and what the dashboards show is old.",
        Query(f"time() - {of('embedding_exporter_last_evaluation_timestamp_seconds')}", "{{instance}}"),
        unit="s",
        limits=(("orange", LIMITS["evaluation_age_seconds"]),),
    ),
    stat(
        "Series, share of the limit",
        "Live series over the most that are held. At 100 % new ones are folded into one without drift scores: raise "
        "max_series.",
        Query(f"{_SERIES} / {_LIMIT}", "{{instance}}"),
        unit="percentunit",
        limits=(("orange", 0.9),),
    ),
    stat(
        "Folded events, last hour",
        "Events past the limit of series or of memory, without drift scores. 0 is right.",
        Query(f"increase({of('embedding_exporter_folded_events_total')}[1h])", "{{instance}}"),
        unit="short",
        limits=(("orange", 1),),
    ),
    table(
        "Versions",
        "Of the exporter and of its Python. Replicas should agree.",
        Query(f"max by (instance, version, python_version) ({of('embedding_exporter_build_info')})"),
        hidden=("Value",),
        width=4,
        height=4,
    ),
)

_INTAKE: Final = (
    time_series(
        "Events",
        "Accepted events per second, of each replica.",
        Query(rate("embedding_events_total", by="instance"), "{{instance}}"),
        unit="eps",
        bounds=(0, None),
    ),
    time_series(
        "Events refused",
        "Events per second that were refused, by the reason told to their sender: docs/http.md explains each. A step "
        "is a client that changed.",
        Query(rate("embedding_event_failures_total", by="reason"), "{{reason}}"),
        unit="eps",
        bounds=(0, None),
    ),
    time_series(
        "Left out on purpose",
        "Per second: events that were duplicate, late or with an unknown label; lifecycle messages that say nothing; "
        "outcomes whose query is not known.",
        Query(rate("embedding_events_ignored_total", by="reason"), "events, {{reason}}"),
        Query(rate("embedding_lifecycle_ignored_total", by="reason"), "lifecycle, {{reason}}"),
        Query(rate("embedding_outcomes_unmatched_total", by="instance"), "outcomes, unmatched"),
        unit="eps",
        bounds=(0, None),
    ),
    time_series(
        "Requests",
        "Requests per second by route and class of status. 5xx is the exporter's fault, 4xx the sender's.",
        Query(
            rate("embedding_exporter_request_duration_seconds_bucket", by="route, code", le="+Inf"),
            "{{route}} {{code}}",
        ),
        unit="reqps",
        bounds=(0, None),
    ),
    time_series(
        "Duration of requests, p99",
        "99 % of the requests were answered within this time, by route.",
        Query(quantile(0.99, "embedding_exporter_request_duration_seconds", by="route"), "{{route}}"),
        unit="s",
        bounds=(0, None),
    ),
    time_series(
        "Traffic that the events stand for",
        "Events per second of the whole traffic, each accepted one counted by its sample rate, beside those accepted. "
        "Apart is sampling.",
        Query(rate("embedding_represented_events_total", by="model"), "{{model}}, represented"),
        Query(rate("embedding_events_total", by="model"), "{{model}}, accepted"),
        unit="eps",
        bounds=(0, None),
    ),
    time_series(
        "Requests turned away",
        "Requests per second to ingest that were told to come again, and why: as many wait as may (requests), bodies "
        "under way hold all the memory that they may (bytes), or the journal cannot be written (not_written).",
        Query(rate("embedding_exporter_shed_requests_total", by="reason"), "{{reason}}"),
        Query(rate("embedding_event_failures_total", by="reason", reason="not_written"), "{{reason}}"),
        unit="reqps",
        bounds=(0, None),
    ),
    time_series(
        "Requests waiting",
        "Requests whose bodies are there and whose turn has not come. Past max_waiting_requests they are turned away.",
        Query(of("embedding_exporter_waiting_requests"), "{{instance}}"),
        unit="short",
        bounds=(0, None),
    ),
    time_series(
        "Connections closed",
        "Connections per second that were closed on their clients, and why: slow, not HTTP, in the way of new ones.",
        Query(rate("embedding_exporter_closed_connections_total", by="reason"), "{{reason}}"),
        unit="ops",
        bounds=(0, None),
    ),
)

_WORK: Final = (
    time_series(
        "Duration of an evaluation",
        "Seconds that scoring all series took; there is one every ten seconds. Near ten is too many series for the "
        "CPU.",
        Query(of("embedding_exporter_evaluation_duration_seconds"), "{{instance}}"),
        unit="s",
        bounds=(0, None),
    ),
    time_series(
        "Age of scores",
        "Time since the last evaluation. The dashed line is a ticket.",
        Query(f"time() - {of('embedding_exporter_last_evaluation_timestamp_seconds')}", "{{instance}}"),
        Query(threshold("evaluation_age_seconds"), "limit", is_limit=True),
        unit="s",
        bounds=(0, None),
    ),
    time_series(
        "Vectors measured in the frame",
        "Share of the vectors that novelty and its kin rest on. Below 1 is an even sample of more than 200 a second "
        "and series, and no fault.",
        Query(of("embedding_exporter_novelty_sampled_ratio"), "{{instance}}"),
        unit="percentunit",
        bounds=(0, 1),
    ),
    time_series(
        "Series",
        "Live series, and the most that are held (dashed).",
        Query(_SERIES, "{{instance}}"),
        Query(_LIMIT, "{{instance}}, limit", is_limit=True),
        unit="short",
        bounds=(0, None),
    ),
    time_series(
        "Events folded",
        "Events per second past the limit of series or of memory.",
        Query(rate("embedding_exporter_folded_events_total", by="instance"), "{{instance}}"),
        unit="eps",
        bounds=(0, None),
    ),
    time_series(
        "State, age",
        "Time since the state was last saved: what a restart would lose. The dashed line is a ticket.",
        Query(
            f"time() - {of('embedding_exporter_state_last_success_timestamp_seconds')}",
            "{{instance}}",
        ),
        Query(threshold("state_age_seconds"), "limit", is_limit=True),
        unit="s",
        bounds=(0, None),
    ),
)

_COST: Final = (
    time_series(
        "Duration of a scrape",
        "Seconds to render /metrics, as the exporter measured, and to fetch it, as Prometheus did. Near the scrape "
        "timeout points go missing.",
        Query(of("embedding_exporter_scrape_duration_seconds"), "{{instance}}, rendered"),
        Query(of("scrape_duration_seconds"), "{{instance}}, fetched"),
        unit="s",
        bounds=(0, None),
    ),
    time_series(
        "Samples of a scrape",
        "What Prometheus has to store each time. A full series has at most 350.",
        Query(of("scrape_samples_scraped"), "{{instance}}"),
        unit="short",
        bounds=(0, None),
    ),
    time_series(
        "CPU",
        "CPU seconds per second: 1 is one core.",
        Query(rate("process_cpu_seconds_total", by="instance"), "{{instance}}"),
        unit="short",
        bounds=(0, None),
    ),
    time_series(
        "Memory",
        "Resident memory of the process. It grows with series, up to max_state_mib and the interpreter.",
        Query(of("process_resident_memory_bytes"), "{{instance}}"),
        unit="bytes",
        bounds=(0, None),
    ),
    time_series(
        "Open files",
        "File descriptors in use over those that are allowed. Near 1 connections are refused.",
        Query(f"{of('process_open_fds')} / {of('process_max_fds')}", "{{instance}}"),
        unit="percentunit",
        bounds=(0, None),
    ),
    time_series(
        "Garbage collections",
        "Of Python, per second and generation. Often in generation 2 is memory under pressure.",
        Query(rate("python_gc_collections_total", by="instance, generation"), "{{instance}} generation {{generation}}"),
        unit="ops",
        bounds=(0, None),
    ),
)

EXPORTER: Final = Dashboard(
    "exporter",
    "Embedding drift / Exporter",
    "The exporter itself: whether it is there, what it takes in and leaves out, what its work costs.",
    (Row("State", _STATE), Row("Intake", _INTAKE), Row("Work", _WORK), Row("Cost", _COST)),
    (),
)
