"""GET /v1/compare: whether one version of a model may take over from another, with the numbers and limits used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.query_numbers import integer, number
from app.api.replies import Reply, json_body, refusal
from app.api.reply import error_reply, json_reply
from app.api.services import Services
from app.canary import DEFAULT_LIMITS, CanaryLimits, Verdict
from app.evaluate import CANARY_WINDOW, SeriesView, compare_views
from app.model import Timing


class _Wanted(NamedTuple):
    """What a limit may be."""

    least: float
    whole: bool = False
    optional: bool = True
    """Whether `none` shows the number without judging it."""

    @property
    def schema(self) -> dict[str, Any]:
        """Of the query parameter."""
        bounded = {"type": "integer" if self.whole else "number", "minimum": self.least}
        return {"anyOf": [bounded, {"const": "none"}]} if self.optional else bounded


LIMITS: Final[dict[str, _Wanted]] = {
    "min_queries": _Wanted(1, whole=True, optional=False),
    "min_labelled_queries": _Wanted(1, whole=True, optional=False),
    "median_drop": _Wanted(0),
    "poor_match_increase": _Wanted(0),
    "error_increase": _Wanted(0),
    "recall_drop": _Wanted(0),
    "kl_nats": _Wanted(0),
    "drift_score": _Wanted(0),
    "design_effect": _Wanted(1, optional=False),
}
"""Query parameter -> what it may be: every field of CanaryLimits."""

VERSIONS: Final = ("baseline", "candidate")
REQUIRED: Final = ("model", *VERSIONS)
PARAMETERS: Final = (*REQUIRED, "window", "strict", *LIMITS)


class _Refused(Exception):  # noqa: N818 - named for what is wrong with the request
    """Status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def get_compare(request: Request) -> Response:
    """Hold a candidate version's queries against the baseline version's: pass, fail or inconclusive.

    200 with the result, the reasons for it, and every check with its numbers, interval and limit; with `strict=1` 412
    and the same body unless the result is pass. 404 where a version is not known, 422 for a bad parameter.
    """
    services: Services = request.app.services
    try:
        status, content = await run_in_threadpool(_compare, services, dict(request.query_params.multi_items()))
    except _Refused as refused:
        return error_reply(refused.status, refused.message)
    return json_reply(content, status)


async def post_compare(request: Request) -> Response:
    """Do the same for those who can only POST, as Flagger's webhooks; what they send is not read."""
    return await get_compare(request)


def _compare(services: Services, asked: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    if asked.keys() - set(PARAMETERS):
        raise _Refused(422, f"unknown query parameter; known are {', '.join(PARAMETERS)}")
    for name in REQUIRED:
        if name not in asked:
            raise _Refused(422, f"{name} is required, as in ?model=e5&baseline=1@1&candidate=2@1")
    window = asked.get("window", CANARY_WINDOW)
    if window not in services.timing.windows:
        raise _Refused(422, f"window must be one of {', '.join(services.timing.windows)}")
    strict = asked.get("strict", "0")
    if strict not in {"0", "1"}:
        raise _Refused(422, "strict must be 0 or 1")
    limits = _limits(asked)
    evaluation = services.evaluator.latest
    versions = [view for key, view in evaluation.series.items() if (key.model, key.kind) == (asked["model"], "query")]
    baseline, candidate = (_version(versions, name, asked[name]) for name in VERSIONS)
    comparison = compare_views(baseline, candidate, window, limits)
    content = {
        **msgspec.to_builtins(comparison),
        "model": baseline.key.model,
        "baseline": _told(baseline),
        "candidate": _told(candidate),
        "window": window,
        "evaluated": evaluation.at,
    }
    return 412 if strict == "1" and comparison.result is not Verdict.PASS else 200, content


def _limits(asked: Mapping[str, str]) -> CanaryLimits:
    set_by_request: dict[str, Any] = {name: _limit(name, asked[name]) for name in LIMITS if name in asked}
    return replace(DEFAULT_LIMITS, **set_by_request)


def _limit(name: str, text: str) -> float | None:
    wanted = LIMITS[name]
    if wanted.optional and text == "none":
        return None
    found = integer(text) if wanted.whole else number(text)
    if found is None or found < wanted.least:
        kind = "an integer" if wanted.whole else "a number"
        raise _Refused(422, f"{name} must be {kind}, at least {wanted.least:g}{', or none' if wanted.optional else ''}")
    return found


def _version(versions: list[SeriesView], parameter: str, text: str) -> SeriesView:
    """The one that the text names. It is compared with what there is, as a version may hold an @ itself."""
    found = [
        view
        for view in versions
        if text in {view.key.model_version, f"{view.key.model_version}@{view.key.tokenizer_version}"}
    ]
    if not found:
        hint = "GET /v1/series lists those evaluated, every few seconds"
        raise _Refused(404, f"{parameter}: no queries of such a version of such a model; {hint}")
    if len(found) > 1:
        raise _Refused(422, f"{parameter}: several tokenizer versions; say which as MODEL_VERSION@TOKENIZER_VERSION")
    return found[0]


def _told(view: SeriesView) -> dict[str, str]:
    return {"model_version": view.key.model_version, "tokenizer_version": view.key.tokenizer_version}


def _parameter(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


_NAMED: Final = "MODEL_VERSION@TOKENIZER_VERSION, or MODEL_VERSION alone where it has one tokenizer version."
_NUMBERS: Final = {name: getattr(DEFAULT_LIMITS, name) for name in (each.name for each in fields(CanaryLimits))}

COMPARE_PARAMETERS: Final[list[dict[str, Any]]] = [
    _parameter("model", {"type": "string"}, "Name of the embedding model.", required=True),
    _parameter("baseline", {"type": "string"}, f"The version that is in service: {_NAMED}", required=True),
    _parameter("candidate", {"type": "string"}, f"The version that may take over: {_NAMED}", required=True),
    _parameter(
        "window",
        {"type": "string", "enum": list(Timing().windows), "default": CANARY_WINDOW},
        "What both are judged by: 5m, 1h or 24h.",
    ),
    _parameter("strict", {"type": "string", "enum": ["0", "1"]}, "1: answer 412 unless the result is pass."),
    *(
        _parameter(
            name,
            wanted.schema | {"default": _NUMBERS[name]},
            f"Limit, at least {wanted.least:g}." + (" `none` shows the number without judging it." * wanted.optional),
        )
        for name, wanted in LIMITS.items()
    ),
]
"""The `parameters` of GET /v1/compare in OpenAPI 3.1."""

_NUMBER: Final = {"type": ["number", "null"]}
_CHECK: Final[dict[str, Any]] = {
    "title": "Check",
    "type": "object",
    "required": ["name", "result", "reason", "baseline", "candidate", "worse_by", "lower", "upper", "limit"],
    "properties": {
        "name": {"type": "string"},
        "result": {"type": ["string", "null"], "enum": [*Verdict, None]},
        "reason": {"type": "string"},
        **dict.fromkeys(("baseline", "candidate", "worse_by", "lower", "upper", "limit"), _NUMBER),
    },
}
_VERSION: Final[dict[str, Any]] = {
    "title": "Version",
    "type": "object",
    "required": ["model_version", "tokenizer_version"],
    "properties": {"model_version": {"type": "string"}, "tokenizer_version": {"type": "string"}},
}

_COMPARISON: Final[dict[str, Any]] = {
    "title": "Comparison",
    "type": "object",
    "required": [
        *("result", "reasons", "checks", "limits"),
        *("model", "baseline", "candidate", "window", "evaluated"),
    ],
    "properties": {
        "result": {"type": "string", "enum": list(Verdict)},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "checks": {"type": "array", "items": _CHECK},
        "limits": {"type": "object", "properties": dict.fromkeys(_NUMBERS, _NUMBER)},
        "model": {"type": "string"},
        "baseline": _VERSION,
        "candidate": _VERSION,
        "window": {"type": "string"},
        "evaluated": {"type": "number", "description": "Unix seconds of the evaluation that the numbers are of."},
    },
}

COMPARE_REPLIES: Final[dict[int, Reply]] = {
    200: json_body("The result; with `strict=1` it is pass.", _COMPARISON),
    404: refusal("No queries of such a version."),
    412: json_body("With `strict=1`: the result is fail or inconclusive.", _COMPARISON),
    422: refusal("A parameter is missing, unknown or out of its range."),
}
