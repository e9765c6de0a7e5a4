"""Deployments, indexes, documents and maintenance, as they are told."""

import json

import numpy as np
import pytest
from embedding_drift_client import client as client_module
from embedding_drift_client.event import EventError
from embedding_drift_client.lifecycle import FORMS, MAX_IDS, encode_lifecycle

PATIENCE_SECONDS = 10.0


def test_lifecycle_events_carry_the_clients_fields_that_their_type_has(exporter, make_client):
    """Whatever the sample rate is; a time where none is said."""
    client = make_client(
        1e-9, model_version="2", tokenizer_version="1", deployment="search-7", space="s", labels={"locale": "en"}
    )

    client.lifecycle("deployment", "started", model_version="3", track="canary")
    client.lifecycle("reindex", "progress", index="products", progress=np.float32(0.5))
    client.lifecycle("documents", "indexed", ids=["a", np.int64(7)], timestamp="2026-01-01T00:00:00Z")
    client.lifecycle(type="maintenance", status="begin", duration_seconds=60)

    assert client.flush(PATIENCE_SECONDS)
    deployment, reindex, documents, maintenance = exporter.taken("/v1/lifecycle")
    assert deployment.pop("timestamp") > 1.7e9
    assert {
        "type": "deployment",
        "status": "started",
        "model": "e5",
        "model_version": "3",
        "tokenizer_version": "1",
        "deployment": "search-7",
        "track": "canary",
    } == deployment
    assert reindex.pop("timestamp") == pytest.approx(maintenance.pop("timestamp"), abs=60)
    assert {
        "type": "reindex",
        "status": "progress",
        "model": "e5",
        "index": "products",
        "progress": 0.5,
    } == reindex
    assert {
        "type": "documents",
        "status": "indexed",
        "model": "e5",
        "ids": ["a", 7],
        "timestamp": "2026-01-01T00:00:00Z",
    } == documents
    assert {"type": "maintenance", "status": "begin", "model": "e5", "duration_seconds": 60} == maintenance
    assert [{"events"}] == [set(batch) for batch in exporter.batches]
    assert (4, 4) == (client.lifecycle_stats.recorded, client.lifecycle_stats.accepted)


@pytest.mark.parametrize(
    ("kind", "status"), [(kind, status) for kind, form in FORMS.items() for status in form.statuses]
)
def test_every_type_and_status_of_the_contract_passes(kind, status):
    """Under their names, with every field that the type has."""
    told = dict.fromkeys(FORMS[kind].fields - {"ids", "documents"}, 1)

    (encoded,) = encode_lifecycle(kind, status, told, {})

    assert {"type": kind, "status": status, **told} == json.loads(encoded)


def test_maintenance_may_be_of_every_model(exporter, make_client):
    """None takes the client's model away."""
    client = make_client()
    client.lifecycle("maintenance", "end", model=None)

    assert client.flush(PATIENCE_SECONDS)
    assert "model" not in exporter.taken("/v1/lifecycle")[0]


def test_many_documents_are_told_in_parts():
    """Each part says the same of its own thousand, none is lost and none told twice."""
    ids = [f"doc-{i}" for i in range(2 * MAX_IDS + 1)]

    parts = [
        json.loads(part) for part in encode_lifecycle("documents", "ingested", {"ids": iter(ids)}, {"model": "e5"})
    ]

    assert [MAX_IDS, MAX_IDS, 1] == [len(part["ids"]) for part in parts]
    assert ids == [each for part in parts for each in part.pop("ids")]
    assert parts[0] == parts[1] == parts[2]


def test_documents_with_times_are_told_in_parts_too():
    """The list may be the caller's to use again."""
    documents = [{"id": i, "timestamp": 12.5} for i in range(MAX_IDS + 1)]

    parts = encode_lifecycle("documents", "indexed", {"documents": documents}, {})
    documents.clear()

    assert [MAX_IDS, 1] == [len(json.loads(part)["documents"]) for part in parts]


def test_each_part_of_many_documents_is_counted(exporter, make_client):
    """A queue that has no room for all of them drops the rest, and says so."""
    client = make_client()

    client.lifecycle("documents", "ingested", ids=range(2 * MAX_IDS + 1))

    assert client.flush(PATIENCE_SECONDS)
    assert (3, 3) == (client.lifecycle_stats.recorded, client.lifecycle_stats.accepted)
    assert list(range(2 * MAX_IDS + 1)) == [i for event in exporter.taken("/v1/lifecycle") for i in event["ids"]]


def test_lifecycle_has_a_bounded_queue_of_its_own(exporter, make_client, gate, monkeypatch):
    """A queue full of events has room for what a deployment tells, and no queue is without end."""
    monkeypatch.setattr(client_module, "LIFECYCLE_QUEUE_SIZE", 3)
    exporter.script.append(exporter.hold(gate))
    client = make_client(batch_size=4, queue_size=4)

    for _ in range(5):
        client.record()
    for _ in range(5):
        client.lifecycle("reindex", "progress", progress=0.5)

    assert (4, 1) == (client.stats.pending, client.stats.dropped)
    assert (3, 2) == (client.lifecycle_stats.pending, client.lifecycle_stats.dropped)
    gate.set()
    assert client.close(PATIENCE_SECONDS)
    assert (4, 3) == (client.stats.accepted, client.lifecycle_stats.accepted)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("deploy", "started"), {}),
        (("deployment", "begin"), {}),
        (([], "started"), {}),
        (("deployment", []), {}),
        (("reindex", "started"), {"track": "canary"}),
        (("documents", "ingested"), {"ids": "abc"}),
        (("documents", "ingested"), {"ids": 3}),
        (("documents", "ingested"), {"count": object}),
        (("maintenance", "begin"), {"duration_seconds": float("nan")}),
    ],
    ids=str,
)
def test_silly_lifecycle_events_are_counted_and_never_raise(exporter, make_client, arguments, told):
    """The event is lost and is counted; the next one arrives."""
    client = make_client()

    client.lifecycle(*arguments, **told)
    client.lifecycle("maintenance", "end")

    assert client.flush(PATIENCE_SECONDS)
    stats = client.lifecycle_stats
    assert (2, 1, 1) == (stats.recorded, stats.errors, stats.accepted)
    assert ["maintenance"] == [event["type"] for event in exporter.taken("/v1/lifecycle")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("secret", "started", {}), "type: expected one of deployment, reindex, documents, maintenance"),
        (("reindex", "secret", {}), "status of reindex: expected one of started, progress, finished, failed"),
        (("maintenance", "end", {"secret": 1}), "unknown field of maintenance; the fields are duration_seconds, model"),
        (("documents", "indexed", {"ids": "secret"}), "ids: expected a sequence of strings or integers, got str"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_can(arguments, message):
    """The message names the good ones, and holds no value."""
    with pytest.raises(EventError, match=message) as caught:
        encode_lifecycle(*arguments, {})
    assert "secret" not in str(caught.value)
