"""Documents are fresh or late, once; ids are kept as keyed hashes, and not without bound."""

import tracemalloc

import numpy as np
import pytest

from app.decode.document_keys import document_keys
from app.lifecycle import Document, Documents, LeftOut, Lifecycle, documents, withdrawn

NOW = 1_800_000_000.0
LIMIT = 900.0
KEY = b"secret"


@pytest.fixture
def lifecycle():
    return Lifecycle(KEY, LIMIT)


def told(status, *ids, at=None, model="e5", index="", **fields):
    return Documents(status, model=model, index=index, ids=list(ids), timestamp=at, **fields)


def timed(status, times):
    return Documents(status, model="e5", documents=[Document(id=name, timestamp=at) for name, at in times.items()])


def view(lifecycle, now=NOW, index=""):
    return lifecycle.view(now).documents["e5", index]


def test_the_share_of_fresh_documents_is_that_of_the_counts(lifecycle):
    """M9 by hand: of 200 documents one comes a second too late and one never, so 198 of 200 are fresh."""
    names = [str(i) for i in range(200)]
    lifecycle.apply([told("ingested", *names)], NOW)
    lifecycle.apply([told("indexed", *names[2:])], NOW + LIMIT)
    lifecycle.apply([told("indexed", names[0])], NOW + LIMIT + 1)

    found = view(lifecycle, NOW + LIMIT + 1)
    assert (200, 199, 198, 2) == (found.ingested, found.indexed, found.fresh, found.late)
    assert 0.99 == found.fresh / found.ingested == found.fresh / (found.fresh + found.late)


def test_lags_are_measured_by_the_times_of_each_document(lifecycle):
    """Of those too late as well."""
    lifecycle.apply([timed("ingested", {"a": NOW - 3600, "b": NOW - 30})], NOW)
    lifecycle.apply([timed("indexed", {"a": NOW - 3598, "b": NOW})], NOW)
    lifecycle.apply([told("ingested", "c", at=NOW)], NOW)
    lifecycle.apply([told("indexed", "c")], NOW + 5000)

    found = view(lifecycle, NOW + 5000)
    assert (2, 1) == (found.fresh, found.late)
    assert 2 + 30 + 5000 == found.lag.sum
    assert [0, 1, 1, 2] == found.lag.cumulative[:4].tolist()


def test_an_hour_told_at_once_is_not_late(lifecycle):
    """A pipeline that reports every hour: what counts is when documents were indexed, not when we heard."""
    lifecycle.apply([told("ingested", "a", at=NOW - 3600)], NOW)
    assert 0 == view(lifecycle, NOW + 10).late

    lifecycle.apply([told("indexed", "a", at=NOW - 3500)], NOW + 10)
    assert (1, 0) == (view(lifecycle, NOW + 10).fresh, view(lifecycle, NOW + 10).late)


def test_indexed_before_its_ingestion_is_told_is_fresh(lifecycle):
    """Two services whose messages overtake each other."""
    lifecycle.apply([told("indexed", "a", at=NOW - 5)], NOW)
    lifecycle.apply([told("ingested", "a", at=NOW - 10)], NOW + 1)

    found = view(lifecycle, NOW + LIMIT + 2)
    assert (1, 1, 1, 0, 5.0) == (found.ingested, found.indexed, found.fresh, found.late, found.lag.sum)
    assert 1 == lifecycle.view(NOW).left_out[LeftOut.UNMATCHED_DOCUMENT]


def test_clocks_that_disagree_make_no_negative_lag(lifecycle):
    """The indexer's clock is a minute behind."""
    lifecycle.apply([told("ingested", "a", at=NOW)], NOW)
    lifecycle.apply([told("indexed", "a", at=NOW - 60)], NOW + 5)

    assert (1, 0.0) == (view(lifecycle).fresh, view(lifecycle).lag.sum)


def test_both_told_twice_count_once(lifecycle):
    """With times of their own; a document that waits is one, however often it is ingested."""
    for status, at in (("ingested", NOW), ("indexed", NOW + 9)):
        assert 1 == lifecycle.apply([told(status, "a", at=at)], NOW + 10).accepted
        assert 1 == lifecycle.apply([told(status, "a", at=at)], NOW + 11).duplicates
    assert 1 == lifecycle.apply([told("ingested", "a", at=NOW)], NOW + 12).duplicates

    found = view(lifecycle, NOW + 2 * LIMIT)
    assert (1, 1, 1, 0) == (found.ingested, found.indexed, found.fresh, found.late)


def test_a_document_that_is_ingested_anew_waits_anew(lifecycle):
    """A new version of one that was indexed before."""
    for status, now in (("ingested", 0), ("indexed", 10), ("ingested", 100)):
        lifecycle.apply([told(status, "a")], NOW + now)

    found = view(lifecycle, NOW + 100 + LIMIT + 1)
    assert (2, 1, 1) == (found.ingested, found.fresh, found.late)


def test_counts_alone_tell_no_freshness(lifecycle):
    """Absent is better than wrong."""
    for status, count in (("ingested", 500), ("indexed", 480)):
        lifecycle.apply([Documents(status, model="e5", index="bulk", count=count)], NOW)

    found = view(lifecycle, index="bulk")
    assert (500, 480, None, None) == (found.ingested, found.indexed, found.fresh, found.late)


def test_nothing_told_is_no_word_of_counts(lifecycle):
    """A count of 0, or a list without ids, beside documents with ids."""
    lifecycle.apply([told("ingested", "a")], NOW)
    receipt = lifecycle.apply([Documents("ingested", model="e5", count=0), told("indexed")], NOW)

    assert (2, 0) == (receipt.accepted, receipt.duplicates)
    assert (1, 0) == (view(lifecycle).ingested, view(lifecycle).fresh)


def test_ids_of_two_indexes_are_two_documents(lifecycle):
    """And so are those of two models."""
    lifecycle.apply([told("ingested", "a", index="one"), told("indexed", "a", index="two")], NOW)

    assert 0 == view(lifecycle, index="one").fresh


def test_past_the_limit_of_labels_documents_are_only_counted(lifecycle):
    """Ids of several indexes under one label would be taken for each other."""
    for i in range(70):
        lifecycle.apply([told("ingested", "a", index=f"i{i}"), told("indexed", "a", index=f"i{i}")], NOW)

    assert 1 == view(lifecycle, index="i63").fresh
    assert (6, 6, None) == view(lifecycle, index="__other__")[:3]


def test_waiting_documents_are_bounded_and_the_late_go_first(lifecycle, monkeypatch):
    """A tenth of the real size: what is forgotten too soon to be judged is counted."""
    monkeypatch.setattr(documents, "MAX_WAITING", 1000)
    names = [str(i) for i in range(1500)]
    lifecycle.apply([told("ingested", *names[:600])], NOW)
    lifecycle.apply([told("ingested", *names[600:])], NOW + LIMIT + 1)
    now = NOW + LIMIT + 2

    found = lifecycle.view(now)
    assert 600 == found.documents["e5", ""].late
    assert 0 == found.left_out[LeftOut.DROPPED_DOCUMENT]

    lifecycle.apply([told("ingested", *(f"more{i}" for i in range(300)))], now)
    assert 200 == lifecycle.view(now).left_out[LeftOut.DROPPED_DOCUMENT]
    lifecycle.apply([told("indexed", *names[600:])], now)
    assert 700 == view(lifecycle, now).fresh


def test_waiting_documents_of_all_indexes_are_bounded_and_the_fullest_gives_way(lifecycle, monkeypatch):
    """A stranger with many documents does not drive out those of a small index."""
    monkeypatch.setattr(documents, "MAX_WAITING", 1000)
    lifecycle.apply([told("ingested", "kept", index="small")], NOW)
    for index in range(3):
        lifecycle.apply([told("ingested", *map(str, range(1000)), index=f"large{index}")], NOW)

    assert 1001 == lifecycle.view(NOW).left_out[LeftOut.DROPPED_DOCUMENT]
    lifecycle.apply([told("indexed", "kept", index="small")], NOW)
    assert 1 == view(lifecycle, index="small").fresh


def test_documents_indexed_lately_are_bounded_in_all(lifecycle, monkeypatch):
    """What was indexed before its ingestion is put right for the newest alone."""
    monkeypatch.setattr(documents, "MAX_RECENT", 1000)
    names = [str(i) for i in range(1500)]
    for index in range(15):
        lifecycle.apply([told("indexed", *names, at=NOW, index=str(index))], NOW)
    for index in range(15):
        lifecycle.apply([told("ingested", *names, at=NOW, index=str(index))], NOW)

    assert 10_000 == sum(each.fresh for each in lifecycle.view(NOW).documents.values())
    assert all(each.fresh <= 1000 for each in lifecycle.view(NOW).documents.values())


def test_withdrawn_documents_are_known_until_they_are_restored(lifecycle):
    """By model, whatever the type of the id."""
    lifecycle.apply([told("withdrawn", "a", "b", 7)], NOW)
    keys = document_keys(["a", "b", "7", "c"], KEY)
    assert (3, 0) == (lifecycle.withdrawn("e5", keys), lifecycle.withdrawn("bge", keys))

    assert 1 == lifecycle.apply([told("restored", "a", "unknown")], NOW).accepted
    assert 1 == lifecycle.apply([told("restored", "a")], NOW).duplicates
    assert 2 == lifecycle.withdrawn("e5", keys)


def test_another_secret_knows_nothing(lifecycle):
    """What is kept cannot be guessed back without it."""
    lifecycle.apply([told("withdrawn", "a")], NOW)

    assert 0 == lifecycle.withdrawn("e5", document_keys(["a"], b"another"))


def test_a_million_withdrawn_ids_are_as_many_as_the_newest_tenth(lifecycle, monkeypatch):
    """A hundredth of the real size; what was dropped is counted."""
    monkeypatch.setattr(withdrawn, "MAX_WITHDRAWN", 1000)
    for start in range(0, 10_000, 500):
        lifecycle.apply([told("withdrawn", *range(start, start + 500))], NOW)

    assert 1000 == lifecycle.withdrawn("e5", document_keys(range(10_000), KEY))
    assert 1000 == lifecycle.withdrawn("e5", document_keys(range(9000, 10_000), KEY))
    assert 9000 == lifecycle.view(NOW).left_out[LeftOut.DROPPED_WITHDRAWN]


def test_a_full_lifecycle_has_a_known_size(monkeypatch):
    """A tenth of the real size: at most 300 bytes a waiting document, 200 a withdrawn one."""
    monkeypatch.setattr(documents, "MAX_WAITING", 10_000)
    monkeypatch.setattr(withdrawn, "MAX_WITHDRAWN", 10_000)
    lifecycle = Lifecycle(KEY, LIMIT)
    names = [f"document-{i}" for i in np.random.default_rng(7).permutation(60_000)]
    tracemalloc.start()
    try:
        for start in range(0, 60_000, 5000):
            batch = names[start : start + 5000]
            lifecycle.apply([told("ingested", *batch, index=str(start % 4)), told("withdrawn", *batch)], NOW + start)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size < 20_000 * 300 + 10_000 * 200
