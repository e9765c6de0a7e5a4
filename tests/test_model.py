"""Columns of events can be taken apart and joined; keys, durations and scores say what they promise."""

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decode import Limits, decode
from app.model import EventBatch, Outcome, Ragged, Score, SeriesKey, Timing
from tests.builders import events, ragged

rows = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=12)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
keys = st.builds(SeriesKey, names, names, names, st.sampled_from(["query", "document"]))


def as_lists(column: Ragged) -> list[list[float]]:
    return [column.values[start:end].tolist() for start, end in zip(column.offsets, column.offsets[1:], strict=False)]


@given(rows, st.data())
def test_rows_of_unequal_length_are_taken_by_position(lists, data):
    """Any positions, repeated and in any order, give just those rows."""
    positions = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=8)) if lists else []

    taken = ragged(lists, np.float64).take(np.array(positions, dtype=np.intp))

    assert [lists[position] for position in positions] == as_lists(taken)


@given(st.lists(st.lists(st.just(0.5), max_size=2), max_size=4))
def test_the_width_of_rows_is_the_length_that_all_have(lists):
    """None where they differ, however their lengths add up, and where there are none."""
    lengths = {len(each) for each in lists}

    assert (lengths.pop() if len(lengths) == 1 else None) == ragged(lists, np.float64).width


@given(st.lists(rows, min_size=1, max_size=4))
def test_rows_of_unequal_length_join_in_order(parts):
    """Joined parts hold the rows of all, in order."""
    joined = Ragged.concatenate([ragged(part, np.float64) for part in parts])

    assert [row for part in parts for row in part] == as_lists(joined)
    assert [len(row) for part in parts for row in part] == joined.lengths.tolist()


def batch_of(count, *, key=None, errors=True):
    """Events that differ in every column."""
    rng = np.random.default_rng(count)
    batch = events(
        np.arange(count, dtype=float),
        key=key or SeriesKey("m", "1", "1", "query"),
        vectors=[rng.normal(size=3) if i % 3 else None for i in range(count)],
        scores=[np.sort(rng.random(i % 4))[::-1] for i in range(count)],
        weights=np.arange(1, count + 1),
        latencies=np.arange(count) / 10,
        errors=[f"e{i}" if i % 5 == 0 else None for i in range(count)] if errors else None,
        ids=[f"id{i}" for i in range(count)],
        spaces=["shared"],
        inputs=range(count),
        probe=[i % 4 == 1 for i in range(count)],
        labels=[{"locale": str(i)} if i % 2 else None for i in range(count)],
        documents=[[f"d{i}", i] if i % 3 else None for i in range(count)],
        relevant=[{f"d{i}": 1.0} if i % 2 else None for i in range(count)],
        query_ids=[f"q{i}" for i in range(count)],
        trace_ids=[f"t{i}" if i % 2 else None for i in range(count)],
        outcomes=[Outcome(clicked=bool(i % 2)) for i in range(count)],
        withdrawn=range(count),
    )
    batch.event_digests = [b"e%07d" % i for i in range(count)]
    batch.query_digests = [b"q%07d" % i for i in range(count)]
    return batch


def columns(batch):
    """Every column but `keys` as a list, None where the batch has none."""
    found = {}
    for each in fields(EventBatch):
        value = getattr(batch, each.name)
        if isinstance(value, Ragged):
            value = as_lists(value)
        elif isinstance(value, np.ndarray):
            value = [None if item != item else item for item in value.tolist()]
        found[each.name] = value
    return found


def test_taking_events_takes_every_column():
    """No column stays behind when events are taken by position."""
    batch = batch_of(10)
    positions = [7, 0, 3]

    taken, whole = columns(batch.take(np.array(positions))), columns(batch)

    for name in whole.keys() - {"keys", "spaces", "unknown_labels", "replayed"}:
        assert [whole[name][position] for position in positions] == taken[name], name


def test_joined_batches_hold_every_event_in_order():
    """Joining the pieces of a batch gives it back, but for what nothing reads: event ids, digests and outcomes."""
    batch = batch_of(10)
    pieces = [batch.take(np.arange(0, 4)), batch.take(np.arange(4, 10))]

    joined, whole = columns(EventBatch.concatenate(pieces)), columns(batch)

    unread = dict.fromkeys(("event_ids", "outcomes", "event_digests", "query_digests"))
    assert {**whole, **unread} == joined


def test_errors_are_joined_where_only_some_batches_have_any():
    """A batch without failures contributes an empty entry for each of its events."""
    joined = EventBatch.concatenate([batch_of(2, errors=False), batch_of(1)])

    assert [None, None, "e0"] == joined.errors


def test_columns_that_only_some_batches_have_are_joined_with_none_for_the_others():
    """No input, no probe, no labels; and the space is the last that was told."""
    told = events([1.0], inputs=[2**63 + 1], probe=[True], labels=[{"locale": "de"}], spaces=["named"])

    joined = EventBatch.concatenate([events([0.0]), told])
    silent = EventBatch.concatenate([events([0.0]), events([1.0])])

    assert [0, 2**63 + 1] == joined.inputs.tolist()
    assert [False, True] == joined.probe.tolist()
    assert [None, {"locale": "de"}] == joined.labels
    assert ("named",) == joined.spaces
    assert (None, None, None) == (silent.inputs, silent.probe, silent.labels)


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_each_event_goes_to_its_own_series(models):
    """Split by series, every event is there once, under its key and in order."""
    wanted = [SeriesKey(model, "", "", "query") for model in models]
    batch = events(np.arange(len(models), dtype=float), keys=wanted)

    parts = dict(batch.by_series())
    split = {key: part.timestamp.tolist() for key, part in parts.items()}

    for key, part in parts.items():
        assert ((key,), (key.default_space,)) == (part.keys, part.spaces)
        assert not part.key_index.any()
    assert {key: [float(i) for i, each in enumerate(wanted) if each == key] for key in dict.fromkeys(wanted)} == split


@given(keys, keys)
def test_the_id_of_a_series_tells_keys_apart(key, other):
    """The same key has the same id, another key another."""
    assert (key == other) == (key.id == other.id)


@given(st.floats(0.01, 10_000))
def test_the_time_scale_divides_every_duration(time_scale):
    """No duration of the exporter is left out of the scale."""

    def durations(timing):
        found = []
        for each in fields(Timing):
            value = getattr(timing, each.name)
            if each.name == "rungs":
                found += [rung.pane_seconds for rung in value]
            elif each.name == "windows":
                found += list(value.values())
            else:
                found.append(value)
        return found

    scaled = Timing().scaled(time_scale)

    assert pytest.approx([seconds / time_scale for seconds in durations(Timing())]) == durations(scaled)
    assert [rung.panes for rung in Timing().rungs] == [rung.panes for rung in scaled.rungs]


def test_the_windows_are_the_spans_of_the_first_rungs():
    """What the ladder relies on to make windows holds for the shipped durations."""
    timing = Timing()
    spans = [rung.pane_seconds * rung.panes for rung in timing.rungs]

    assert list(timing.windows.values()) == spans[: len(timing.windows)]


def test_a_score_is_known_where_its_limit_is():
    """The score is value over limit, and absent without one."""
    assert 2.0 == Score("1h", "pinned", "norm", "ks", 0.4, 0.2).score
    assert Score("1h", "pinned", "norm", "ks", 0.4, None).score is None


def test_single_events_join_to_what_their_batch_would_have_been():
    """Decoders share constant columns and offsets among single events; joined, nothing of that is to be seen."""
    sent = [
        {"model": "e5", "embedding": [1.0, 2.0], "scores": [0.9, 0.1]},
        {"model": "e5", "embedding": [3.0, 4.0], "scores": [0.5, 0.2], "error": "timeout"},
        {"model": "e5", "embedding": [5.0, 6.0], "scores": [0.7], "latency_seconds": 0.5},
        {"model": "e5", "embedding": [0.0, 0.0], "sample_rate": 0.5},
    ]
    batches = [decode("application/json", None, json.dumps(event).encode(), Limits(), 9.0).batch for event in sent]
    whole = decode("application/json", None, json.dumps(sent).encode(), Limits(), 9.0).batch

    joined = EventBatch.concatenate(batches)

    for name in ("timestamp", "weight", "norm", "fault", "metric", "query", "empty", "failed", "latency_seconds"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name), err_msg=name)
    for name in ("vectors", "scores"):
        np.testing.assert_array_equal(getattr(joined, name).values, getattr(whole, name).values)
        np.testing.assert_array_equal(getattr(joined, name).offsets, getattr(whole, name).offsets)
    assert list(whole.errors) == list(joined.errors)
