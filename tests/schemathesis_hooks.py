"""Read by schemathesis (SCHEMATHESIS_HOOKS): what no schema can say of a request, narrowly."""

import io
import itertools
import re

import numpy as np
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

UNSAYABLE = (
    ("similarity_metric", r"this series measures .*"),
    ("scores|top_k", r".* best first.*"),
    ("scores|top_k", r".*; for (others|similarities) set similarity_metric .*"),
    ("scores|top_k", r".*must be finite numbers"),
    ("embedding", r".* a multiple of 4 bytes"),
    ("", r"this Idempotency-Key .*"),
    (".*", r".*must be at most \d+ bytes long"),
    ("until", r".*, and at most 7 days after it"),
    ("timestamp|until|documents", r".* ahead of the exporter's clock.*"),
)
"""Field and reason of refusals of what fits the schema.

One series keeps one metric, which only its first event settles. Scores come best first, and what they may be depends on
the metric. A key is of one batch. Names are limited in bytes, and schemas count characters. The clock goes on.
"""

_count = itertools.count()


def _sample():
    file = io.BytesIO()
    np.savez(file, embedding=np.random.default_rng(7).normal(size=(200, 4)), model="e5")
    return file.getvalue()


_SAMPLE = _sample()


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key of its own for each request, as each batch needs; and a file where a schema knows of bytes alone.

    Not where a mistake is in the headers: of a case whose headers are changed, schemathesis sends those that it left
    out on purpose.
    """
    key = (case.headers or {}).get("Idempotency-Key")
    mistaken = case.meta.phase.data.parameter_location == ParameterLocation.HEADER
    if not mistaken and isinstance(key, str) and re.fullmatch(r"[!-~]{1,200}", key):
        case.headers["Idempotency-Key"] = f"{key}-{next(_count)}"
    if case.media_type == "application/octet-stream":
        kwargs["data"] = _SAMPLE


def unsayable(field, reason):
    return any(re.fullmatch(a, field) and re.fullmatch(b, reason) for a, b in UNSAYABLE)


@schemathesis.check
def accepted_as_described(ctx, response, case):
    """What the schema allows is accepted; schemathesis' positive_data_acceptance but for UNSAYABLE."""
    if response.status_code == 422:
        told = response.json()
        errors = told.get("errors") or [{"field": "", "reason": told.get("error", "")}]
        if all(unsayable(each["field"], each["reason"]) for each in errors):
            return None
    return positive_data_acceptance(ctx, response, case)


@schemathesis.check
def refused_as_described(ctx, response, case):
    """What it does not allow is refused; schemathesis' negative_data_rejection but for what stands in a batch.

    One event of a batch is refused beside others that are kept: 202, and it is counted. Defaults are judged with the
    events that are silent about them, which may be none.
    """
    if response.status_code == 413:
        return None  # more than 1000 events: a refusal, though not among those that schemathesis knows
    batch = isinstance(case.body, dict) and isinstance(case.body.get("events"), list)
    if response.status_code == 202 and (response.json()["rejected"] > 0 or (batch and len(case.body) > 1)):
        return None
    return negative_data_rejection(ctx, response, case)
