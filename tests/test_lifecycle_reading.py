"""Lifecycle bodies: what form an event has, what is said of one that has another, and that nothing comes back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decode import DecodeError, Malformed, TooLarge
from app.lifecycle import Deployment, Documents, Maintenance, Reindex, read
from app.lifecycle.reading import MAX_ID_BYTES
from app.model import Reason

CANARY = "canary-7f3a"


def lines(content, max_events=1000):
    return read(json.dumps(content).encode(), max_events, 128)


def refusal(**fields):
    """The only error of a single event."""
    (error,) = lines(fields).errors
    return error


EVENTS = [
    {"type": "deployment", "status": "rolled_back", "model": "e5", "track": "canary", "deployment": "d1"},
    {"type": "reindex", "status": "progress", "model": "e5", "index": "products", "progress": 0.5},
    {"type": "documents", "status": "ingested", "model": "e5", "documents": [{"id": 7, "timestamp": 1.5}]},
    {"type": "maintenance", "status": "begin", "until": "2026-01-01T00:00:00Z"},
]


def test_each_type_is_read():
    """A list of one of each."""
    found = lines(EVENTS)

    assert () == found.errors
    assert [Deployment, Reindex, Documents, Maintenance] == [type(event) for event in found.events]
    assert ("e5", "products", 0.5) == (found.events[1].model, found.events[1].index, found.events[1].progress)


@pytest.mark.parametrize("shape", [EVENTS[0], [EVENTS[0]], {"events": [EVENTS[0]]}], ids=["one", "list", "object"])
def test_one_event_may_come_in_three_shapes(shape):
    """As for POST /v1/events."""
    assert ["rolled_back"] == [event.status for event in lines(shape).events]


def test_a_null_is_no_field():
    """Senders whose language has no other way."""
    found = lines({**EVENTS[0], "timestamp": None, "deployment": None, "model_version": None})

    assert ("", "", None) == (found.events[0].deployment, found.events[0].model_version, found.events[0].timestamp)


def test_names_are_composed_as_those_of_events():
    """Else the model of a deployment would be another one than that of its queries."""
    assert "Café" == lines({**EVENTS[0], "model": "Café"}).events[0].model


@pytest.mark.parametrize(
    ("fields", "field", "reason", "says"),
    [
        ({"type": CANARY}, "type", Reason.FIELD_TYPE, "deployment, reindex, documents, maintenance"),
        ({"status": "started"}, "type", Reason.MISSING_FIELD, "deployment, reindex"),
        ({"type": "reindex", "model": "e5"}, "status", Reason.MISSING_FIELD, "started, progress, finished, failed"),
        ({**EVENTS[0], "status": CANARY}, "status", Reason.FIELD_TYPE, "rolled_back"),
        ({**EVENTS[0], "status": [CANARY]}, "status", Reason.FIELD_TYPE, "rolled_back"),
        ({"type": "reindex", "status": "started"}, "model", Reason.MISSING_FIELD, "required"),
        ({**EVENTS[0], "model": ""}, "model", Reason.MISSING_FIELD, "required"),
        ({**EVENTS[0], "model": 7}, "model", Reason.FIELD_TYPE, "string"),
        ({**EVENTS[0], "model": CANARY + "\n"}, "model", Reason.LABEL, "control characters"),
        ({**EVENTS[0], "model": "__other__"}, "model", Reason.LABEL, "kept for"),
        ({**EVENTS[1], "index": CANARY * 20}, "index", Reason.LABEL, "128 bytes"),
        ({**EVENTS[0], "track": CANARY}, "track", Reason.FIELD_TYPE, "stable or canary"),
        ({**EVENTS[0], "timestamp": CANARY}, "timestamp", Reason.TIMESTAMP, "RFC 3339"),
        ({**EVENTS[0], "timestamp": "2026-01-01T00:00:00"}, "timestamp", Reason.TIMESTAMP, "RFC 3339"),
        ({**EVENTS[1], "progress": 1.5}, "progress", Reason.FIELD_TYPE, "from 0 to 1"),
        ({**EVENTS[1], "progress": None}, "progress", Reason.MISSING_FIELD, "required with this status"),
        ({**EVENTS[1], "duration_seconds": -1}, "duration_seconds", Reason.FIELD_TYPE, "not negative"),
        ({**EVENTS[2], "documents": [{"timestamp": 1}]}, "documents", Reason.FIELD_TYPE, '"id"'),
        ({**EVENTS[2], "documents": [{"id": CANARY * 30}]}, "documents", Reason.FIELD_TYPE, "256 bytes"),
        ({**EVENTS[2], "ids": [CANARY]}, "documents", Reason.MISSING_FIELD, "one of count, ids, documents"),
        ({**EVENTS[2], "documents": None}, "documents", Reason.MISSING_FIELD, "one of count, ids, documents"),
        ({**EVENTS[2], "documents": None, "ids": [[]]}, "ids", Reason.FIELD_TYPE, "strings or integers"),
        ({**EVENTS[2], "documents": None, "count": 10**10}, "count", Reason.FIELD_TYPE, "1,000,000,000"),
        ({"type": "documents", "status": "withdrawn", "model": "e5", "count": 3}, "count", Reason.MISSING_FIELD, "ids"),
        ({**EVENTS[3], "duration_seconds": 60}, "until", Reason.FIELD_TYPE, "send one"),
    ],
)
def test_a_refusal_names_the_field_and_what_would_be_right(fields, field, reason, says):
    """And nothing of what was sent."""
    error = refusal(**fields)

    assert (field, reason) == (error.field, error.reason)
    assert says in error.message
    assert CANARY not in error.message


def test_good_events_beside_bad_ones_keep_their_positions():
    """Errors and events know where they stood."""
    found = lines([EVENTS[0], 7, {"type": "reindex"}, EVENTS[1]])

    assert (0, 3) == found.index
    assert [(1, ""), (2, "status")] == [(error.index, error.field) for error in found.errors]


def test_ids_are_short():
    """In bytes of UTF-8, integers too, however many digits."""
    fine = ["x" * MAX_ID_BYTES, "é" * (MAX_ID_BYTES // 2), 10**18]
    event = {"type": "documents", "status": "withdrawn", "model": "e5"}

    assert fine == lines({**event, "ids": fine}).events[0].ids
    for bad in ("x" * (MAX_ID_BYTES + 1), "é" * (MAX_ID_BYTES // 2 + 1), 10**300):
        assert "ids" == refusal(**event, ids=[bad]).field
    assert "ids" == refusal(**event, ids=["a"] * 10_001).field


def test_a_whole_float_is_an_integer():
    """As JSON Schema has it: counts and ids, in bounds as integers are."""
    event = {"type": "documents", "status": "ingested", "model": "e5"}

    assert 144264142 == lines({**event, "count": 144264142.0}).events[0].count
    assert ["a", 3] == lines({**event, "ids": ["a", 3.0]}).events[0].ids
    assert 3 == lines({**event, "documents": [{"id": 3.0}]}).events[0].documents[0].id
    for bad in (0.5, -1.0, 1e10, True, "3"):
        assert "count" == refusal(**event, count=bad).field
    assert "ids" == refusal(**event, ids=[0.5]).field
    assert "documents" == refusal(**event, documents=[{"id": 1e300}]).field


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"3", b"null", b'"text"', b"[1, 2", b"\xff", b'{"events": 3}'])
def test_what_is_no_document_of_events_is_malformed(body):
    """The whole request is refused."""
    with pytest.raises(Malformed):
        read(body, 1000, 128)


def test_one_event_in_bad_unicode_does_not_cost_its_neighbour():
    """Bytes that are no UTF-8, in one of two events."""
    good = json.dumps(EVENTS[0]).encode()

    found = read(b"[" + good.replace(b"e5", b"\xff") + b"," + good + b"]", 1000, 128)

    assert (1,) == found.index
    assert Reason.MALFORMED == found.errors[0].reason


def test_too_many_events_are_too_large():
    """The limit is that of POST /v1/events."""
    assert 2 == len(lines(EVENTS[:2], max_events=2).events)
    with pytest.raises(TooLarge):
        lines(EVENTS[:3], max_events=2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
wild_events = st.sampled_from(EVENTS).flatmap(
    lambda event: st.dictionaries(st.sampled_from(sorted({name for e in EVENTS for name in e})), json_values).map(
        lambda wild: event | wild
    )
)


@given(st.lists(wild_events | json_values, max_size=4))
def test_whatever_the_fields_hold_every_event_is_taken_or_refused(events):
    """And the only exceptions are those that have a status code."""
    body = json.dumps(events, allow_nan=False) if _finite(events) else json.dumps(events)
    try:
        found = read(body.encode(), 1000, 128)
    except DecodeError:
        assert not _finite(events)
        return
    assert len(events) == len(found.events) + len(found.errors)


def _finite(value):
    return "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value)


@given(st.binary(max_size=60))
def test_whatever_the_bytes_only_decode_errors_are_raised(body):
    """A 500 is always a bug."""
    try:
        read(body, 10, 128)
    except DecodeError as error:
        assert error.message  # noqa: PT017
