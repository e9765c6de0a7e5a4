"""The body of POST /v1/outcomes: every shape, every mistake, and nothing of the input in what is said."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decode import DecodeError, Limits, Malformed, TooLarge, UnsupportedMediaType
from app.model import Reason
from app.outcomes import Outcome, decode_outcomes, query_keys

NOW = 1_767_225_600.0
LIMITS = Limits(input_key=b"secret")
GOOD = {"query_id": "q1", "clicked": True}


def decoded(content, limits=LIMITS, encoding=None):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return decode_outcomes("application/json; charset=utf-8", encoding, body, limits, NOW)


@pytest.mark.parametrize(
    "content", [GOOD, [GOOD], {"events": [GOOD]}, {"outcomes": [GOOD]}, {"events": None, "outcomes": [GOOD]}]
)
def test_one_a_list_and_an_object_with_a_list_are_read_alike(content):
    """As of events."""
    request = decoded(content)

    assert ((Outcome(clicked=True),), ()) == (request.outcomes, request.errors)
    assert query_keys(["q1"], b"secret").tolist() == request.query_keys.tolist()


def test_every_field_is_read_and_others_are_not():
    """A null is no field; an id may be a number; times are unix seconds or RFC 3339."""
    sent = {"success": True, "clicked": None, "no_answer": False, "escalated": False, "dwell_seconds": [1]}
    request = decoded([{"query_id": 7, "timestamp": NOW, **sent}, {**GOOD, "timestamp": "2026-01-01T00:00:00Z"}])

    assert (Outcome(True, None, False, False), Outcome(clicked=True)) == request.outcomes
    assert query_keys(["7", "q1"], b"secret").tolist() == request.query_keys.tolist()


def test_a_whole_float_is_the_integer():
    """As of events: it is the same query."""
    request = decoded([GOOD | {"query_id": 7.0}, GOOD | {"query_id": 7}])

    assert () == request.errors
    assert 1 == len(set(request.query_keys.tolist()))


def test_a_compressed_body_is_inflated():
    """By the decoders of events."""
    assert 1 == len(decoded(gzip.compress(json.dumps(GOOD).encode()), encoding="gzip").outcomes)


BAD = "canary-7f3a"


@pytest.mark.parametrize(
    ("sent", "field", "reason"),
    [
        (BAD, "", Reason.MALFORMED),
        ({"clicked": True}, "query_id", Reason.MISSING_FIELD),
        ({"query_id": "", "clicked": True}, "query_id", Reason.MISSING_FIELD),
        ({"query_id": BAD}, "", Reason.MISSING_FIELD),
        ({"query_id": BAD, "clicked": None}, "", Reason.MISSING_FIELD),
        ({"query_id": 1.5, "clicked": True}, "query_id", Reason.FIELD_TYPE),
        ({"query_id": True, "clicked": True}, "query_id", Reason.FIELD_TYPE),
        ({"query_id": BAD * 100, "clicked": True}, "query_id", Reason.FIELD_TYPE),
        ({"query_id": 10**299, "clicked": True}, "query_id", Reason.FIELD_TYPE),
        ({"query_id": 10**5000, "clicked": True}, "query_id", Reason.FIELD_TYPE),
        ({"query_id": "\ud800", "clicked": True}, "query_id", Reason.FIELD_TYPE),
        ({"query_id": BAD, "clicked": 1}, "clicked", Reason.FIELD_TYPE),
        ({"query_id": BAD, "escalated": BAD}, "escalated", Reason.FIELD_TYPE),
        ({**GOOD, "timestamp": [NOW]}, "timestamp", Reason.TIMESTAMP),
        ({**GOOD, "timestamp": BAD}, "timestamp", Reason.TIMESTAMP),
        ({**GOOD, "timestamp": NOW + 601}, "timestamp", Reason.TIMESTAMP),
        ({**GOOD, "timestamp": float("nan")}, "timestamp", Reason.TIMESTAMP),
    ],
)
def test_a_bad_outcome_is_named_and_its_neighbours_are_kept(sent, field, reason):
    """Position, field and reason; what was sent is not said again."""
    body = b"[%s,%s,%s]" % (json.dumps(GOOD).encode(), _json(sent), json.dumps(GOOD).encode())
    request = decoded(body)

    assert [Outcome(clicked=True)] * 2 == list(request.outcomes)
    assert [(1, field, reason)] == [(error.index, error.field, error.reason) for error in request.errors]
    assert "canary" not in request.errors[0].message
    assert field in request.errors[0].message


def _json(sent):
    if isinstance(sent, dict) and sent.get("query_id") == 10**5000:
        return b'{"query_id": 1%s, "clicked": true}' % (b"0" * 5000)
    return json.dumps(sent).encode()


def test_bytes_that_are_not_unicode_cost_their_own_outcome():
    """Not the request."""
    request = decoded(b'[{"query_id": "\xff", "clicked": true}, {"query_id": "q1", "clicked": true}]')

    assert (1, [0]) == (len(request.outcomes), [error.index for error in request.errors])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", Malformed),
        (b"{", Malformed),
        (b"3", Malformed),
        (b'{"outcomes": 3}', Malformed),
        (b"[" * 100_000, Malformed),
        (json.dumps([GOOD] * 1001).encode(), TooLarge),
    ],
)
def test_a_body_of_which_nothing_can_be_taken_is_refused(body, error):
    """400 and 413."""
    with pytest.raises(error):
        decoded(body)


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-ndjson"])
def test_another_media_type_is_refused_with_the_right_one(content_type):
    """415."""
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        decode_outcomes(content_type, None, b"[]", LIMITS, NOW)


def test_an_empty_list_is_nothing_and_no_mistake():
    """A client that flushes on a timer sends it."""
    request = decoded([])

    assert ((), (), 0) == (request.outcomes, request.errors, request.query_keys.size)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["query_id", "clicked", "events", "timestamp", "x"]), inner)
    ),
    max_leaves=12,
)


@given(st.one_of(st.binary(), json_values.map(lambda value: json.dumps(value).encode())))
def test_whatever_comes_is_read_or_refused(body):
    """No other exception, and every entry is either kept or told of."""
    try:
        request = decoded(body)
    except DecodeError:
        return
    assert request.query_keys.size == len(request.outcomes)
    assert all(outcome != Outcome() for outcome in request.outcomes)
