"""Outcomes join their queries: within bounds of number and time, once a query, by series and band."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model import SeriesKey
from app.outcomes import Joined, Outcome, OutcomeMemory, OutcomeValue, query_keys
from app.outcomes.memory import STAGED_QUERIES, StagedQueries

SERIES = SeriesKey("e5", "2", "1", "query")
OTHER_SERIES = SeriesKey("e5", "3", "1", "query")
COUNTED, DUPLICATE, UNMATCHED = Joined
CLICKED = Outcome(clicked=True)


def ids(*numbers):
    return np.array(numbers, np.uint64)


def remembered(memory, *numbers, key=SERIES, poor=(), now=0.0):
    memory.remember(ids(*numbers), key, np.isin(numbers, poor), now)


def said(memory, key=SERIES):
    """What was counted of a series, without the zeros."""
    return {tuple(each): count for each, count in memory.totals().series[key].items() if count}


def test_outcomes_count_for_the_series_and_the_band_of_their_query():
    """Each query in its own series; poor and normal apart; true and false apart."""
    memory = OutcomeMemory()
    remembered(memory, 1, 2, poor=[2])
    remembered(memory, 3, key=OTHER_SERIES)

    joined = memory.join([1, 2, 3], [CLICKED, Outcome(clicked=False, no_answer=True), CLICKED], now=1.0)

    assert [COUNTED] * 3 == joined
    assert {("clicked", True, "normal"): 1, ("clicked", False, "poor"): 1, ("no_answer", True, "poor"): 1} == said(
        memory
    )
    assert {("clicked", True, "normal"): 1} == said(memory, OTHER_SERIES)


def test_an_outcome_said_twice_counts_once():
    """Also with the other value, and beside one that is new; duplicates are counted by value."""
    memory = OutcomeMemory()
    remembered(memory, 1)

    joined = memory.join([1] * 4, [CLICKED, CLICKED, Outcome(clicked=False), Outcome(True, True)], now=1.0)

    assert [COUNTED, DUPLICATE, DUPLICATE, COUNTED] == joined
    assert {("clicked", True, "normal"): 1, ("success", True, "normal"): 1} == said(memory)
    assert (3, 0) == (memory.totals().duplicates, memory.totals().unmatched)


def test_outcomes_of_unknown_queries_are_counted_and_belong_to_nobody():
    """By value, as outcomes are, so that shares can be made of the two."""
    memory = OutcomeMemory()

    assert [UNMATCHED] == memory.join([9], [Outcome(success=True, clicked=False)], now=0.0)
    assert (2, {}) == (memory.totals().unmatched, memory.totals().series)


def test_a_series_has_every_value_and_band_of_an_outcome_from_the_first_one_on():
    """A rate over a sample that is not there yet would be nothing; names nobody uses make no samples."""
    memory = OutcomeMemory()
    remembered(memory, 1)
    memory.join([1], [CLICKED], now=0.0)

    values = memory.totals().series[SERIES]
    assert {("clicked", v, b) for v in (True, False) for b in ("normal", "poor")} == {tuple(each) for each in values}
    assert 1 == sum(values.values())


def test_queries_are_forgotten_after_an_hour_and_not_much_before():
    """At the latest after an hour, and at the earliest a thousandth less."""
    memory = OutcomeMemory()
    for number, second in enumerate(range(0, 3600, 2), start=1):
        remembered(memory, number, now=float(second))

    assert [COUNTED] == memory.join([1], [CLICKED], now=3599.9)
    assert [UNMATCHED, COUNTED] == memory.join([1, 3], [CLICKED] * 2, now=3600.0)
    assert [UNMATCHED] == memory.join([1800], [CLICKED], now=3598.0 + 3600)
    assert 0 == len(memory)


def test_the_oldest_queries_go_first_when_there_are_too_many():
    """Also where one batch alone is more than fits."""
    memory = OutcomeMemory(capacity=10)
    remembered(memory, *range(1, 9))
    remembered(memory, *range(9, 14), now=30.0)

    assert 10 == len(memory)
    assert [UNMATCHED, UNMATCHED, COUNTED, COUNTED] == memory.join([1, 3, 4, 13], [CLICKED] * 4, now=31.0)

    remembered(memory, *range(20, 50), now=60.0)
    assert [UNMATCHED, UNMATCHED, COUNTED] == memory.join([13, 39, 40], [CLICKED] * 3, now=61.0)


def test_a_query_that_comes_twice_is_poor_if_it_was_once_and_counts_once():
    """Its vector from one service, its scores from another; what was said of it before stays said."""
    memory = OutcomeMemory()
    remembered(memory, 1)
    memory.join([1], [CLICKED], now=0.5)
    remembered(memory, 1, poor=[1], now=1.0)
    remembered(memory, 1, now=2.0)

    assert [DUPLICATE, COUNTED] == memory.join([1, 1], [CLICKED, Outcome(success=False)], now=3.0)
    assert {("clicked", True, "normal"): 1, ("success", False, "poor"): 1} == said(memory)
    assert 1 == len(memory)


def test_events_without_an_id_are_not_remembered():
    """0 is no id, of any number of them."""
    memory = OutcomeMemory()
    remembered(memory, 0, 0, 5, 0)

    assert 1 == len(memory)
    assert [UNMATCHED] == memory.join([0], [CLICKED], now=0.0)


def test_outcomes_that_come_with_their_events_count_at_once():
    """Where the event has no id there is nothing to tell duplicates by."""
    memory = OutcomeMemory()
    memory.count(SERIES, [CLICKED, CLICKED, Outcome(escalated=False)], [True, False, False])

    expected = {("clicked", True, "poor"): 1, ("clicked", True, "normal"): 1, ("escalated", False, "normal"): 1}
    assert expected == said(memory)


def test_what_is_of_a_series_goes_with_it():
    """Its counts, and its queries are then unknown; another series' stay."""
    memory = OutcomeMemory()
    remembered(memory, 1)
    remembered(memory, 2, key=OTHER_SERIES)
    memory.join([1, 2], [CLICKED] * 2, now=0.0)

    memory.retain({OTHER_SERIES}.__contains__)

    assert {OTHER_SERIES} == set(memory.totals().series)
    assert [UNMATCHED, COUNTED] == memory.join([1, 2], [Outcome(success=True)] * 2, now=1.0)
    remembered(memory, 3, now=2.0)
    assert [COUNTED] == memory.join([3], [CLICKED], now=2.0)
    assert {("clicked", True, "normal"): 1} == said(memory)


def test_totals_are_a_copy():
    """A scrape reads them while outcomes come in."""
    memory = OutcomeMemory()
    remembered(memory, 1, 2)
    memory.join([1], [CLICKED], now=0.0)
    before = memory.totals()
    memory.join([2], [CLICKED], now=0.0)

    assert 1 == before.series[SERIES][OutcomeValue("clicked", True, "normal")]


def test_totals_of_a_series_are_the_same_object_while_nothing_is_added():
    """A scrape writes only what is another object than before."""
    memory = OutcomeMemory()
    remembered(memory, 1, 2)
    memory.join([1], [CLICKED], now=0.0)
    before = memory.totals().series[SERIES]
    assert before is memory.totals().series[SERIES]

    memory.join([2], [CLICKED], now=0.0)

    assert 2 == memory.totals().series[SERIES][OutcomeValue("clicked", True, "normal")]


def test_a_clock_that_steps_back_forgets_nothing_too_early():
    """What comes then counts as of the last time."""
    memory = OutcomeMemory()
    remembered(memory, 1, now=1000.0)
    remembered(memory, 2, now=500.0)

    assert [COUNTED] * 2 == memory.join([1, 2], [CLICKED] * 2, now=4599.0)
    assert [UNMATCHED] == memory.join([2], [CLICKED], now=4600.0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("remember"), st.lists(st.integers(0, 12), max_size=8)),
        st.tuples(st.just("join"), st.lists(st.integers(0, 12), max_size=4)),
        st.tuples(st.just("wait"), st.integers(1, 60)),
    ),
    max_size=30,
)


@given(steps)
def test_it_agrees_with_a_list_of_all_that_came(story):
    """Against a plain dict in the order of time; times are told apart, as they are whole seconds."""
    memory, now = OutcomeMemory(seconds=100, capacity=6), 0.0
    known, clicked = {}, set()
    for what, numbers in story:
        if what == "wait":
            now += numbers
        elif what == "remember":
            for number in filter(None, numbers):
                known.setdefault(number, now)
            remembered(memory, *numbers, now=now)
        known = {number: since for number, since in known.items() if now < since + 100}
        known = dict(list(known.items())[-6:])
        clicked &= known.keys()
        if what == "join":
            for number in numbers:
                expected = UNMATCHED if number not in known else DUPLICATE if number in clicked else COUNTED
                clicked |= {number} & known.keys()
                assert [expected] == memory.join([number], [CLICKED], now)


def test_memory_is_bounded_under_a_million_queries():
    """As much after 1,000,000 ids as after 100,000, with an outcome for each; the docstring says how much."""
    rng = np.random.default_rng(7)
    every = rng.integers(1, 2**64, size=1_000_000, dtype=np.uint64).reshape(-1, 5000)
    memory = OutcomeMemory()
    held = []
    tracemalloc.start()
    try:
        for batch, numbers in enumerate(every):
            memory.remember(numbers, SERIES, numbers < 2**60, now=float(batch))
            if batch % 20 == 0:
                memory.join(numbers.tolist(), [CLICKED] * numbers.size, now=float(batch))
                held.append(tracemalloc.get_traced_memory()[0] / 2**20)
    finally:
        tracemalloc.stop()

    assert 100_000 == len(memory)
    assert max(held) < 18


def test_ids_are_hashed_with_the_key():
    """The same id gives the same hash with one key and another with the next; what was sent is nowhere to be found."""
    sent = ["q1", None, "q2", "", "q1"]
    first, second = query_keys(sent, b"one"), query_keys(sent, b"two")

    assert [0, 0] == first[[1, 3]].tolist()
    assert first[0] == first[4] != first[2]
    assert not set(first[[0, 2]].tolist()) & set(second.tolist())
    assert 0 == query_keys([], b"one").size


def test_a_hash_of_an_id_is_stable():
    """Replicas with one key, and a state kept over a restart, name a query alike."""
    assert [418400827158697327] == query_keys(["q-1041"], b"secret").tolist()


@pytest.mark.parametrize("name", Outcome._fields)
def test_each_outcome_is_counted_by_its_name(name):
    """The fields are what is exported."""
    memory = OutcomeMemory()
    remembered(memory, 1)
    memory.join([1], [Outcome(**{name: False})], now=0.0)

    assert {(name, False, "normal"): 1} == said(memory)


def staged(*query_ids, key=SERIES, poor=False, now=0.0):
    return StagedQueries(query_ids, b"secret", key, np.full(len(query_ids), poor), now)


def test_queries_that_wait_to_be_hashed_are_known_to_whoever_asks():
    """In the order in which they came, each in its series and band; those without an id are none."""
    memory = OutcomeMemory()
    memory.stage(staged("a", None))
    memory.stage(staged("b", key=OTHER_SERIES))
    memory.stage(staged("a", poor=True, key=OTHER_SERIES))
    memory.remember(query_keys(["b"], b"secret"), SERIES, np.array([True]), now=0.0)

    joined = memory.join(query_keys(["a", "b"], b"secret").tolist(), [CLICKED, CLICKED], now=1.0)

    assert ([COUNTED] * 2, 2) == (joined, len(memory))
    assert {("clicked", True, "poor"): 1} == said(memory) == said(memory, OTHER_SERIES)


def test_no_more_than_some_hundred_queries_wait():
    """Whether anybody asks or not: after them no id stands in memory as it was sent."""
    memory = OutcomeMemory()
    for number in range(STAGED_QUERIES):
        memory.stage(staged(f"q{number}"))

    assert [] == memory._staged
    assert STAGED_QUERIES == len(memory)
