"""Versions, deployments and baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus.alerts.alert import AS_MODEL, WHO, Alert
from prometheus.thresholds import FROZEN, LIMITS, in_seconds, limit, number, seconds

_SERIES: Final = "on (job, instance, model, model_version, tokenizer_version, kind)"
_REPLICAS: Final = "instance, pod"
_VERSIONS: Final = "model_version, tokenizer_version"
_SHARE: Final = number(100 * LIMITS["version_share"])

VERSIONS: Final[Sequence[Alert]] = (
    Alert(
        "EmbeddingDriftCanaryFailed",
        "critical",
        "5m",
        f'  max without (result, {_REPLICAS}) (embedding_canary_result{{result="fail"}}) == 1',
        "A canary is worse than what it is to replace.",
        "The comparison of " + WHO + " with the version in use says fail.",
    ),
    Alert(
        "EmbeddingDriftMixedVersions",
        "warning",
        "1h",
        f"  count without ({_VERSIONS}) "
        f"(version:embedding_events_per_model:ratio_rate15m > {limit('version_share')}) > 1\n"
        f"  and sum without ({_VERSIONS}) (version:embedding_events:rate15m) * {in_seconds(seconds('15m'))}\n"
        f"    >= {limit('version_events')}\n"
        f"  unless {AS_MODEL} model:embedding_rollout_in_progress:max",
        "Several versions answer side by side, and no roll-out is announced.",
        f"{{{{ $value }}}} versions of {{{{ $labels.model }}}} ({{{{ $labels.kind }}}}) each have more than {_SHARE} % "
        "of the events of the last 15 minutes. Vectors of different versions do not belong into one index.",
        quiet="20m",
    ),
    Alert(
        "EmbeddingDriftUnannouncedVersion",
        "warning",
        "30m",
        # Only where versions are announced at all, and only of what came after an announced one.
        f"  version:embedding_events_per_model:ratio_rate15m > {limit('version_share')}\n"
        f"  and max without ({_REPLICAS}) (embedding_version_announced) == 0\n"
        f"  and min without ({_REPLICAS}) (embedding_version_first_seen_timestamp_seconds)\n"
        f"    > ignoring ({_VERSIONS}) group_left ()\n"
        f"      min without ({_REPLICAS}, {_VERSIONS}) "
        "(embedding_version_first_seen_timestamp_seconds and embedding_version_announced == 1)\n"
        "  and on (job, namespace, model, kind) (\n"
        f"    sum without ({_VERSIONS}) (version:embedding_events:rate15m) * {in_seconds(seconds('15m'))}\n"
        f"    >= {limit('version_events')}\n  )",
        "A version that nobody announced takes traffic.",
        WHO
        + " has {{ $value | humanizePercentage }} of the events of the last 15 minutes, and no deployment of it was "
        "announced, as others of the model were.",
        quiet="20m",
    ),
    Alert(
        "EmbeddingDriftCanaryRollbackRate",
        "warning",
        "1h",
        '  sum without (result) (model:embedding_canary_deployments:increase30d{result="rolled_back"})\n'
        "    / sum without (result) (model:embedding_canary_deployments:increase30d) "
        f"> {limit('rollback_ratio')}\n"
        # Sums of increases are a little off whole numbers.
        "  and sum without (result) (model:embedding_canary_deployments:increase30d) "
        f"> {limit('rollback_deployments')} - 0.5",
        "Too many canaries are rolled back.",
        "{{ $value | humanizePercentage }} of the canary deployments of {{ $labels.model }} in the last 30 days were "
        f"rolled back; the target is {number(100 * LIMITS['rollback_ratio'])} %.",
    ),
    Alert(
        "EmbeddingDriftBaselineOld",
        "warning",
        "1h",
        f'  time() - embedding_baseline_created_timestamp_seconds{{baseline=~"{FROZEN}"}} '
        f"> {limit('baseline_age_seconds')}",
        "A baseline is so old that it says little of today.",
        "The {{ $labels.baseline }} baseline of "
        + WHO
        + " ({{ $labels.kind }}) is {{ $value | humanizeDuration }} old.",
    ),
    Alert(
        "EmbeddingDriftBaselineMissing",
        "warning",
        "1h",
        '  time() - embedding_version_first_seen_timestamp_seconds{model!="__other__"} '
        f"> {limit('baseline_learning_seconds')}\n"
        f"  unless {_SERIES} "
        f'(embedding_baseline_state{{baseline=~"{FROZEN}", state=~"provisional|final"}} == 1)\n'
        f"  and increase(embedding_events_total[1d]) >= {limit('baseline_learning_events')}",
        "A series has traffic and no baseline to compare it with.",
        WHO + " ({{ $labels.kind }}) was first seen {{ $value | humanizeDuration }} ago and has no baseline yet: "
        "nothing about it can drift.",
    ),
    Alert(
        "EmbeddingDriftBaselineLearnedAfterChange",
        "warning",
        "10m",
        # The predecessor is the same model and kind, seen an hour earlier at least.
        "  embedding_baseline_created_timestamp_seconds"
        f'{{baseline="pinned"}} > time() - {limit("baseline_review_seconds")}\n'
        "  and ignoring (origin, id, peer_model_version, peer_tokenizer_version) "
        'embedding_baseline_info{baseline="pinned", origin="learned"}\n'
        f"  and {_SERIES} (\n"
        "    embedding_version_first_seen_timestamp_seconds\n"
        f"      > ignoring ({_VERSIONS}) group_left ()\n"
        f"        min without ({_VERSIONS}) (embedding_version_first_seen_timestamp_seconds) + {in_seconds(3600)}\n"
        "  )",
        "The baseline of a new version was learned from its own traffic.",
        "The {{ $labels.baseline }} baseline of "
        + WHO
        + " ({{ $labels.kind }}) was learned after the version changed: "
        "whatever is wrong with the version counts as normal. Compare it with its predecessor, then keep it or not.",
    ),
)
