"""The exporter itself, and what Alertmanager goes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus.alerts.alert import VALUE, Alert
from prometheus.thresholds import JOB, limit

EXPORTER: Final[Sequence[Alert]] = (
    Alert(
        "EmbeddingDriftExporterDown",
        "critical",
        "10m",
        f'  up{{job="{JOB}"}} == 0\n  or absent(up{{job="{JOB}"}})',
        "An exporter is down, or not scraped any more.",
        "{{ with $labels.instance }}The exporter at {{ . }} has{{ else }}"
        "All targets of job {{ $labels.job }} have{{ end }} been out of reach for 10 minutes: drift is not seen.",
        quiet=None,
        dashboard="exporter",
    ),
    Alert(
        "EmbeddingDriftEvaluationStale",
        "warning",
        "5m",
        f"  time() - embedding_exporter_last_evaluation_timestamp_seconds > {limit('evaluation_age_seconds')}",
        "Drift scores are not renewed.",
        "The exporter at {{ $labels.instance }} answers, but evaluated {{ $value | humanizeDuration }} ago: "
        "scores and windows are as old.",
        quiet=None,
        dashboard="exporter",
    ),
    Alert(
        "EmbeddingDriftSeriesFolded",
        "warning",
        "15m",
        "  increase(embedding_exporter_folded_events_total[15m]) > 0",
        "Events come past the limit of series and are not watched.",
        '{{ $value | printf "%.0f" }} events in the last 15 minutes at {{ $labels.instance }} were counted under '
        "the model __other__, without drift scores.",
        quiet=None,
        dashboard="exporter",
    ),
    Alert(
        "EmbeddingDriftStateNotSaved",
        "warning",
        "5m",
        f"  time() - embedding_exporter_state_last_success_timestamp_seconds > {limit('state_age_seconds')}",
        "The exporter cannot save its state.",
        "The state of the exporter at {{ $labels.instance }} was saved {{ $value | humanizeDuration }} ago: "
        "a restart loses what came since.",
        quiet=None,
        dashboard="exporter",
    ),
    Alert(
        "EmbeddingDriftRequestsShed",
        "warning",
        "30m",
        "  sum without (reason) (rate(embedding_exporter_shed_requests_total[5m])) > 0\n"
        '  or\n  sum without (reason) (rate(embedding_event_failures_total{reason="not_written"}[5m])) > 0',
        "The exporter turns requests away, again and again.",
        f"{VALUE} requests a second to {{{{ $labels.instance }}}} are answered with 429 or 503: events of senders "
        "that do not try again are lost.",
        quiet=None,
        dashboard="exporter",
    ),
    Alert(
        "EmbeddingDriftUnprotected",
        "warning",
        "1h",
        "  embedding_exporter_unprotected == 1",
        "Anybody who reaches the exporter may act in a role.",
        "The exporter at {{ $labels.instance }} can be reached from beyond its machine, and asks nobody who they are "
        "for the role {{ $labels.role }}.",
        quiet=None,
        dashboard="exporter",
    ),
    Alert(
        "EmbeddingDriftAccessNotReloaded",
        "warning",
        "15m",
        "  embedding_exporter_access_reload_failed == 1",
        "A file of access is wrong: the one before it holds.",
        "The exporter at {{ $labels.instance }} cannot read its new certificate, key, tokens or web configuration, and "
        "goes on with those it had: when they expire, nobody gets in.",
        quiet=None,
        dashboard="exporter",
    ),
    Alert(
        "EmbeddingDriftMaintenance",
        "none",
        "0s",
        "  model:embedding_maintenance:max == 1",
        "Maintenance is announced for a model: its alerts are inhibited.",
        "Maintenance of {{ $labels.model }} is announced. This alert tells nobody; Alertmanager inhibits by it.",
        quiet=None,
    ),
    Alert(
        "EmbeddingDriftWatchdog",
        "none",
        "0s",
        "  vector(1)",
        "Always firing: where it does not arrive, no alert does.",
        "The dead man's switch of this alerting pipeline. It is to fire always.",
        quiet=None,
        dashboard="exporter",
    ),
)
