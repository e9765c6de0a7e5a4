"""Ids of results, labels of relevance, outcomes, ids of queries and traces: what is taken, and what is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decode import Limits, decode
from app.model import Outcome, Reason

NOW = 1_767_225_600.0
LIMITS = Limits(top_k=5, input_key=b"secret of these tests")
FIELDS = ("ids", "relevant", "query_ids", "trace_ids", "outcomes")


def run(*events, lines=False):
    sent = [{"model": "e5"} | event for event in events]
    if lines:
        return decode("application/x-ndjson", None, "\n".join(map(json.dumps, sent)).encode(), LIMITS, NOW)
    return decode("application/json", None, json.dumps(sent).encode(), LIMITS, NOW)


def ids_of(decoded):
    return list(decoded.batch.ids)


def refusal(**fields):
    """The single error of an event, whose neighbour must be taken."""
    decoded = run(fields, {"ids": ["a"]})
    assert ([1], [["a"]]) == (decoded.batch.index.tolist(), ids_of(decoded))
    (error,) = decoded.errors
    return error


@pytest.mark.parametrize("lines", [False, True])
def test_every_field_becomes_a_column(lines):
    """As it was sent: nothing of it is hashed, kept or compared yet."""
    told = {
        "ids": ["a", 7],
        "relevant": {"a": 3, "b": 0.5},
        "query_id": 12,
        "trace_id": "4bf9",
        "outcome": {"clicked": True, "success": None},
    }
    batch = run(told, {}, {"relevant": ["a", 7], "query_id": "q"}, lines=lines).batch

    assert [["a", 7], None, None] == list(batch.ids)
    assert [{"a": 3.0, "b": 0.5}, None, {"a": 1.0, 7: 1.0}] == batch.relevant
    assert ["12", None, "q"] == list(batch.query_ids)
    assert ["4bf9", None, None] == list(batch.trace_ids)
    assert [Outcome(clicked=True), None, None] == batch.outcomes


def test_what_says_nothing_is_no_column():
    """Empty ids, labels and outcomes, and none at all; an empty list of results is a statement."""
    said = {"relevant": [], "query_id": "", "trace_id": "", "outcome": {"success": None, "other": True}}
    batch = run(said, {"relevant": {}}).batch

    assert [None] * len(FIELDS) == [getattr(batch, name) for name in FIELDS]
    assert [[], None] == ids_of(run({"ids": []}, {}))


def test_ids_of_top_k_count_where_every_result_has_one():
    """Or ranks would be wrong; `ids` goes before them."""
    top_k = [{"id": "a", "score": 0.9}, {"id": 7, "score": 0.8}]
    sent = {"top_k": top_k}, {"top_k": [*top_k, {"score": 0.7}]}, {"top_k": top_k, "ids": ["x", "y"]}, {}

    batch = run(*sent).batch

    assert [["a", 7], None, ["x", "y"], None] == list(batch.ids)
    assert [2, 3, 2, 0] == batch.scores.lengths.tolist()
    assert run({"top_k": [{"score": 0.7}]}).batch.ids is None


LONG = "x" * 257, "é" * 129, 10**300, "\ud800"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("ids", ["a", {}, [1.5], [True], [None], [""], ["a"] * 6, *([each] for each in LONG)]),
        ("relevant", ["a", 5, [None], {"a": True}, {"a": "1"}, {"": 1}, {"a": math.inf}, {"a": math.nan}]),
        ("relevant", [["a"] * 6, dict.fromkeys("abcdef", 1), {"é" * 129: 1}, *([each] for each in LONG)]),
        ("query_id", [1.5, True, [], *LONG]),
        ("trace_id", [5, True, [], "x" * 257, "é" * 129, "\ud800"]),
        ("outcome", [True, "clicked", [], {"clicked": 1}, {"clicked": "yes"}]),
    ],
)
def test_a_value_out_of_its_rule_is_refused_by_name(field, values):
    """With what would be right, and without a part of it; the events beside it are taken."""
    for value in values:
        error = refusal(**{field: value})
        assert (field, Reason.FIELD_TYPE) == (error.field, error.reason)
        assert error.message.startswith(f"{field} must be ")


@pytest.mark.parametrize("value", [*LONG, 1.5, ""])
def test_an_id_of_top_k_follows_the_same_rule(value):
    """Its reason is that of the field."""
    error = refusal(top_k=[{"id": value, "score": 0.5}])

    assert ("top_k", Reason.SCORES) == (error.field, error.reason)


names = st.one_of(st.text(min_size=1, max_size=8), st.integers(-(2**70), 2**70))


@given(st.lists(st.one_of(st.none(), st.lists(names, max_size=5)), min_size=1, max_size=6))
def test_ids_come_through_as_they_were_sent(rows):
    """In any mix of text and integers, ASCII or not; those that no Unicode can be are the one exception."""
    decoded = run(*({} if row is None else {"ids": row} for row in rows))

    bad = {i for i, row in enumerate(rows) for each in row or () if any("\ud800" <= c <= "\udfff" for c in str(each))}
    kept = [row for i, row in enumerate(rows) if i not in bad]
    assert bad == {error.index for error in decoded.errors}
    assert kept == (list(decoded.batch.ids) if decoded.batch.ids is not None else [None] * len(kept))


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
        max_leaves=6,
    ),
    st.sampled_from(["ids", "top_k", "relevant", "query_id", "trace_id", "outcome"]),
)
def test_whatever_is_sent_an_event_is_taken_or_refused(value, field):
    """Never an exception, never a third thing."""
    decoded = run({field: value})

    assert 1 == len(decoded.batch) + len(decoded.errors)
