"""POST /v1/outcomes: every reply, and what is counted."""

import gzip
import json

import numpy as np
import pytest

from app.api import intake
from app.model import SeriesKey
from app.outcomes import query_keys
from tests.service import JSON, service

SERIES = SeriesKey("e5", "2", "1", "query")


@pytest.fixture
def served():
    """A service that knows the queries q1 to q3, the last of which is poor."""
    with service(max_body_mib=1) as made:
        known = query_keys(["q1", "q2", "q3"], made.services.limits.input_key)
        made.services.outcomes.remember(known, SERIES, np.array([False, False, True]), made.clock.now())
        yield made


def told(served, content, headers=()):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return served.send(body, headers, "/v1/outcomes")


def test_outcomes_are_counted_and_the_reply_says_what_became_of_each(served):
    """New, said before, of an unknown query, and not acceptable: four numbers and the errors."""
    sent = [
        {"query_id": "q1", "clicked": True},
        {"query_id": "q3", "clicked": False, "success": False},
        {"query_id": "q1", "clicked": True},
        {"query_id": "elsewhere", "success": True},
        {"query_id": "q2", "clicked": "yes"},
    ]
    reply = told(served, {"outcomes": sent})

    error = {"index": 4, "field": "clicked", "reason": "clicked must be true or false"}
    expected = {"accepted": 2, "duplicates": 1, "unmatched": 1, "rejected": 1, "errors": [error]}
    assert (202, expected) == (reply.status, reply.json())
    counted = {tuple(each): n for each, n in served.services.outcomes.totals().series[SERIES].items() if n}
    assert {("clicked", True, "normal"): 1, ("clicked", False, "poor"): 1, ("success", False, "poor"): 1} == counted
    assert {"field_type": 1} == served.failures()


def test_a_body_of_which_nothing_is_acceptable_is_refused_with_ten_errors(served):
    """422; unknown queries and duplicates are no mistake of the request."""
    reply = told(served, [{"query_id": "q1"}] * 12)

    assert (422, 12, 10) == (reply.status, reply.json()["rejected"], len(reply.json()["errors"]))
    assert 202 == told(served, {"query_id": "elsewhere", "clicked": True}).status
    assert 202 == told(served, []).status


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{", {}, 400, "malformed"),
        (b"[]", {"content-type": "text/plain"}, 415, "media_type"),
        (json.dumps([{"query_id": 1, "clicked": True}] * 1001).encode(), {}, 413, "too_large"),
        (b" " * 1_048_577, {}, 413, "too_large"),
    ],
)
def test_a_request_that_cannot_be_taken_is_refused_and_counted(served, body, headers, status, reason):
    """400, 413, 415, each with what would be right."""
    reply = told(served, body, headers)

    assert (status, ["error"]) == (reply.status, list(reply.json()))
    assert {reason: 1} == served.failures()


def test_a_compressed_body_is_taken_beside_the_loop(served):
    """Like one of events."""
    body = gzip.compress(json.dumps({"query_id": "q2", "success": True}).encode())

    assert 1 == told(served, body, {"content-encoding": "gzip"}).json()["accepted"]


def test_a_large_body_is_taken_beside_the_loop(served, monkeypatch):
    """With the same reply."""
    monkeypatch.setattr(intake, "OFF_LOOP_BYTES", 10)

    assert 1 == told(served, {"query_id": "q2", "success": True}, JSON).json()["accepted"]
