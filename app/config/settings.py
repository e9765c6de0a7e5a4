"""The table of settings: flags, variables, file keys, help and documentation are all derived from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from app.config.setting import Setting, about
from app.config.values import (
    Address,
    Choice,
    Directory,
    ExistingFile,
    Listen,
    ListOf,
    Name,
    NamedNumber,
    Number,
    Only,
    OrNone,
)

if TYPE_CHECKING:
    from app.model import Timing

_SERVICE = "Service"
_SERIES = "Series and memory"
_BASELINE = "Baseline and scores"
_LIFECYCLE = "Lifecycle"
_STATE = "State on disk"
_LIMITS = "Limits of a request"

ALARM_STATISTICS = (
    "mean_shift",
    "novelty",
    "mahalanobis",
    "spread",
    "joint",
    "norm",
    "top1",
    "invalid",
    "same_input",
    "query_document",
)
"""As app.drift.family has them, which brings numpy; a test compares the two."""

_COUNT = Number(int, at_least=1)
_DURATION = Number(float, above=0)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the exporter runs: every setting with its default. A name with a unit is in that unit."""

    listen: Address = field(
        default=Address("127.0.0.1", 10877),
        metadata=about(
            _SERVICE,
            Listen(),
            "ADDRESS:PORT",
            "Where to take events and answer scrapes. Open it beyond this machine or pod only with the files below, or "
            "where the network is trusted (docs/security.md). Port 0 takes any free port.",
            aliases=("--web.listen-address",),
        ),
    )
    metrics_listen: Address | None = field(
        default=None,
        metadata=about(
            _SERVICE,
            OrNone(Listen()),
            "ADDRESS:PORT",
            "A second address for whoever reads: /metrics, series, samples, comparisons and pages are then answered "
            "there and not at `listen`; health at both. None: all of it at `listen`.",
        ),
    )
    web_config_file: Path | None = field(
        default=None,
        metadata=about(
            _SERVICE,
            OrNone(ExistingFile()),
            "FILE",
            "TLS, client certificates, basic authentication and headers, in the format of Prometheus' exporter-toolkit "
            "(docs/security.md). Read again when it, or a file that it names, changes.",
            aliases=("--web.config.file",),
        ),
    )
    ingest_token_file: Path | None = field(
        default=None,
        metadata=about(
            _SERVICE,
            OrNone(ExistingFile()),
            "FILE",
            "Bearer tokens, one a line, one of which is wanted to send events and outcomes. Read again when it "
            "changes.",
        ),
    )
    read_token_file: Path | None = field(
        default=None,
        metadata=about(
            _SERVICE,
            OrNone(ExistingFile()),
            "FILE",
            "The same to scrape, and to see series, samples, comparisons and pages.",
        ),
    )
    admin_token_file: Path | None = field(
        default=None,
        metadata=about(
            _SERVICE,
            OrNone(ExistingFile()),
            "FILE",
            "The same for baselines and lifecycle events; it opens everything else as well. With tokens for another "
            "role and none here, nobody without a password may.",
        ),
    )
    workers: int = field(
        default=1,
        metadata=about(
            _SERVICE,
            Only(
                1, "the state lives in one process, and each of several would answer /metrics with its own part of it"
            ),
            "N",
            "Processes that serve.",
        ),
    )
    log_level: str = field(
        default="info",
        metadata=about(
            _SERVICE,
            Choice(("debug", "info", "warning", "error")),
            "LEVEL",
            "The least level that is logged. Requests are logged at debug alone.",
            aliases=("--log.level",),
        ),
    )
    log_format: str = field(
        default="logfmt",
        metadata=about(
            _SERVICE,
            Choice(("logfmt", "json")),
            "FORMAT",
            "How a log line on standard error is written.",
            aliases=("--log.format",),
        ),
    )
    shutdown_timeout_seconds: float = field(
        default=5.0,
        metadata=about(
            _SERVICE,
            Number(float, at_least=0),
            "SECONDS",
            "How long a stop waits for requests under way, in real time.",
        ),
    )
    time_scale: float = field(
        default=1.0,
        metadata=about(
            _SERVICE,
            _DURATION,
            "FACTOR",
            "Divides every duration of windows, panes, baselines and expiry alike, so that demonstrations and tests "
            "run the shipped configuration faster. Timeouts of requests and of the stop are not scaled. Leave it at 1 "
            "in production.",
        ),
    )

    max_series: int = field(
        default=64,
        metadata=about(
            _SERIES,
            _COUNT,
            "N",
            "Series (model, model version, tokenizer version, kind) held at once. Events past it are counted in one "
            "series labelled __other__, without drift scores.",
        ),
    )
    max_state_mib: int = field(
        default=512,
        metadata=about(
            _SERIES,
            _COUNT,
            "MIB",
            "Memory that all series together may take; past it, the same holds as past max_series. A series whose "
            "vectors have 768 numbers counts as 12 MiB: 64 of them want 768 (docs/performance.md, Memory).",
        ),
    )
    series_ttl_seconds: float = field(
        default=86400.0,
        metadata=about(
            _SERIES,
            _DURATION,
            "SECONDS",
            "A series without events for so long leaves /metrics. Its pinned baseline is kept.",
        ),
    )
    reserved_models: tuple[str, ...] = field(
        default=(),
        metadata=about(
            _SERIES,
            ListOf(Name(), "model names, separated by commas"),
            "MODEL",
            "Models whose series always find a place, whatever others send.",
        ),
    )
    slice_labels: tuple[str, ...] = field(
        default=(),
        metadata=about(
            _SERIES,
            ListOf(Name(), "label names, separated by commas"),
            "LABEL",
            "Names in the labels of events that are slices of the traffic, such as locale or cohort. Of each the first "
            "31 values are told apart. Other labels are ignored and counted.",
        ),
    )

    baseline: tuple[Path, ...] = field(
        default=(),
        metadata=about(
            _BASELINE,
            ListOf(ExistingFile(), "existing files, separated by commas"),
            "FILE",
            "Baselines to load at start: as exported by another replica, or samples (.npz) that say whose vectors they "
            "are (docs/baselines.md).",
        ),
    )
    input_hash_key_file: Path | None = field(
        default=None,
        metadata=about(
            _BASELINE,
            OrNone(ExistingFile()),
            "FILE",
            "The secret, at least 16 bytes, that input hashes and names of probes are hashed with before they are "
            "kept; white space around it does not count. None: the one in state_dir, or a random one for each process. "
            "Replicas, and restarts, that share a baseline file know its inputs only with the same secret.",
        ),
    )
    baseline_duration_seconds: float = field(
        default=86400.0,
        metadata=about(
            _BASELINE,
            _DURATION,
            "SECONDS",
            "The stretch of traffic that a pinned baseline is learned from.",
        ),
    )
    baseline_min_events: int = field(
        default=2000,
        metadata=about(
            _BASELINE,
            _COUNT,
            "N",
            "Events that a pinned baseline needs at least; it is learned for longer until they have come.",
        ),
    )
    min_window_events: int = field(
        default=200,
        metadata=about(
            _BASELINE,
            _COUNT,
            "N",
            "A window with fewer events than this has no drift scores.",
        ),
    )
    baselines: tuple[str, ...] = field(
        default=("pinned", "7d", "peer"),
        metadata=about(
            _BASELINE,
            ListOf(Choice(("pinned", "7d", "30d", "90d", "peer")), "names of baselines, separated by commas"),
            "BASELINE",
            "What windows are held against: pinned (or an uploaded one in its place), the trailing 7d, 30d and 90d, "
            "and peer, which is the version with the most traffic, or the one before a new one. Each costs some fifty "
            "samples a series.",
        ),
    )
    false_alarms_per_series_year: float = field(
        default=1.0,
        metadata=about(
            _BASELINE,
            _DURATION,
            "N",
            "The budget of false alarms that learned limits are made for: how often a year a healthy series may raise "
            "an alert of the shipped rules. More finds smaller changes sooner.",
        ),
    )
    drift_limits: tuple[tuple[str, float], ...] = field(
        default=(),
        metadata=about(
            _BASELINE,
            ListOf(NamedNumber(ALARM_STATISTICS), "NAME=NUMBER, separated by commas"),
            "NAME=NUMBER",
            "Limits of statistics that stand in for the learned ones, in the unit of each (docs/drift.md).",
        ),
    )
    poor_match_similarity: float | None = field(
        default=None,
        metadata=about(
            _BASELINE,
            OrNone(Number(float, at_least=-1, at_most=1)),
            "SIMILARITY",
            "A query whose best similarity is below this is a poor match. None: below the 5 % quantile of the "
            "pinned baseline.",
        ),
    )
    dimension: int | None = field(
        default=None,
        metadata=about(
            _BASELINE,
            OrNone(_COUNT),
            "N",
            "The dimension that every vector must have. None: for each series the majority of its first 100 vectors.",
        ),
    )

    state_dir: Path | None = field(
        default=None,
        metadata=about(
            _STATE,
            OrNone(Directory()),
            "DIRECTORY",
            "Where to keep baselines, windows and all else over restarts (docs/reliability.md); of one process alone. "
            "Saved every 15 seconds, which is what a crash may lose, and a baseline as soon as it is there. "
            "`embedding-drift-exporter check-state DIRECTORY` says what is in it and what of it is damaged. None: in "
            "memory only, and a restart learns anew.",
        ),
    )
    state_mode: str = field(
        default="snapshot",
        metadata=about(
            _STATE,
            Choice(("snapshot", "journal")),
            "MODE",
            "snapshot: everything is saved every 15 seconds, which is what a crash may lose, and a baseline at once. "
            "journal: besides, what a request adds is on disk before it is answered, and counters go on after a "
            "restart as if there had been none; needs state_dir.",
        ),
    )
    persist_vectors: str = field(
        default="full",
        metadata=about(
            _STATE,
            Choice(("full", "projected", "none")),
            "VECTORS",
            "Which vectors the state directory may hold: full, those of baselines and of the samples of windows; "
            "projected, 64 sums of each of a baseline's, by which novelty is measured then, with less power; none, "
            "none, and then what needs the baseline's own vectors is not judged after a restart until a new baseline "
            "is learned (docs/reliability.md).",
        ),
    )

    freshness_limit_seconds: float = field(
        default=900.0,
        metadata=about(
            _LIFECYCLE,
            _DURATION,
            "SECONDS",
            "A document that was ingested is fresh if it is indexed within this time, as POST /v1/lifecycle tells.",
        ),
    )

    max_dimension: int = field(default=8192, metadata=about(_LIMITS, _COUNT, "N", "Numbers in one vector."))
    max_top_k: int = field(default=1000, metadata=about(_LIMITS, _COUNT, "N", "Scores of one event."))
    max_batch_events: int = field(default=1000, metadata=about(_LIMITS, _COUNT, "N", "Events of one request."))
    max_body_mib: int = field(default=32, metadata=about(_LIMITS, _COUNT, "MIB", "A request body as it arrives."))
    max_inflated_mib: int = field(
        default=32, metadata=about(_LIMITS, _COUNT, "MIB", "A request body after decompression.")
    )
    max_label_bytes: int = field(
        default=128, metadata=about(_LIMITS, _COUNT, "BYTES", "A label value such as the model's name, in UTF-8.")
    )
    max_connections: int = field(
        default=512,
        metadata=about(
            _LIMITS,
            _COUNT,
            "N",
            "Connections open at once. A further one takes the place of the one that has waited longest for its "
            "client, idle or with half a request sent: whoever sends a request at once, as a scraper, is answered.",
        ),
    )
    max_waiting_requests: int = field(
        default=64,
        metadata=about(
            _LIMITS,
            _COUNT,
            "N",
            "Requests to ingest that wait for their turn at once; the next ones are answered with 429.",
        ),
    )
    max_inflight_mib: int = field(
        default=128,
        metadata=about(
            _LIMITS,
            _COUNT,
            "MIB",
            "Bodies to ingest held at once, whole or in part; past it requests are answered with 429.",
        ),
    )
    request_timeout_seconds: float = field(
        default=10.0,
        metadata=about(
            _LIMITS,
            _DURATION,
            "SECONDS",
            "The head of a request, and then its body, must each have arrived by then, and a handshake of TLS ended, "
            "in real time.",
        ),
    )

    def timing(self) -> Timing:
        """Every duration of the exporter with these settings, divided by `time_scale`.

        >>> Settings(time_scale=24.0).timing().baseline_duration_seconds
        3600.0
        """
        # Imported here because it brings numpy, which the command line does without.
        from app.model import Timing  # noqa: PLC0415

        return Timing(
            series_ttl_seconds=self.series_ttl_seconds,
            baseline_duration_seconds=self.baseline_duration_seconds,
        ).scaled(self.time_scale)


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(name=each.name, default=each.default, **each.metadata) for each in fields(Settings)
)
"""The table, in the order of the fields; a group's settings stand together."""
