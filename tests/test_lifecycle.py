"""Whatever is told, in whatever order and by whatever clocks: nothing raises, nothing grows, no count steps back."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.lifecycle import (
    Deployment,
    Document,
    Documents,
    LeftOut,
    Lifecycle,
    Maintenance,
    Reindex,
    documents,
    withdrawn,
)
from app.lifecycle.places import MAX_INDEXES, MAX_MODELS
from app.model import Reason

NOW = 1_800_000_000.0
DAY = 86400.0

times = st.none() | st.floats() | st.floats(NOW - 10 * DAY, NOW + DAY)
models = st.sampled_from(["e5", "bge", *(f"m{i}" for i in range(80))])
indexes = st.sampled_from(["", "products", *(f"i{i}" for i in range(80))])
ids = st.sampled_from([*"abcdefgh", 1, 2])
happened = st.one_of(
    st.builds(
        Deployment,
        status=st.sampled_from(["started", "finished", "failed", "rolled_back"]),
        model=models,
        model_version=st.sampled_from(["1", "2"]),
        track=st.sampled_from(["stable", "canary"]),
        deployment=st.sampled_from(["", "a", "b"]),
        timestamp=times,
    ),
    st.builds(
        Reindex,
        status=st.sampled_from(["started", "progress", "finished", "failed"]),
        model=models,
        index=indexes,
        reindex=st.sampled_from(["", "a"]),
        progress=st.floats(0, 1),
        duration_seconds=st.none() | st.floats(0, 1e6),
        timestamp=times,
    ),
    st.builds(
        Documents,
        status=st.sampled_from(["ingested", "indexed", "withdrawn", "restored"]),
        model=models,
        index=indexes,
        ids=st.lists(ids, max_size=5),
        timestamp=times,
    ),
    st.builds(
        Documents,
        status=st.sampled_from(["ingested", "indexed"]),
        model=st.just("e5"),
        documents=st.lists(st.builds(Document, id=ids, timestamp=times), max_size=5),
        timestamp=times,
    ),
    st.builds(Documents, status=st.sampled_from(["ingested", "indexed"]), model=models, count=st.integers(0, 10**9)),
    st.builds(
        Maintenance,
        status=st.sampled_from(["begin", "end"]),
        model=models | st.just(""),
        until=times,
        timestamp=times,
    ),
)
steps = st.lists(st.tuples(st.floats(-7200, 2 * DAY), st.lists(happened, max_size=6)), max_size=12)


def counts(view):
    """Every counter of a view."""
    found = {("left out", reason): count for reason, count in view.left_out.items()}
    for place, results in view.deployments.items():
        found |= {(*place, result): count for result, count in results.items()}
    for labels, each in view.reindexes.items():
        found |= {("reindex", *labels, result): count for result, count in each.results.items()}
    for labels, each in view.documents.items():
        found |= {(*labels, "ingested"): each.ingested, (*labels, "indexed"): each.indexed}
        found[*labels, "lag"] = each.lag.counts.sum()
        if each.fresh is not None:
            found |= {(*labels, "fresh"): each.fresh, (*labels, "late"): each.late}
    return found


@settings(deadline=None)
@given(steps)
def test_any_sequence_of_events_is_taken_and_no_count_steps_back(sequence):
    """With clocks that jump both ways, ours among them."""
    lifecycle, now, before = Lifecycle(b"secret", 900.0), NOW, {}
    for seconds, events in sequence:
        now += seconds
        receipt = lifecycle.apply(events, now)
        assert len(events) == receipt.accepted + receipt.duplicates + receipt.late + len(receipt.errors)

        view = lifecycle.view(now, ["e5"])
        after = counts(view)
        assert all(after.get(name, count) >= count for name, count in before.items())
        before = after
        for each in view.documents.values():
            assert each.fresh is None or each.fresh + each.late <= each.ingested
            assert 0 <= each.lag.sum < 8 * DAY * max(1, each.lag.counts.sum())
        for each in view.reindexes.values():
            assert each.duration_seconds is None or each.duration_seconds >= 0
            assert each.started is None or each.in_progress
        assert len({model for model, _ in view.deployments}) <= MAX_MODELS + 1
        assert len(view.reindexes.keys() | view.documents.keys()) <= MAX_INDEXES + MAX_MODELS + 1
        assert len(view.maintenance) <= MAX_MODELS + 2


@pytest.mark.parametrize("event", [Deployment("started", model="e5"), Maintenance("begin")], ids=["one", "another"])
def test_a_time_that_cannot_be_is_refused_and_an_old_one_late(event):
    """Ten minutes ahead is a clock, more is a mistake; a week back is news, more is not."""
    lifecycle = Lifecycle(b"secret", 900.0)
    found = {}
    for name, at in {
        "ahead": NOW + 600,
        "too far ahead": NOW + 601,
        "milliseconds": 1000 * NOW,
        "not finite": float("inf"),
        "old": NOW - 7 * DAY + 1,
        "too old": NOW - 7 * DAY - 1,
    }.items():
        event.timestamp = at
        receipt = lifecycle.apply([event], NOW, index=[5])
        found[name] = (len(receipt.errors), receipt.late)
        if receipt.errors:
            assert (5, "timestamp", Reason.TIMESTAMP) == (
                receipt.errors[0].index,
                receipt.errors[0].field,
                receipt.errors[0].reason,
            )
    none = (0, 0)
    assert {
        "ahead": none,
        "too far ahead": (1, 0),
        "milliseconds": (1, 0),
        "not finite": (1, 0),
        "old": none,
        "too old": (0, 1),
    } == found
    assert 1 == lifecycle.view(NOW).left_out[LeftOut.LATE]


def test_an_event_with_a_document_of_the_future_is_refused_as_a_whole():
    """All or nothing: its sender can put it right and send it again."""
    lifecycle = Lifecycle(b"secret", 900.0)
    event = Documents("ingested", model="e5", documents=[Document(id="a"), Document(id="b", timestamp=NOW + DAY)])

    receipt = lifecycle.apply([event], NOW)

    assert ["documents"] == [error.field for error in receipt.errors]
    assert {} == lifecycle.view(NOW).documents


def test_a_view_is_a_copy():
    """What comes later does not change it."""
    lifecycle = Lifecycle(b"secret", 900.0)
    events = [
        Deployment("finished", model="e5"),
        Documents("ingested", model="e5", ids=["a"]),
        Documents("indexed", model="e5", ids=["a"]),
    ]
    lifecycle.apply(events, NOW)
    view = lifecycle.view(NOW)
    before = counts(view)

    lifecycle.apply(
        [
            Deployment("failed", model="e5"),
            Documents("ingested", model="e5", ids=["b"]),
            Documents("indexed", model="e5", ids=["b"]),
        ],
        NOW,
    )

    assert before == counts(view)


def test_threads_may_tell_and_look_at_once():
    """Every document is counted."""
    lifecycle = Lifecycle(b"secret", 900.0)

    def tell(worker):
        for i in range(50):
            names = [f"{worker}-{i}-{j}" for j in range(10)]
            lifecycle.apply(
                [Documents("ingested", model="e5", ids=names), Documents("indexed", model="e5", ids=names)], NOW
            )
            lifecycle.view(NOW)
            lifecycle.withdrawn("e5", [1, 2])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, range(4)))

    found = lifecycle.view(NOW).documents["e5", ""]
    assert (2000, 2000, 2000, 0) == (found.ingested, found.indexed, found.fresh, found.late)


def test_the_bounds_are_those_of_the_documentation():
    """docs/lifecycle.md says them."""
    assert (100_000, 10_000, 100_000) == (documents.MAX_WAITING, documents.MAX_RECENT, withdrawn.MAX_WITHDRAWN)
