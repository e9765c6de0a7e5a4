"""Drift: of vectors, of their lengths, of what the same input gives, of similarities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from prometheus.alerts.alert import SERIES, VALUE, WHO, Alert, Severity, asked, frozen, in_state, over_limit
from prometheus.thresholds import (
    FROZEN,
    LIMITS,
    PAGE_CONFIRMED_WAITS,
    PAGE_GATES,
    PAGE_KEEPS,
    PAGE_WAITS,
    ROLLING,
    ROLLING_WAITS,
    TICKET_WAITS,
    limit,
    number,
    per_second,
)

QUIET: Final = {"5m": "10m", "1h": "65m", "24h": "1445m"}
"""A window remembers what was in it for its length, and half a pane."""

_EFFECTS: Final = (
    "{{ range $i, $each := "
    + asked("series:embedding_effect:abs", *SERIES, "window", "baseline")
    + ' | sortByLabel "effect" }}{{ if $i }}, {{ end }}{{ .Labels.effect }} {{ . | value | printf "%.3g" }}'
    + "{{ else }}not known{{ end }}"
)

_SUSPECTED: Final = (
    "{{ with "
    + asked("embedding_drift_suspect", *SERIES, holds="== 1")
    + ' | sortByLabel "cause" }} Suspected:'
    + "{{ range $i, $each := . }}{{ if $i }},{{ end }} {{ .Labels.cause }}{{ end }}.{{ end }}"
)

_AT_LEAST: Final = (
    "{{ range "
    + asked("embedding_changed_share_lower_bound", *SERIES, "window", "baseline", holds="> 0")
    + " }} At least {{ . | value | humanizePercentage }}{{ range "
    + asked("embedding_changed_share", *SERIES, "window", "baseline")
    + " }} (best estimate {{ . | value | humanizePercentage }}){{ end }} are unlike anything in the baseline.{{ end }}"
)

_SCORED: Final = (
    "The vectors of "
    + WHO
    + f" ({{{{ $labels.kind }}}}) in the last {{{{ $labels.window }}}} score {VALUE} against the "
    + "{{ $labels.baseline }} baseline; 1 is the limit."
    + _AT_LEAST
    + " Effects: "
    + _EFFECTS
    + "."
    + _SUSPECTED
)


def _gated(window: str, gate: str, state: str, baselines: str) -> str:
    """Any statistic above its limit and any effect above its gate, with a baseline in this state."""
    return (
        f"  {baselines}\n"
        f'  and ignoring (gate) (series:embedding_effect_over_gate:max{{window="{window}", gate="{gate}"}} > 1)\n'
        f"  {in_state(state)}"
    )


def _enough(window: str) -> str:
    """A clause: an hour's window has so many events that one session is little of it."""
    if window != "1h":
        return ""
    events = f'embedding_window_events{{window="{window}", signal="embedding"}} >= {limit("hour_events")}'
    return f"\n  and ignoring (baseline, signal) ({events})"


def _severe() -> Iterator[Alert]:
    for window, wait in PAGE_WAITS.items():
        yield _page(window, wait, _enough(window), {"confirmed": "no"} if window in PAGE_CONFIRMED_WAITS else {})
    for window, wait in PAGE_CONFIRMED_WAITS.items():
        yield _page(window, wait, labels={"confirmed": "yes"})


def _page(window: str, wait: str, enough: str = "", labels: Mapping[str, str] = MappingProxyType({})) -> Alert:
    score = f"series:embedding_drift_score:max{{{frozen(window)}}} > {limit('score')}{enough}"
    return Alert(
        "EmbeddingDriftSevere",
        "critical",
        wait,
        _gated(window, "page", "final", score),
        "Vectors differ severely from the baseline.",
        _SCORED,
        {"window": window, **labels},
        QUIET[window],
        keeps=PAGE_KEEPS,
    )


def _detected() -> Iterator[Alert]:
    summary = "Vectors have drifted from the baseline."
    for window, wait in TICKET_WAITS.items():
        score = f"series:embedding_drift_score:max{{{frozen(window)}}} > {limit('score')}"
        # While limits are still learned nothing but a large share of strange vectors is believed.
        provisional = (
            f"  {score}\n"
            "  and ignoring (effect) (series:embedding_effect_score:max"
            f'{{window="{window}", effect="changed_share_lower_bound"}} > {limit("score")})\n'
            f'  and embedding_changed_share_lower_bound{{window="{window}"}} > {limit("provisional_changed_share")}\n'
            f"  {in_state('provisional')}"
        )
        yield Alert(
            "EmbeddingDriftDetected",
            "warning",
            wait,
            f"{_gated(window, 'ticket', 'final', score + _enough(window))}\nor\n{provisional}",
            summary,
            _SCORED,
            {"window": window, "reference": "frozen"},
            QUIET[window],
        )
    for window, wait in ROLLING_WAITS.items():
        score = f'series:embedding_drift_score:max{{window="{window}", baseline=~"{ROLLING}"}} > {limit("score")}'
        yield Alert(
            "EmbeddingDriftDetected",
            "warning",
            wait,
            _gated(window, "ticket", "final", score + _enough(window)),
            summary,
            _SCORED,
            {"window": window, "reference": "rolling"},
            QUIET[window],
        )


class _Change(NamedTuple):
    """An effect above a gate of its own, and a statistic that says that it is no chance."""

    name: str
    severity: Severity
    state: str
    """Of the baseline."""
    sure: Callable[[str], str]
    """The clause of the statistic, for a window."""
    effect: str
    """A metric with matchers, short of the window's and the closing brace."""
    bar: str
    summary: str
    description: str


def _abs(effect: str) -> str:
    return f'series:embedding_effect:abs{{effect="{effect}", '


_VECTORS: Final = " of " + WHO + " ({{ $labels.kind }}) in the last {{ $labels.window }} "
_SPACE: Final = (
    "EmbeddingDriftSpaceChanged",
    "The same inputs give other vectors than in the baseline.",
    "{{ $value | humanizePercentage }} of the known inputs"
    + _VECTORS
    + "have another vector than in the {{ $labels.baseline }} baseline: the model, the tokenizer or the preprocessing "
    "has changed under the same version." + _SUSPECTED,
)
_NORM: Final = (
    "EmbeddingDriftNormShift",
    "The lengths of vectors have shifted: normalisation lost or scaled.",
    "The mean norm"
    + _VECTORS
    + "is off the {{ $labels.baseline }} baseline's by {{ $value | humanizePercentage }}; "
    + f"the gate is {number(100 * PAGE_GATES['norm_change_ratio'])} %."
    + _SUSPECTED,
)
_INVALID: Final = (
    "EmbeddingDriftInvalidVectors",
    "Many vectors are invalid: all zeros, not finite, or of another dimension.",
    "{{ $value | humanizePercentage }} of the vectors" + _VECTORS + "were left out as invalid.",
)
_COLLAPSE: Final = (
    "EmbeddingDriftCollapse",
    "Vectors have moved together: the space has collapsed.",
    "The log variance ratio"
    + _VECTORS
    + f"to the {{{{ $labels.baseline }}}} baseline is {VALUE}; "
    + f"the gate is -{number(PAGE_GATES['variance_log_ratio'])}. "
    + "Vectors that are alike cannot be told apart by a search."
    + _SUSPECTED,
)


def _change(
    texts: tuple[str, str, str], severity: Severity, state: str, sure: Callable[[str], str], *, effect: str, bar: str
) -> _Change:
    name, summary, description = texts
    return _Change(name, severity, state, sure, effect, bar, summary, description)


def _page_bar(effect: str) -> str:
    return f"> {number(PAGE_GATES[effect])}"


def _over(statistic: str) -> Callable[[str], str]:
    return lambda window: over_limit(window, statistic)


def _beyond(effect: str) -> Callable[[str], str]:
    """Of an effect that chance has a part in where events are few: what is beyond the limit is above the gate."""
    return lambda window: (
        f'series:embedding_effect_beyond_limit:abs{{{frozen(window)}, effect="{effect}", gate="page"}} '
        + _page_bar(effect)
    )


_SAME: Final = "same_input_changed_ratio"
_LENGTH: Final = "norm_change_ratio"
_CHANGES: Final = (
    _change(_SPACE, "critical", "final", _over("same_input"), effect=_abs(_SAME), bar=_page_bar(_SAME)),
    _change(
        _SPACE,
        "warning",
        "provisional",
        _over("same_input"),
        effect=_abs(_SAME),
        bar=f"> {limit('provisional_same_input_changed')}",
    ),
    _change(_NORM, "critical", "final", _over("norm"), effect=_abs(_LENGTH), bar=_page_bar(_LENGTH)),
    _change(_NORM, "warning", "provisional", _over("norm"), effect=_abs(_LENGTH), bar=_page_bar(_LENGTH)),
    _change(
        _COLLAPSE,
        "critical",
        "final",
        _beyond("variance_log_ratio"),
        effect="embedding_variance_log_ratio{",
        bar=f"< -{number(PAGE_GATES['variance_log_ratio'])}",
    ),
    _change(
        _INVALID,
        "critical",
        "final",
        _over("invalid"),
        effect=_abs("invalid_share"),
        bar=_page_bar("invalid_share"),
    ),
)


def _changed() -> Iterator[Alert]:
    """Each change, on the page's windows."""
    for change in _CHANGES:
        for window, wait in PAGE_WAITS.items():
            yield Alert(
                change.name,
                change.severity,
                wait,
                f'  {change.effect}window="{window}"}} {change.bar}\n'
                f"  and ignoring (effect, gate) ({change.sure(window)})\n"
                f"  {in_state(change.state)}",
                change.summary,
                change.description,
                {"window": window},
                QUIET[window],
            )


def _invalid_without_baseline() -> Iterator[Alert]:
    gate = number(PAGE_GATES["invalid_share"])
    name, summary, description = _INVALID
    # Invalid is invalid without any baseline, but nobody is woken before there is one.
    least = per_second(LIMITS["window_events"] / 3600)
    yield Alert(
        name,
        "warning",
        "30m",
        "  avg_over_time(series:embedding_invalid_vectors:rate5m[1h])\n"
        f"    / (avg_over_time(series:embedding_offered_vectors:rate5m[1h]) >= {least}\n      ) > {gate}\n"
        "  unless on (job, instance, model, model_version, tokenizer_version, kind) "
        f'(embedding_baseline_state{{baseline=~"{FROZEN}", state="final"}} == 1)',
        summary,
        description.replace("{{ $labels.window }}", "1h"),
        {"window": "1h"},
        QUIET["1h"],
    )


def _same_input() -> Iterator[Alert]:
    yield Alert(
        "EmbeddingDriftNumericChange",
        "warning",
        "65m",
        f'  embedding_same_input_cosine{{window="1h"}} < {limit("same_input_numeric_cosine")} '
        f">= {limit('same_input_changed_cosine')}\n"
        f'  and embedding_same_input_matches{{window="1h"}} >= {limit("same_input_matches")}',
        "The same inputs give slightly other vectors: precision or library changed.",
        "The median cosine of known inputs of " + WHO + " to their vectors in the baseline is "
        '{{ $value | printf "%.6f" }} in the last {{ $labels.window }}: too far for float16 storage '
        f"({limit('same_input_numeric_cosine')}), too near for another model ({limit('same_input_changed_cosine')}).",
        {"window": "1h"},
        QUIET["1h"],
    )
    yield Alert(
        "EmbeddingDriftErratic",
        "warning",
        "30m",
        f'  embedding_same_input_inconsistent_ratio{{window="1h"}} > {limit("same_input_inconsistent_ratio")}\n'
        "  and ignoring (signal) "
        f'(embedding_window_events{{window="1h", signal="embedding"}} >= {limit("window_events")})',
        "The same input gives different vectors within minutes.",
        "{{ $value | humanizePercentage }} of the repeated inputs of " + WHO + " had another vector minutes before, in "
        "the last {{ $labels.window }}: replicas that differ, or corruption.",
        {"window": "1h"},
        QUIET["1h"],
    )


def _similarities() -> Iterator[Alert]:
    yield Alert(
        "EmbeddingDriftSimilarityDivergence",
        "warning",
        "65m",
        f"  embedding_similarity_kl_nats{{{frozen('1h')}}} > {limit('similarity_kl_nats')}\n"
        f"  and {over_limit('1h', 'top1')}\n"
        "  and ignoring (baseline, signal) "
        f'(embedding_window_events{{window="1h", signal="top1_similarity"}} >= {limit("similarity_kl_events")})\n'
        f"  {in_state('final')}",
        "The distribution of similarities has left the baseline's.",
        "The KL divergence of the top-1 similarities of " + WHO + " in the last {{ $labels.window }} from the "
        f"{{{{ $labels.baseline }}}} baseline is {VALUE} nats; "
        f"the target is {limit('similarity_kl_nats')}.",
        {"window": "1h"},
        QUIET["1h"],
    )
    yield Alert(
        "EmbeddingDriftQueryIndexMismatch",
        "warning",
        "65m",
        f'  embedding_drift_score{{{frozen("1h")}, statistic="query_document"}} > {limit("score")}\n'
        f"  and ignoring (signal, statistic) ({over_limit('1h', 'top1')})\n"
        f"  {in_state('final')}",
        "Queries and documents have moved apart.",
        "The distance of the queries of " + WHO + " to the documents scores " + VALUE + " against the "
        "{{ $labels.baseline }} baseline (1 is the limit), and so do similarities: one side is preprocessed or "
        "embedded otherwise than the other.",
        {"window": "1h"},
        QUIET["1h"],
    )


DRIFT: Final[Sequence[Alert]] = (
    *_severe(),
    *_changed(),
    *_invalid_without_baseline(),
    *_detected(),
    *_same_input(),
    *_similarities(),
)
