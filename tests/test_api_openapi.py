"""The OpenAPI document: what a generated client or a reader is told."""

import json

import pytest

from app.decode import DECODERS
from tests.service import event, service


@pytest.fixture(scope="module")
def document():
    with service() as served:
        reply = served.get("/openapi.json")
        assert 200 == reply.status
        return reply.json()


def operations(document):
    return {(method.upper(), path): each for path, item in document["paths"].items() for method, each in item.items()}


def test_every_route_for_programs_is_there_once(document):
    """Neither the HEAD routes nor the aliases."""
    assert {
        ("POST", "/v1/events"),
        ("POST", "/v1/lifecycle"),
        ("POST", "/v1/outcomes"),
        ("GET", "/v1/samples"),
        ("GET", "/metrics"),
        ("GET", "/v1/series"),
        ("GET", "/v1/compare"),
        ("POST", "/v1/compare"),
        ("GET", "/v1/baselines"),
        ("POST", "/v1/baselines"),
        ("GET", "/v1/baselines/{baseline_id}"),
        ("DELETE", "/v1/baselines/{baseline_id}"),
        ("GET", "/runbooks"),
        ("GET", "/runbooks/{page}"),
        ("GET", "/-/healthy"),
        ("GET", "/-/ready"),
        ("GET", "/"),
    } == set(operations(document))


def test_operation_ids_are_unique_and_readable(document):
    """Generators make function names of them."""
    ids = [each["operationId"] for each in operations(document).values()]

    assert len(ids) == len(set(ids))
    assert "post_events" in ids


def test_parameters_in_paths_are_declared(document):
    """Without it the document is not valid, and no generated client can fill them in."""
    for (_, path), each in operations(document).items():
        declared = {p["name"] for p in each.get("parameters", []) if p["in"] == "path"}
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert all(p["required"] for p in each.get("parameters", []) if p["in"] == "path")


def test_events_are_described_with_their_fields_in_every_format(document):
    """The request body of POST /v1/events."""
    content = operations(document)["POST", "/v1/events"]["requestBody"]["content"]

    assert set(DECODERS) == set(content)
    described = json.dumps(content["application/json"])
    assert all(f'"{field}"' in described for field in ("model", "tokenizer_version", "embedding", "scores", "event_id"))


def test_every_refusal_is_described_with_its_body(document):
    """The statuses of docs/http.md."""
    events = operations(document)["POST", "/v1/events"]["responses"]
    pin = operations(document)["POST", "/v1/baselines"]["responses"]

    assert {"202", "400", "401", "403", "408", "413", "415", "422", "429", "503"} == set(events)
    assert {"201", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "503"} == set(pin)
    for status, reply in (*events.items(), *pin.items()):
        schema = reply["content"]["application/json"]["schema"]
        if status not in {"201", "202", "422"}:
            assert ["error"] == schema["required"]


@pytest.mark.parametrize(
    ("events", "status"), [([event(), event(norm=-1)], "202"), ([event(norm=-1)], "422"), (["text"], "422")]
)
def test_replies_are_as_described(document, events, status):
    """Every field that is promised, and none beside it."""
    described = operations(document)["POST", "/v1/events"]["responses"][status]["content"]["application/json"]["schema"]
    described = described.get("anyOf", [described])[0]

    with service() as served:
        reply = served.post(events)

    assert int(status) == reply.status
    told = reply.json()
    assert set(described["required"]) == set(described["properties"]) == set(told)
    error = described["properties"]["errors"]["items"]
    assert set(error["required"]) == set(told["errors"][0])


def test_the_page_of_the_document_is_there():
    """For people."""
    with service() as served:
        assert 200 == served.get("/docs").status
