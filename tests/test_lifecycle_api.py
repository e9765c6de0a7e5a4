"""POST /v1/lifecycle: every reply, what is counted, and that nothing of the input comes back."""

import json
import re
from pathlib import Path

import pytest

from app.api import lifecycle as route
from app.api.lifecycle import LIFECYCLE_SCHEMA
from app.lifecycle import events
from tests.service import service, zipped

PATH = "/v1/lifecycle"
CANARY = "canary-7f3a"
FINISHED = {"type": "deployment", "status": "finished", "model": "e5", "deployment": "d1"}


@pytest.fixture
def served():
    with service() as made:
        yield made


def view(served):
    return served.services.lifecycle.view(served.clock.now())


def test_good_events_beside_bad_ones_are_taken(served):
    """202 with counts, and the position, field and reason of what was refused, in the order of the request."""
    ahead = {**FINISHED, "timestamp": served.clock.now() + 3600}
    old = {**FINISHED, "timestamp": served.clock.now() - 10**6}

    reply = served.post([ahead, {**FINISHED, "status": CANARY}, FINISHED, FINISHED, old], path=PATH)

    told = reply.json()
    assert 202 == reply.status
    assert (1, 2, 1, 1) == (told["accepted"], told["rejected"], told["duplicates"], told["late"])
    assert [(0, "timestamp"), (1, "status")] == [(each["index"], each["field"]) for each in told["errors"]]
    assert CANARY not in reply.text()
    assert {"timestamp": 1, "field_type": 1} == served.failures()


def test_a_request_of_nothing_acceptable_is_refused(served):
    """422; ten errors are told, all are counted."""
    reply = served.post([{**FINISHED, "model": None}] * 12, path=PATH)

    assert 422 == reply.status
    assert (12, 10) == (reply.json()["rejected"], len(reply.json()["errors"]))
    assert {"missing_field": 12} == served.failures()


def test_duplicates_alone_are_accepted(served):
    """The sender tried again and did nothing wrong."""
    assert 202 == served.post(FINISHED, path=PATH).status
    assert (202, 1) == ((reply := served.post(FINISHED, path=PATH)).status, reply.json()["duplicates"])


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{", {}, 400, "malformed"),
        (b"{}", {"content-type": "text/plain"}, 415, "media_type"),
        (b"{}", {"content-encoding": "br"}, 415, "media_type"),
        (b"{}", {"content-encoding": "gzip"}, 400, "malformed"),
        (b"[" + b" " * route.MAX_LIFECYCLE_BYTES + b"]", {}, 413, "too_large"),
        (zipped("x" * route.MAX_LIFECYCLE_BYTES), {"content-encoding": "gzip"}, 413, "too_large"),
        (json.dumps([FINISHED] * 1001).encode(), {}, 413, "too_large"),
    ],
)
def test_what_cannot_be_read_is_refused(served, body, headers, status, reason):
    """With the status and the reason of POST /v1/events, counted once."""
    reply = served.send(body, headers, PATH)

    assert status == reply.status
    assert {"error"} == set(reply.json())
    assert {reason: 1} == served.failures()


def test_a_compressed_body_and_a_large_one_are_taken(served):
    """Both beside the loop."""
    ingested = {"type": "documents", "status": "ingested", "model": "e5", "ids": [f"doc-{i}" for i in range(8000)]}

    assert 202 == served.send(zipped(ingested), {"content-encoding": "gzip"}, PATH).status
    assert 202 == served.post({**ingested, "status": "indexed"}, path=PATH).status
    assert (8000, 8000) == (view(served).documents["e5", ""].ingested, view(served).documents["e5", ""].fresh)


def test_the_examples_of_the_page_are_taken(served):
    """Every curl of docs/lifecycle.md, as it stands there."""
    page = (Path(__file__).parents[1] / "docs" / "lifecycle.md").read_text()
    bodies = re.findall(r"curl localhost:10877/v1/lifecycle --json '(.*?)'\n", page, re.DOTALL)
    # A moment of the page's examples.
    served.clock.advance(1767225600 - served.clock.now())

    assert 5 == len(bodies)
    for body in bodies:
        reply = served.send(body.encode(), path=PATH)
        assert (202, 0) == (reply.status, reply.json()["rejected"]), reply.text()
        assert reply.json()["accepted"]


def test_the_examples_of_the_schema_are_taken(served):
    """Those that /docs shows."""
    served.clock.advance(1767225600 - served.clock.now())

    for example in LIFECYCLE_SCHEMA["content"]["application/json"]["examples"].values():
        assert 202 == served.post(example["value"], path=PATH).status


def test_the_schema_has_every_field_and_no_reference():
    """References would be looked for at the root of the OpenAPI document."""
    described = json.dumps(LIFECYCLE_SCHEMA)

    assert "$ref" not in described
    for struct in events.TYPES.values():
        assert all(f'"{field}"' in described for field in ("type", *struct.__struct_fields__))
