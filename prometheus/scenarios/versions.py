"""When alerts of versions, deployments and baselines fire, and when they must not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus.scenarios.scenario import MODEL, SERIES, VERSION, Scenario, Values, staircase

NAN: Final = "NaN+0xN"
_ONE: Final = 'embedding_events_total{model_version="1"}'
_TWO: Final = 'embedding_events_total{model_version="2"}'
_CANARY: Final = 'embedding_canary_result{result="fail"}'
_TOLD: Final = {version: f'embedding_version_announced{{model_version="{version}"}}' for version in ("1", "2")}
_SEEN: Final = {
    version: f'embedding_version_first_seen_timestamp_seconds{{model_version="{version}"}}' for version in ("1", "2")
}
_CREATED: Final = 'embedding_baseline_created_timestamp_seconds{baseline="pinned"}'
_CREATED_TWO: Final = 'embedding_baseline_created_timestamp_seconds{model_version="2",baseline="pinned"}'
_BOTH: Final[Values] = {_ONE: "0+10xN", _TWO: "0+10xN"}


def _info(origin: str) -> str:
    return (
        f'embedding_baseline_info{{model_version="2",baseline="pinned",origin="{origin}",id="c0ffee",'
        'peer_model_version="",peer_tokenizer_version=""}'
    )


def _deployed(status: str) -> str:
    return (
        f'embedding_deployment_timestamp_seconds{{track="stable",status="{status}",model_version="2",'
        'tokenizer_version="1"}'
    )


def _state(state: str) -> str:
    return f'embedding_baseline_state{{baseline="pinned",state="{state}"}}'


VERSIONS: Final[Sequence[Scenario]] = (
    Scenario(
        "EmbeddingDriftCanaryFailed",
        "critical",
        {_CANARY: "1+0xN"},
        "6m",
        "4m",
        "The comparison of fires 1 (tokenizer 1) with the version in use says fail.",
        about=tuple(label for label in VERSION if label != "kind"),
        silent={
            "inconclusive": {_CANARY: "0+0xN", 'embedding_canary_result{result="inconclusive"}': "1+0xN"},
            "nan": {_CANARY: NAN},
            "absent": {_CANARY: None},
        },
    ),
    Scenario(
        "EmbeddingDriftMixedVersions",
        "warning",
        _BOTH,
        "68m",
        "60m",
        "2 versions of fires (query) each have more than 5 % of the events of the last 15 minutes. Vectors of "
        "different versions do not belong into one index.",
        about=MODEL,
        silent={
            "too_few_events": {_ONE: "0+1xN", _TWO: "0+1xN"},
            "a_trace_of_the_other": {_TWO: "0+0.5xN"},
            "rolling_out": {_deployed("started"): "60+0xN", _deployed("finished"): "30+0xN"},
            "first_roll_out": {_deployed("started"): "60+0xN"},
            "nan": {_TWO: NAN},
            "absent": {_TWO: None},
            "lingering": {_TWO: "5000+0xN"},
            "restarted": {_ONE: "9000+10x30 0+10xN", _TWO: "9000+0x30 0+0xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftUnannouncedVersion",
        "warning",
        dict(_BOTH) | {_TOLD["1"]: "1+0xN", _TOLD["2"]: "0+0xN", _SEEN["1"]: "-9000+0xN", _SEEN["2"]: "-5000+0xN"},
        "37m",
        "30m",
        "fires 2 (tokenizer 1) has 50% of the events of the last 15 minutes, and no deployment of it was announced, as "
        "others of the model were.",
        about=VERSION,
        labels={"model_version": "2"},
        silent={
            "too_few_events": {_ONE: "0+1xN", _TWO: "0+1xN"},
            "announced": {_TOLD["2"]: "1+0xN"},
            "none_is_ever_announced": {_TOLD["1"]: "0+0xN"},
            "older_than_announcements": {_SEEN["2"]: "-10000+0xN"},
            "nan": {_TWO: NAN},
            "absent": {_TWO: None},
            "restarted": {_TWO: "9000+0x15 0+0xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftBaselineOld",
        "warning",
        {_CREATED: "-7862400+0xN"},
        "61m",
        "59m",
        "The pinned baseline of fires 1 (tokenizer 1) (query) is 91d 1h 1m 0s old.",
        labels={"baseline": "pinned"},
        silent={
            "young": {_CREATED: "-7000000+0xN"},
            "nan": {_CREATED: NAN},
            "absent": {_CREATED: None},
        },
    ),
    Scenario(
        "EmbeddingDriftBaselineMissing",
        "warning",
        {_SEEN["1"]: "-691200+0xN", 'embedding_events_total{model_version="1"}': "0+50xN", _state("learning"): "1+0xN"},
        "64m",
        "60m",
        "fires 1 (tokenizer 1) (query) was first seen 8d 1h 4m 0s ago and has no baseline yet: nothing about it can "
        "drift.",
        silent={
            "too_few_events": {_ONE: "0+0.5xN"},
            "final": {_state("final"): "1+0xN"},
            "provisional": {_state("provisional"): "1+0xN"},
            "new": {_SEEN["1"]: "-6000+0xN"},
            "nan": {_SEEN["1"]: NAN},
            "absent": {_SEEN["1"]: None},
            "restarted": {_ONE: "9000+0.5x30 0+0.5xN"},
        },
    ),
    Scenario(
        "EmbeddingDriftBaselineLearnedAfterChange",
        "warning",
        {
            _SEEN["1"]: "-90000+0xN",
            _SEEN["2"]: "-5000+0xN",
            _CREATED_TWO: "0+0xN",
            _info("learned"): "1+0xN",
        },
        "11m",
        "9m",
        "The pinned baseline of fires 2 (tokenizer 1) (query) was learned after the version changed: whatever is wrong "
        "with the version counts as normal. Compare it with its predecessor, then keep it or not.",
        about=SERIES,
        labels={"model_version": "2", "baseline": "pinned"},
        silent={
            "first_version": {_SEEN["1"]: None},
            "loaded_from_a_file": {_info("learned"): None, _info("file"): "1+0xN"},
            "long_ago": {_CREATED_TWO: "-700000+0xN"},
            "nan": {_CREATED_TWO: NAN},
            "absent": {_CREATED_TWO: None},
        },
    ),
)


def _deployments(result: str) -> str:
    return f'embedding_deployments_total{{track="canary",result="{result}"}}'


_FINISHED: Final = _deployments("finished")
_ROLLED_BACK: Final = _deployments("rolled_back")
_CANARIES: Final = (0, *range(19), 18)

LONG: Final[Sequence[Scenario]] = (
    Scenario(
        "EmbeddingDriftCanaryRollbackRate",
        "warning",
        {_FINISHED: " ".join(staircase(*_CANARIES)), _ROLLED_BACK: " ".join(staircase(0, 0, 1, 2, *[2] * 18))},
        "1260m",
        "120m",
        "10% of the canary deployments of fires in the last 30 days were rolled back; the target is 5 %.",
        about=("job", "model"),
        silent={
            "too_few_deployments": {_FINISHED: " ".join(staircase(*(min(count, 6) for count in _CANARIES)))},
            "none_rolled_back": {_ROLLED_BACK: "0+0xN"},
            "nan": {_ROLLED_BACK: NAN},
            "absent": {_ROLLED_BACK: None},
            "restarted": {_ROLLED_BACK: "9+0x600 0+0xN"},
        },
    ),
)
