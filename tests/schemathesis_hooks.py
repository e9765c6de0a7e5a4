"""Read by schemathesis (SCHEMATHESIS_HOOKS): what no schema can say of a request, narrowly."""

import itertools
import re

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

UNSAYABLE = (
    ("similarity_metric", r"this series measures .*"),
    ("scores|top_k", r".* best first.*"),
    ("scores|top_k", r".*; for (others|similarities) set similarity_metric .*"),
    ("embedding", r".* a multiple of 4 bytes"),
    ("", r"this Idempotency-Key .*"),
    (".*", r".*must be at most \d+ bytes long"),
    ("count|ids|documents", r"with this status send one of .*"),
    ("progress", r"progress is required with this status: .*"),
    ("until|duration_seconds", r".*, and at most 7 days after it"),
    ("timestamp|until", r".* ahead of the exporter's clock.*"),
    ("until", r"until and duration_seconds are two ways to say it: .*"),
)
"""Field and reason of refusals of what fits the schema.

One series keeps one metric, which only its first event settles. Scores come best first, and what they may be depends on
the metric. A key is of one batch. Names are limited in bytes, and schemas count characters. What is told of documents,
a reindex or maintenance depends on their status. The clock goes on.
"""

_count = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key of its own for each request, as each batch needs."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[!-~]{1,200}", key):
        case.headers["Idempotency-Key"] = f"{key}-{next(_count)}"


def unsayable(field, reason):
    return any(re.fullmatch(a, field) and re.fullmatch(b, reason) for a, b in UNSAYABLE)


@schemathesis.check
def accepted_as_described(ctx, response, case):
    """What the schema allows is accepted; schemathesis' positive_data_acceptance but for files and UNSAYABLE."""
    if case.media_type == "application/octet-stream":
        return None  # a file: to a schema it is bytes
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
    batch = isinstance(case.body, dict) and isinstance(case.body.get("events"), list)
    if response.status_code == 202 and (response.json()["rejected"] > 0 or (batch and len(case.body) > 1)):
        return None
    return negative_data_rejection(ctx, response, case)
