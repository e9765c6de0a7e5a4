"""When alerts of drift fire, and when they must not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus.scenarios.scenario import Scenario, Values

NAN: Final = "NaN+0xN"


def _score(window: str, statistic: str = "novelty", signal: str = "embedding", baseline: str = "pinned") -> str:
    return f'embedding_drift_score{{window="{window}",baseline="{baseline}",signal="{signal}",statistic="{statistic}"}}'


def _events(window: str, signal: str = "embedding") -> str:
    return f'embedding_window_events{{window="{window}",signal="{signal}"}}'


def _state(state: str, baseline: str = "pinned") -> str:
    return f'embedding_baseline_state{{baseline="{baseline}",state="{state}"}}'


def _effect(name: str, window: str, baseline: str = "pinned") -> str:
    return f'embedding_{name}{{window="{window}",baseline="{baseline}"}}'


def _provisional(baseline: str = "pinned") -> Values:
    return {_state("final", baseline): "0+0xN", _state("provisional", baseline): "1+0xN"}


_SHARE: Final = "changed_share_lower_bound"


def _moved(window: str, share: str, baseline: str = "pinned") -> Values:
    """Vectors that are beyond the limit by novelty, with an effect of this size."""
    return {
        _score(window, baseline=baseline): "13+0xN",
        # Another that has not moved must not hide it.
        _score(window, "spread", baseline=baseline): "0.2+0xN",
        _events(window): "500+0xN",
        _effect(_SHARE, window, baseline): f"{share}+0xN",
        _effect("mean_displacement", window, baseline): "-0.02+0xN",
        _state("final", baseline): "1+0xN",
    }


def _silent(window: str, small: str, baseline: str = "pinned") -> dict[str, Values]:
    return {
        "too_few_events": {_events(window): "199+0xN"},
        "small_effect": {_effect(_SHARE, window, baseline): f"{small}+0xN"},
        "at_the_limit": {_score(window, baseline=baseline): "1+0xN"},
        "nan": {_score(window, baseline=baseline): NAN},
        "nan_effect": {_effect(_SHARE, window, baseline): NAN},
        "absent": {_score(window, baseline=baseline): None},
        "no_baseline": {_state("final", baseline): None},
        "interrupted": {_score(window, baseline=baseline): "13+0x4 0.5+0x0 13+0x4 0.5+0xN"},
        # What is below 0 once noise is taken off it is no displacement, whoever vouches for it.
        "moved_by_less_than_chance": {
            _effect(_SHARE, window, baseline): "0+0xN",
            _score(window, "joint", baseline=baseline): "13+0xN",
            _effect("mean_displacement", window, baseline): "-9+0xN",
        },
        # An effect that is large by chance, and a score that says nothing of it.
        "by_another_statistic": {
            _score(window, baseline=baseline): "0.9+0xN",
            _score(window, "norm", baseline=baseline): "13+0xN",
        },
        "against_a_peer": {
            _score(window, baseline=baseline): None,
            _score(window, "spread", baseline=baseline): None,
            _score(window, baseline="peer"): "13+0xN",
            _effect(_SHARE, window, "peer"): "0.5+0xN",
            _state("final", "peer"): "1+0xN",
        },
    }


def _told(window: str, share: float, *, estimate: str = "", suspect: str = "", baseline: str = "pinned") -> str:
    return (
        f"The vectors of fires 1 (tokenizer 1) (query) in the last {window} score 13 against the {baseline} baseline; "
        f"1 is the limit. At least {share:.0%}{estimate} are unlike anything in the baseline. "
        f"Effects: changed_share_lower_bound {share:g}, mean_displacement 0.{suspect}"
    )


def _unworthy_of_a_page(window: str) -> dict[str, Values]:
    return _silent(window, "0.05") | {
        "provisional": _provisional(),
        # At 0.07 no more than 0.05 is beyond 1.3 limits.
        "barely_beyond": {_score(window): "4.5+0xN"},
    }


_SEVERE: Final = (
    Scenario(
        "EmbeddingDriftSevere",
        "critical",
        dict(_moved("1h", "0.07"))
        | {
            _effect("changed_share", "1h"): "0.1+0xN",
            'embedding_drift_suspect{baseline="pinned",cause="new_topics"}': "1+0xN",
            'embedding_drift_suspect{baseline="pinned",cause="flood_of_one_query"}': "1+0xN",
            'embedding_drift_suspect{baseline="pinned",cause="collapsed"}': "0+0xN",
        },
        "11m",
        "9m",
        _told(
            "1h",
            0.07,
            estimate=" (best estimate 10%)",
            suspect=" Suspected: flood_of_one_query, new_topics.",
        ),
        labels={"window": "1h", "baseline": "pinned", "confirmed": "no"},
        silent=_unworthy_of_a_page("1h") | {"few_events": {_events("1h"): "499+0xN"}},
    ),
    Scenario(
        "EmbeddingDriftSevere",
        "critical",
        dict(_moved("1h", "0.07")) | {_events("1h"): "499+0xN"},
        "66m",
        "64m",
        _told("1h", 0.07),
        labels={"window": "1h", "baseline": "pinned", "confirmed": "yes"},
        silent=_unworthy_of_a_page("1h"),
    ),
    Scenario(
        "EmbeddingDriftSevere",
        "critical",
        _moved("5m", "0.07"),
        "31m",
        "29m",
        _told("5m", 0.07),
        labels={"window": "5m", "baseline": "pinned"},
        silent=_unworthy_of_a_page("5m"),
    ),
    # A score that wavers about its limit is one page, with the numbers that it was last seen with.
    Scenario(
        "EmbeddingDriftSevere",
        "critical",
        dict(_moved("1h", "0.07")) | {_score("1h"): "13+0x12 0.5+0x25 13+0x1 0.5+0xN"},
        "68m",
        "9m",
        _told("1h", 0.07),
        labels={"window": "1h", "baseline": "pinned", "confirmed": "no"},
        silent=_unworthy_of_a_page("1h"),
        over="72m",
    ),
)

_DETECTED: Final = (
    *(
        Scenario(
            "EmbeddingDriftDetected",
            "warning",
            _moved(window, "0.02"),
            fires,
            not_yet,
            _told(window, 0.02),
            labels={"window": window, "baseline": "pinned", "reference": "frozen"},
            silent=_silent(window, "0.01")
            | {"provisional": _provisional()}
            | ({"few_in_an_hour": {_events(window): "499+0xN"}} if window == "1h" else {}),
        )
        for window, fires, not_yet in (("1h", "66m", "64m"), ("24h", "66m", "64m"), ("5m", "31m", "29m"))
    ),
    Scenario(
        "EmbeddingDriftDetected",
        "warning",
        dict(_moved("1h", "0.12")) | dict(_provisional()),
        "66m",
        "64m",
        _told("1h", 0.12),
        labels={"window": "1h", "baseline": "pinned", "reference": "frozen"},
        silent=_silent("1h", "0.1") | {"no_baseline": {_state("final"): None, _state("provisional"): None}},
    ),
    Scenario(
        "EmbeddingDriftDetected",
        "warning",
        _moved("1h", "0.02", "7d"),
        "66m",
        "64m",
        _told("1h", 0.02, baseline="7d"),
        labels={"window": "1h", "baseline": "7d", "reference": "rolling"},
        silent=_silent("1h", "0.01", "7d")
        | {"provisional": _provisional("7d"), "few_in_an_hour": {_events("1h"): "499+0xN"}},
    ),
)


def _one(window: str, statistic: str, effect: str, size: str, signal: str = "embedding") -> Values:
    """One statistic beyond the limit, with its own effect."""
    return {
        _score(window, statistic, signal): "5+0xN",
        _events(window, signal): "500+0xN",
        effect: f"{size}+0xN",
        _state("final"): "1+0xN",
    }


def _none_of(window: str, statistic: str, effect: str, small: str, signal: str = "embedding") -> dict[str, Values]:
    return {
        "too_few_events": {_events(window, signal): "199+0xN"},
        "small_effect": {effect: f"{small}+0xN"},
        "at_the_limit": {_score(window, statistic, signal): "1+0xN"},
        "nan": {effect: NAN},
        "absent": {effect: None},
        "no_baseline": {_state("final"): None},
    }


_WAITS: Final = (("1h", "11m", "9m"), ("5m", "31m", "29m"))
_OF: Final = "of fires 1 (tokenizer 1) (query) in the last"


def _same(window: str) -> str:
    return f'embedding_same_input_changed_ratio{{window="{window}"}}'


def _space(window: str, fires: str, not_yet: str, *, final: bool) -> Scenario:
    matches = f'embedding_same_input_matches{{window="{window}"}}'
    size, percent, small = ("0.07", "7%", "0.05") if final else ("0.2", "20%", "0.1")
    return Scenario(
        "EmbeddingDriftSpaceChanged",
        "critical" if final else "warning",
        dict(_one(window, "same_input", _same(window), size))
        | {matches: "40+0xN"}
        | ({} if final else dict(_provisional())),
        fires,
        not_yet,
        f"{percent} of the known inputs {_OF} {window} have another vector than in the pinned baseline: the model, the "
        "tokenizer or the preprocessing has changed under the same version.",
        labels={"window": window, "baseline": "pinned", "effect": "same_input_changed_ratio"},
        silent=_none_of(window, "same_input", _same(window), small)
        | {"too_few_matches": {matches: "19+0xN"}}
        | {"no_baseline": {_state("final"): None, _state("provisional"): None}},
    )


def _norm(window: str, fires: str, not_yet: str, *, final: bool) -> Scenario:
    effect = _effect("norm_change_ratio", window)
    return Scenario(
        "EmbeddingDriftNormShift",
        "critical" if final else "warning",
        dict(_one(window, "norm", effect, "-0.4", "norm")) | ({} if final else dict(_provisional())),
        fires,
        not_yet,
        f"The mean norm {_OF} {window} is off the pinned baseline's by 40%; the gate is 5 %.",
        labels={"window": window, "baseline": "pinned", "effect": "norm_change_ratio"},
        silent=_none_of(window, "norm", effect, "-0.05", "norm")
        | {"no_baseline": {_state("final"): None, _state("provisional"): None}},
    )


def _collapse(window: str, fires: str, not_yet: str) -> Scenario:
    effect = _effect("variance_log_ratio", window)
    return Scenario(
        "EmbeddingDriftCollapse",
        "critical",
        _one(window, "spread", effect, "-0.2"),
        fires,
        not_yet,
        f"The log variance ratio {_OF} {window} to the pinned baseline is -0.2; the gate is -0.1. "
        "Vectors that are alike cannot be told apart by a search.",
        labels={"window": window, "baseline": "pinned"},
        silent=_none_of(window, "spread", effect, "-0.1")
        | {"wider_apart": {effect: "0.3+0xN"}, "provisional": _provisional()},
    )


_ZEROS: Final = 'embedding_invalid_vectors_total{reason="zero"}'
_VALID: Final = "embedding_vectors_total"
_FEW_VECTORS: Final = {_ZEROS: "0+0.5xN", _VALID: "0+1xN"}


def _invalid(window: str, fires: str, not_yet: str) -> Scenario:
    return Scenario(
        "EmbeddingDriftInvalidVectors",
        "critical",
        {
            _score(window, "invalid"): "4+0xN",
            _ZEROS: "0+20xN",
            _VALID: "0+80xN",
            # Windows of nothing but zeros have no events.
            _events(window): "0+0xN",
            _state("final"): "1+0xN",
        },
        fires,
        not_yet,
        f"20% of the vectors {_OF} {window} were left out as invalid.",
        labels={"window": window, "baseline": "pinned", "effect": "invalid_share"},
        silent={
            "too_few_vectors": _FEW_VECTORS,
            "small_share": {_ZEROS: "0+4xN"},
            "at_the_limit": {_score(window, "invalid"): "1+0xN"},
            "nan": {_ZEROS: NAN},
            "absent": {_ZEROS: None},
            "restarted": {_ZEROS: "900+0x5 0+0xN", _VALID: "9000+80x5 0+80xN"},
        },
    )


_CHANGED: Final = (
    *(_space(*waits, final=True) for waits in _WAITS),
    *(_space(*waits, final=False) for waits in _WAITS),
    *(_norm(*waits, final=True) for waits in _WAITS),
    *(_norm(*waits, final=False) for waits in _WAITS),
    *(_collapse(*waits) for waits in _WAITS),
    _invalid("1h", "13m", "10m"),
    _invalid("5m", "36m", "30m"),
    Scenario(
        "EmbeddingDriftInvalidVectors",
        "warning",
        {_ZEROS: "0+20xN", _VALID: "0+80xN"},
        "33m",
        "30m",
        f"20% of the vectors {_OF} 1h were left out as invalid.",
        labels={"window": "1h"},
        silent={
            "too_few_vectors": _FEW_VECTORS,
            "small_share": {_ZEROS: "0+4xN"},
            "with_a_final_baseline": {_state("final"): "1+0xN"},
            "nan": {_ZEROS: NAN},
            "absent": {_ZEROS: None},
            "restarted": {_ZEROS: "900+0x15 0+0xN", _VALID: "9000+80x15 0+80xN"},
        },
    ),
)

_COSINE: Final = 'embedding_same_input_cosine{window="1h"}'
_MATCHES: Final = 'embedding_same_input_matches{window="1h"}'
_INCONSISTENT: Final = 'embedding_same_input_inconsistent_ratio{window="1h"}'
_KL: Final = _effect("similarity_kl_nats", "1h")
_TOP1: Final = _score("1h", "top1", "top1_similarity")
_DISTANCE: Final = _score("1h", "query_document", "embedding")

_OTHERS: Final = (
    Scenario(
        "EmbeddingDriftNumericChange",
        "warning",
        {_COSINE: "0.9995+0xN", _MATCHES: "40+0xN"},
        "66m",
        "64m",
        "The median cosine of known inputs of fires 1 (tokenizer 1) to their vectors in the baseline is 0.999500 in "
        "the last 1h: too far for float16 storage (0.99999), too near for another model (0.999).",
        labels={"window": "1h"},
        silent={
            "another_model": {_COSINE: "0.9+0xN"},
            "stored_in_float16": {_COSINE: "0.999999+0xN"},
            "too_few_matches": {_MATCHES: "19+0xN"},
            "nan": {_COSINE: NAN},
            "absent": {_COSINE: None},
        },
    ),
    Scenario(
        "EmbeddingDriftErratic",
        "warning",
        {_INCONSISTENT: "0.03+0xN", _events("1h"): "500+0xN"},
        "31m",
        "29m",
        "3% of the repeated inputs of fires 1 (tokenizer 1) had another vector minutes before, in the last 1h: "
        "replicas that differ, or corruption.",
        labels={"window": "1h"},
        silent={
            "too_few_events": {_events("1h"): "199+0xN"},
            "a_few_only": {_INCONSISTENT: "0.01+0xN"},
            "nan": {_INCONSISTENT: NAN},
            "absent": {_INCONSISTENT: None},
        },
    ),
    Scenario(
        "EmbeddingDriftSimilarityDivergence",
        "warning",
        {
            _KL: "0.08+0xN",
            _TOP1: "1.5+0xN",
            _events("1h", "top1_similarity"): "2000+0xN",
            _state("final"): "1+0xN",
        },
        "66m",
        "64m",
        "The KL divergence of the top-1 similarities of fires 1 (tokenizer 1) in the last 1h from the pinned baseline "
        "is 0.08 nats; the target is 0.05.",
        labels={"window": "1h", "baseline": "pinned"},
        silent={
            "too_few_events": {_events("1h", "top1_similarity"): "999+0xN"},
            "on_target": {_KL: "0.05+0xN"},
            "as_the_baseline_itself_varies": {_TOP1: "0.9+0xN"},
            "provisional": _provisional(),
            "nan": {_KL: NAN},
            "absent": {_KL: None},
        },
    ),
    Scenario(
        "EmbeddingDriftQueryIndexMismatch",
        "warning",
        {
            _DISTANCE: "2+0xN",
            _TOP1: "1.5+0xN",
            _events("1h", "top1_similarity"): "500+0xN",
            _state("final"): "1+0xN",
        },
        "66m",
        "64m",
        "The distance of the queries of fires 1 (tokenizer 1) to the documents scores 2 against the pinned baseline (1 "
        "is the limit), and so do similarities: one side is preprocessed or embedded otherwise than the other.",
        labels={
            "window": "1h",
            "baseline": "pinned",
            "signal": "embedding",
            "statistic": "query_document",
        },
        silent={
            "too_few_events": {_events("1h", "top1_similarity"): "199+0xN"},
            "similarities_as_ever": {_TOP1: "0.5+0xN"},
            "at_the_limit": {_DISTANCE: "1+0xN"},
            "provisional": _provisional(),
            "nan": {_DISTANCE: NAN},
            "absent": {_DISTANCE: None},
        },
    ),
)

DRIFT: Final[Sequence[Scenario]] = (*_SEVERE, *_DETECTED, *_CHANGED, *_OTHERS)
