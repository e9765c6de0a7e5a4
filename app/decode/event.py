"""One event as its sender wrote it, and the rule of each of its fields.

The typed decoders (msgspec) fill `Event`; what they cannot say of a type, the functions here say of a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from app.decode.errors import Refused
from app.decode.labels import clean_label
from app.decode.limits import Limits
from app.decode.whole_numbers import Rewrite, whole, whole_ids, whole_items, with_integers
from app.model import UNKNOWN_ERROR, Outcome, Reason, SeriesKey, SimilarityMetric

MAX_ID_BYTES = 256
"""Of the id of an event, a query, a trace or a document, and of an input's hash."""
MAX_NUMBER = 1e42
"""Norms and durations lie below it: past it the running sum of a histogram would be infinite after few events."""
MIN_SAMPLE_RATE = 1e-9
"""Below it, one event would stand for so many that sums of float64 could no longer count single ones."""

Embedding = str | bytes | list[float | None]
"""base64 of little-endian float32, the bytes themselves, or numbers (None where the sender wrote null)."""


_DocumentText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_BYTES)]
"""Characters, which the decoder counts for next to nothing; bytes are counted where some take several."""


class ScoredDocument(msgspec.Struct, gc=False):
    """An entry of `top_k`."""

    score: float
    id: _DocumentText | int | None = None


class OutcomeFields(msgspec.Struct, gc=False):
    """What came of the query: the fields of `Outcome`."""

    success: bool | None = None
    clicked: bool | None = None
    no_answer: bool | None = None
    escalated: bool | None = None


class Event(msgspec.Struct, gc=False):
    """The fields that become columns; None where the sender wrote nothing or null, all others are skipped unread."""

    model: str | None = None
    model_version: str | None = None
    tokenizer_version: str | None = None
    kind: Literal["query", "document"] | None = None
    space: str | None = None
    timestamp: float | str | None = None
    sample_rate: float | None = None
    event_id: str | int | None = None
    input_hash: str | None = None
    probe: str | None = None
    embedding: str | list[float | None] | None = None
    norm: float | None = None
    scores: list[float] | None = None
    top_k: list[ScoredDocument] | None = None
    similarity_metric: SimilarityMetric | None = None
    result_count: Annotated[int, msgspec.Meta(ge=0)] | None = None
    error: str | None = None
    latency_seconds: float | None = None
    labels: dict[str, str] | None = None
    ids: list[_DocumentText | int] | None = None
    relevant: list[_DocumentText | int] | dict[_DocumentText, float] | None = None
    query_id: str | int | None = None
    trace_id: str | None = None
    outcome: OutcomeFields | None = None


class Rule(NamedTuple):
    """What is said where a field has the wrong type."""

    reason: Reason
    wanted: str


_NAME = Rule(Reason.FIELD_TYPE, "must be a string")
_ID = Rule(Reason.FIELD_TYPE, f"must be a string or an integer of at most {MAX_ID_BYTES} bytes")
_DOCUMENTS = f"strings or integers, each of 1 to {MAX_ID_BYTES} bytes"

RULES: Final[Mapping[str, Rule]] = {
    "model": _NAME,
    "model_version": _NAME,
    "tokenizer_version": _NAME,
    "kind": Rule(Reason.FIELD_TYPE, "must be query or document"),
    "space": _NAME,
    "timestamp": Rule(Reason.TIMESTAMP, "must be unix seconds (a number) or an RFC 3339 string"),
    "sample_rate": Rule(Reason.SAMPLE_RATE, f"must be a number above 0 (at least {MIN_SAMPLE_RATE:g}) and at most 1"),
    "event_id": _ID,
    "input_hash": Rule(Reason.FIELD_TYPE, f"must be a string of at most {MAX_ID_BYTES} bytes"),
    "probe": _NAME,
    "embedding": Rule(Reason.EMBEDDING, "must be a flat list of numbers, or base64 of little-endian float32"),
    "norm": Rule(Reason.NORM, "must be a finite number, not negative"),
    "scores": Rule(Reason.SCORES, "must be a list of finite numbers, best first"),
    "top_k": Rule(
        Reason.SCORES,
        f'must be a list of objects {{"id", "score"}} with finite scores, best first, and ids: {_DOCUMENTS}',
    ),
    "similarity_metric": Rule(Reason.SIMILARITY_METRIC, f"must be one of {', '.join(SimilarityMetric)}"),
    "result_count": Rule(Reason.FIELD_TYPE, "must be an integer, not negative"),
    "error": Rule(Reason.FIELD_TYPE, "must be a string: a short error type"),
    "latency_seconds": Rule(Reason.FIELD_TYPE, "must be a finite number of seconds, not negative"),
    "labels": Rule(Reason.FIELD_TYPE, "must be an object of strings"),
    "ids": Rule(Reason.FIELD_TYPE, f"must be a list of document ids: {_DOCUMENTS}"),
    "relevant": Rule(
        Reason.FIELD_TYPE, f"must be a list of document ids, or an object of ids and finite grades; ids: {_DOCUMENTS}"
    ),
    "query_id": _ID,
    "trace_id": Rule(Reason.FIELD_TYPE, f"must be a string of at most {MAX_ID_BYTES} bytes"),
    "outcome": Rule(Reason.FIELD_TYPE, f"must be an object of {', '.join(Outcome._fields)}, each true or false"),
}


INTEGERS: Final[Mapping[str, Rewrite]] = {
    **dict.fromkeys(("event_id", "query_id", "result_count"), whole),
    **dict.fromkeys(("ids", "relevant"), whole_items),
    "top_k": whole_ids,
}
"""The fields that hold integers."""

NOT_FLOAT32: Final = "as bytes must be little-endian float32: a multiple of 4 bytes"

IN_BYTES: Final = ("embedding", "scores")
"""Fields that formats with bytes may carry as little-endian float32."""

UNFIT: Final = (msgspec.ValidationError, UnicodeEncodeError, OverflowError)
"""What a conversion raises: lone surrogates are the second, where a number or one of some words is wanted; integers
beyond float64 the third."""


def refuse(field: str, message: str | None = None) -> Refused:
    """The refusal of a field with its own reason; the message says what its rule wants unless told more."""
    rule = RULES[field]
    return Refused(field, rule.reason, f"{field} {message or rule.wanted}")


def event_from(fields: object, defaults: Mapping[str, Any]) -> Event:
    """One event out of plain values, with the batch's defaults where it is silent. Raises `Refused`."""
    if not isinstance(fields, dict):
        raise Refused("", Reason.MALFORMED, "an event must be an object")
    sent = {**defaults, **{name: value for name, value in fields.items() if value is not None}}
    said = with_integers({name: sent[name] for name in sent.keys() & RULES.keys()}, INTEGERS)
    # Not through the types, which are those of formats without bytes.
    data = {name: said.pop(name) for name in IN_BYTES if isinstance(said.get(name), bytes)}
    try:
        event = msgspec.convert(said, Event)
        for name, value in data.items():
            setattr(event, name, value)
        return event
    except UNFIT:
        # Asked again one by one: the path in the exception's text is for people, and quotes the value.
        raise refuse(next(name for name in RULES if name in said and not _fits(name, said[name]))) from None


def _fits(field: str, value: object) -> bool:
    try:
        msgspec.convert({field: value}, Event)
    except UNFIT:
        return False
    return True


@lru_cache(maxsize=256)
def series_key(
    model: str | None, model_version: str | None, tokenizer_version: str | None, kind: str | None, limit_bytes: int
) -> SeriesKey:
    """The identity of the event's series. Raises `Refused`."""
    if not model:
        raise Refused("model", Reason.MISSING_FIELD, "model is required: the name of the embedding model")
    return SeriesKey(
        clean_name("model", model, limit_bytes),
        clean_name("model_version", model_version, limit_bytes) if model_version else "",
        clean_name("tokenizer_version", tokenizer_version, limit_bytes) if tokenizer_version else "",
        "document" if kind == "document" else "query",
    )


def clean_name(field: str, text: str, limit_bytes: int) -> str:
    """A name as it may stand in a label. Raises `Refused`."""
    try:
        return clean_label(text, limit_bytes)
    except ValueError as error:
        raise Refused(field, Reason.LABEL, f"{field} {error}") from None


def slices(labels: Mapping[str, str], limits: Limits) -> dict[str, str] | None:
    """The labels whose names the settings have, None if there are none; an empty value is no label.

    Raises `Refused` for a value that is no fit label; values of other names are not looked at.
    """
    try:
        kept = {
            name: clean_label(value, limits.label_bytes)
            for name, value in labels.items()
            if name in limits.slice_labels
        }
    except ValueError as error:
        raise Refused("labels", Reason.LABEL, f"labels: a value {error}") from None
    return {name: value for name, value in kept.items() if value} or None


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def timestamp_seconds(value: float | str, limits: Limits, now: float) -> float:
    """Unix seconds, not later than now. Raises `Refused` where it lies further ahead than clocks differ."""
    if isinstance(value, float) and 0 <= value <= now:
        return value  # nearly all of them
    if isinstance(value, str):
        if len(value) > 64 or not _RFC3339.fullmatch(value):
            raise refuse("timestamp")
        try:
            seconds = datetime.fromisoformat(value.upper()).timestamp()
        except (ValueError, OverflowError):
            raise refuse("timestamp") from None
    else:
        seconds = value
    if not math.isfinite(seconds):
        raise refuse("timestamp")
    if seconds > now + limits.future_seconds:
        hint = "; it looks like milliseconds, unix seconds are wanted" if seconds > 1e11 else ""
        raise refuse("timestamp", f"must be at most {limits.future_seconds:g} s ahead of the exporter's clock{hint}")
    return min(seconds, now)


def weight(sample_rate: float) -> float:
    """How many events of the traffic one event stands for. Raises `Refused`."""
    if not MIN_SAMPLE_RATE <= sample_rate <= 1:
        raise refuse("sample_rate")
    return 1 / sample_rate


def outcome(sent: OutcomeFields) -> Outcome | None:
    """What came of the query; None where nothing was said of it."""
    said = Outcome(*msgspec.structs.astuple(sent))
    return None if said == Outcome() else said


def error_type(value: str, limits: Limits) -> str | None:
    """The error's type; "other" where it is no fit label, None where it is empty (senders without nulls)."""
    try:
        return clean_label(value, limits.label_bytes) or None
    except ValueError:
        return UNKNOWN_ERROR


def not_negative(field: str, value: float) -> float:
    """A number that is not negative and no larger than a norm of float32 vectors. Raises `Refused`."""
    if not 0 <= value < MAX_NUMBER:
        raise refuse(field)
    return value
