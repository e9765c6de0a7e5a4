"""The copy made in the caller's thread, and the JSON made of it."""

import base64
import json
from array import array
from decimal import Decimal

import numpy as np
import pytest
from embedding_drift_client.event import FIELDS, EventError, encode, float32_bytes, snapshot
from hypothesis import given
from hypothesis import strategies as st

VECTOR = np.array([0.5, -1.25, 3.0], dtype="<f4")


class TensorOnGpu:
    """Like a torch tensor that numpy cannot reach."""

    def __array__(self):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def tolist(self):
        return VECTOR.tolist()


class TensorOnCpu:
    def __array__(self):
        return VECTOR


@pytest.mark.parametrize(
    "vector",
    [
        VECTOR,
        VECTOR.astype("f8"),
        VECTOR.astype("f2"),
        VECTOR.astype(">f4"),
        np.stack([VECTOR, VECTOR], axis=1)[:, 0],
        VECTOR.tolist(),
        tuple(VECTOR.tolist()),
        list(VECTOR),
        array("f", VECTOR.tolist()),
        array("d", VECTOR.tolist()),
        VECTOR.tobytes(),
        bytearray(VECTOR.tobytes()),
        memoryview(VECTOR.tobytes()),
        memoryview(VECTOR),
        memoryview(VECTOR.astype("f8")),
        TensorOnCpu(),
        TensorOnGpu(),
    ],
    ids=lambda vector: type(vector).__name__,
)
def test_every_kind_of_vector_becomes_little_endian_float32(vector):
    """Arrays of any precision, byte order and stride, lists, buffers and tensors give the same bytes."""
    assert VECTOR.tobytes() == float32_bytes(vector)


@given(st.lists(st.floats(width=32)))
def test_a_list_and_an_array_give_the_same_bytes(values):
    """The two ways to float32 agree for every float32, NaN and infinity among them."""
    assert np.array_equal(
        np.frombuffer(float32_bytes(values), "<f4"),
        np.frombuffer(float32_bytes(np.array(values)), "<f4"),
        equal_nan=True,
    )


@pytest.mark.parametrize("vector", [np.zeros((1, 3)), b"12345", "0.1 0.2", 7, [object()], [[1.0]], object()])
def test_what_is_no_vector_is_refused_by_field_and_type(vector):
    """The message says what was expected and what came, and holds no value."""
    with pytest.raises(EventError, match=f"^embedding: expected one vector of numbers.*got {type(vector).__name__}$"):
        snapshot({"embedding": vector}, "id")


def test_a_snapshot_does_not_change_with_its_sources():
    """Buffers and lists are the caller's to use again at once."""
    vector, scores, ids, labels = VECTOR.copy(), [0.9, 0.8], np.array([1, 2]), {"locale": "en"}

    event = snapshot({"embedding": vector, "scores": scores, "ids": ids, "labels": labels}, "id")
    vector[:], ids[:] = 0, 0
    scores.clear()
    labels.clear()

    assert (VECTOR.tobytes(), [0.9, 0.8], [1, 2], {"locale": "en"}) == (
        event["embedding"],
        event["scores"],
        event["ids"],
        event["labels"],
    )


def test_an_event_gets_a_time_and_an_id_unless_it_has_them():
    """None counts as not given."""
    given_ones = snapshot({"timestamp": 12.5, "event_id": "mine"}, "new")
    missing = snapshot({"timestamp": None, "event_id": None}, "new")

    assert (12.5, "mine") == (given_ones["timestamp"], given_ones["event_id"])
    assert "new" == missing["event_id"]
    assert missing["timestamp"] > 1.7e9


def test_every_field_of_the_contract_passes():
    """All fields arrive under their names; the vector as base64, numbers of numpy and Decimal as numbers."""
    event = {
        "model": "e5",
        "model_version": "2",
        "tokenizer_version": "1",
        "kind": "query",
        "space": "s",
        "labels": {"locale": "en"},
        "deployment": "blue",
        "timestamp": "2025-01-01T00:00:00Z",
        "sample_rate": 0.5,
        "event_id": "e",
        "query_id": "q",
        "input_hash": "h",
        "probe": "p",
        "embedding": VECTOR,
        "norm": np.float32(1.5),
        "scores": [np.float32(0.5), Decimal("0.25")],
        "similarity_metric": "cosine",
        "result_count": np.int64(2),
        "ids": (np.int64(7), "b"),
        "top_k": [{"id": 7, "score": np.float32(0.5)}],
        "relevant": {"b": 1},
        "outcome": {"clicked": True},
        "latency_seconds": 0.1,
        "error": "timeout",
        "trace_id": "t",
    }
    assert set(event) == FIELDS

    sent = json.loads(encode(snapshot(dict(event), "new"), 0.1))

    assert VECTOR.tobytes() == base64.b64decode(sent.pop("embedding"))
    assert 0.5 == sent.pop("sample_rate")
    del event["embedding"], event["sample_rate"]
    assert {**event, "norm": 1.5, "scores": [0.5, 0.25], "result_count": 2, "ids": [7, "b"]} == sent


@pytest.mark.parametrize(
    ("event", "rate"),
    [
        ({}, None),
        ({"sample_rate": 0.5}, 0.05),
        ({"sample_rate": np.float32(0.5), "probe": ""}, 0.05),
        ({"probe": "p"}, 1.0),
        ({"probe": "p", "sample_rate": 0.5}, 0.5),
    ],
)
def test_a_rate_is_multiplied_by_the_clients_and_a_probe_is_not_sampled(event, rate):
    """Without one the batch says the client's, which a probe must not take over: it stands for itself alone."""
    assert rate == json.loads(encode(event, 0.1)).get("sample_rate")


def test_an_unknown_field_is_refused_with_the_good_ones():
    """A misspelt name would otherwise be lost without a word."""
    with pytest.raises(EventError, match=r"unknown field; the fields are deployment, .*embedding, error"):
        snapshot({"embeding": [1.0]}, "id")


@pytest.mark.parametrize(
    "event",
    [
        {"scores": [0.9, float("nan")]},
        {"norm": float("inf")},
        {"norm": np.float32("nan")},
        {"labels": {("a", "b"): "c"}},
        {"model": object()},
        {"sample_rate": "half"},
    ],
)
def test_what_has_no_json_is_refused_before_it_spoils_the_batch(event):
    """NaN is no JSON: one of them would make the exporter refuse all events of the request."""
    with pytest.raises(EventError, match="a field has no JSON"):
        encode(event)


@pytest.mark.parametrize("field", ["scores", "ids", "top_k", "relevant"])
def test_a_string_is_no_list(field):
    """Its letters would pass for ids."""
    with pytest.raises(EventError, match=f"^{field}: expected"):
        snapshot({field: "abc"}, "id")
