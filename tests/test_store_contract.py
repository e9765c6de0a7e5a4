"""What every store promises, whatever it keeps its series in: exact sums, bounded state, strangers kept apart."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model import FOLDED, Ignored, SeriesKey, Timing
from app.series import full_series_nbytes
from app.store import STORES
from tests.builders import KEY, events, traffic
from tests.fakes import FakeClock

NOW = 1_800_000_000.0
every = pytest.mark.parametrize("kind", STORES.values(), ids=STORES)


def key(model, version="1"):
    return SeriesKey(model, version, "", "query")


def new_store(kind, *, max_series=8, max_state_bytes=10**9, **settings):
    return kind(Timing(), max_series=max_series, max_state_bytes=max_state_bytes, seed=7, **settings)


def some(model, count=1, *, dimension=4, seed=7, now=NOW):
    """Events with vectors and scores of one series."""
    return traffic(np.random.default_rng(seed), np.full(count, now), key=key(model), dimension=dimension)


def accepted(store, now=NOW):
    return sum(totals.events for totals in store.totals(now))


@every
def test_what_is_accepted_is_in_the_next_read(kind):
    """The receipt and the totals agree, and each series is found by its key."""
    store = new_store(kind)

    receipt = store.append(some("e5", 3), NOW)

    assert (3, 0, 0, 0, []) == (
        receipt.accepted,
        receipt.duplicates,
        receipt.late,
        receipt.folded,
        receipt.errors,
    )
    assert [(key("e5"), 3)] == [(totals.key, totals.events) for totals in store.totals(NOW)]
    assert key("e5") == store.find(key("e5")).key
    assert [key("e5")] == [series.key for series in store.series()]
    assert store.find(key("bge")) is None


@every
def test_a_batch_goes_to_all_its_series(kind):
    """Events of several series in one batch are told apart."""
    store = new_store(kind)
    keys = [key("a"), key("b"), key("a"), key("c")]

    assert 4 == store.append(events([NOW] * 4, keys=keys), NOW).accepted

    assert {key("a"): 2, key("b"): 1, key("c"): 1} == {each.key: each.events for each in store.totals(NOW)}


@every
def test_an_event_id_counts_once(kind):
    """Within one batch and across batches; events without an id are never duplicates."""
    store = new_store(kind)

    first = store.append(events([NOW] * 4, ids=["x", "y", "x", None]), NOW)
    second = store.append(events([NOW] * 4, ids=["y", "z", None, None]), NOW + 5)

    assert (3, 1) == (first.accepted, first.duplicates)
    assert (3, 1) == (second.accepted, second.duplicates)
    assert 6 == accepted(store)
    assert 2 == store.counts().ignored[Ignored.DUPLICATE]


@every
def test_an_id_is_forgotten_after_its_time(kind):
    """Ten minutes are remembered, an hour is not."""
    store = new_store(kind)
    store.append(events([NOW], ids=["x"]), NOW)

    again = store.append(events([NOW + 599], ids=["x"]), NOW + 599)
    store.append(events([NOW + 1300], ids=["y"]), NOW + 1300)
    later = store.append(events([NOW + 3700], ids=["x"]), NOW + 3700)

    assert (1, 0) == (again.duplicates, later.duplicates)


@every
def test_late_events_are_counted_and_left_out(kind):
    """Older than an hour is late, younger is not; a late duplicate is a duplicate."""
    store = new_store(kind)

    receipt = store.append(events([NOW - 3601, NOW - 3599, NOW], ids=["a", "b", "c"]), NOW)
    again = store.append(events([NOW - 3601], ids=["a"]), NOW)

    assert (2, 1, 0) == (receipt.accepted, receipt.late, receipt.duplicates)
    assert (0, 0, 1) == (again.accepted, again.late, again.duplicates)
    assert {Ignored.LATE: 1, Ignored.DUPLICATE: 1, Ignored.UNKNOWN_LABEL: 0} == store.counts().ignored


@every
def test_unknown_labels_are_counted(kind):
    """As often as events carried one, and nothing else comes of it."""
    store = new_store(kind)

    store.append(events([NOW] * 3, unknown_labels=2), NOW)

    assert 2 == store.counts().ignored[Ignored.UNKNOWN_LABEL]
    assert 3 == accepted(store)


@every
@pytest.mark.parametrize("max_series", [1, 2])
def test_a_batch_of_nothing_but_duplicates_leaves_no_trace(kind, max_series):
    """It makes no series, folds nothing, and is no sign of life; once it was an error at the limit."""
    store = new_store(kind, max_series=max_series)
    store.append(events([NOW], ids=["x"], key=key("a")), NOW)

    receipt = store.append(events([NOW], ids=["x"], key=key("b")), NOW)
    late = store.append(events([NOW - 7200], key=key("c")), NOW)

    assert (0, 1, 0) == (receipt.accepted, receipt.duplicates, receipt.folded)
    assert (0, 1, 0) == (late.accepted, late.late, late.folded)
    assert [key("a")] == [series.key for series in store.series()]


@every
def test_refused_events_are_told_by_their_place_in_the_request(kind):
    """Those of another similarity metric count as rejected, the others as accepted."""
    store = new_store(kind)
    store.append(events([NOW], scores=[[0.5]]), NOW)

    receipt = store.append(events([NOW] * 2, scores=[[0.5], [3.0]], metrics=["cosine", "dot"]), NOW)

    assert (1, [1]) == (receipt.accepted, [error.index for error in receipt.errors])
    assert 2 == accepted(store)


@every
def test_an_idle_series_leaves_and_may_return(kind):
    """After a day without events its place is free; when it comes back it begins at nothing."""
    store, clock = new_store(kind, max_series=1), FakeClock(NOW)
    store.append(some("a", 5), NOW)

    assert [] == store.expire(clock.advance(86400))
    assert [key("a")] == store.expire(clock.advance(1))
    assert [] == store.totals(clock.now())
    receipt = store.append(some("b", now=clock.now()), clock.now())

    assert (1, 0) == (receipt.accepted, receipt.folded)
    assert [(key("b"), 1)] == [(totals.key, totals.events) for totals in store.totals(clock.now())]


@every
def test_events_that_meet_an_expiring_series_go_to_a_new_one(kind):
    """Between finding a series and adding to it, it may expire: no event is lost in that gap."""
    store = new_store(kind)
    store.append(some("a", 5), NOW)
    series = store.find(key("a"))
    taking = series.append

    def append_just_after_expiry(batch, now):
        store.expire(now + 2 * 86400)
        return taking(batch, now)

    series.append = append_just_after_expiry
    receipt = store.append(some("a", 3), NOW)

    assert 3 == receipt.accepted
    assert store.find(key("a")) is not series
    assert 3 == accepted(store)


streams = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.sampled_from("abcdefg"), st.sampled_from([0, 30, 7200]), st.sampled_from(["p", "q", "r", None, None])
            ),
            min_size=1,
            max_size=25,
        ),
        st.sampled_from([1.0, 400.0, 90000.0]),
    ),
    max_size=8,
)


@every
@given(streams, st.integers(1, 4))
def test_the_sum_over_all_series_is_what_was_accepted(kind, stream, max_series):
    """Exactly, the folded series with the others, whatever was duplicate, late or past the limit."""
    store, clock = new_store(kind, max_series=max_series), FakeClock(NOW)
    taken, folded, sent, out = Counter(), 0, 0, 0

    for drawn, wait in stream:
        batch = events(
            [clock.now() - age for _, age, _ in drawn],
            keys=[key(model) for model, _, _ in drawn],
            vectors=[[1.0, 2.0] if age else None for _, age, _ in drawn],
            ids=[identifier for _, _, identifier in drawn],
            weights=2.0,
        )
        receipt = store.append(batch, clock.now())
        sent += len(batch)
        out += receipt.duplicates + receipt.late
        folded += receipt.folded
        taken["events"] += receipt.accepted
        totals = store.totals(clock.now())
        assert taken["events"] == sum(each.events for each in totals)
        assert 2.0 * taken["events"] == sum(each.represented_events for each in totals)
        assert folded == sum(each.events for each in totals if each.key == FOLDED) == store.counts().folded_events
        assert len(store.series()) <= max_series == store.counts().series_limit
        # Totals of an idle series leave with it: what is left is what counts from then on.
        gone = {each.key: each.events for each in totals}
        for expired in store.expire(clock.advance(wait)):
            taken["events"] -= gone[expired]
    assert sent - out >= folded


@every
def test_strangers_change_nothing_of_a_known_series(kind):
    """Its totals, windows and places are the same with an attack of strangers and without."""

    def run(attack):
        store, rng = new_store(kind, max_series=4), np.random.default_rng(7)
        for step in range(40):
            now = NOW + 10 * step
            store.append(traffic(rng, np.full(20, now), dimension=4), now)
            if attack and step >= 1:
                strangers = [key(f"stranger {step} {number}") for number in range(100)]
                store.append(events([now] * 100, keys=strangers, vectors=[[1.0] * 5] * 100), now)
        series = store.find(KEY)
        (totals,) = [each for each in store.totals(now) if each.key == KEY]
        windows = series.windows(now)
        seen = [totals.events, totals.vectors, totals.buckets["norm"].cumulative.tolist(), series.learned().events]
        for window in windows.values():
            seen += [window.pane.events, window.pane.vectors.total.tolist()]
            # Few enough events in the first window that its sketch is exact.
            seen += [window.distribution("norm").n]
        return seen, len(store.series()), accepted(store, now)

    quiet, attacked = run(attack=False), run(attack=True)

    assert quiet[0] == attacked[0]
    assert (1, 800) == quiet[1:]
    assert (4, 800 + 3900) == attacked[1:]


@every
def test_twenty_thousand_strangers_are_bounded_and_counted(kind):
    """Each with a name of its own: as many series as may be, the rest in one, and not one event lost."""
    store = new_store(kind, max_series=5)

    for start in range(0, 20_000, 1000):
        names = [key(f"{start + number}") for number in range(1000)]
        store.append(events([NOW] * 1000, keys=names), NOW)

    assert 5 == len(store.series())
    assert 20_000 == accepted(store)
    assert 19_995 == store.counts().folded_events
    assert 6 == len(store.totals(NOW))


@every
def test_a_configured_model_finds_its_place(kind):
    """Strangers who come first, with vectors as long as they like, leave room for it."""
    size = full_series_nbytes(Timing(), 4)
    store = new_store(kind, max_series=3, max_state_bytes=10 * size, reserved_models=("ours",))

    folded = [store.append(some(name), NOW).folded for name in ("x", "y", "z")]
    ours = store.append(some("ours", 2), NOW)

    assert [0, 0, 1] == folded
    assert (2, 0) == (ours.accepted, ours.folded)


@every
def test_a_configured_model_finds_memory_for_its_place(kind):
    """Not only places, the budget too is kept for it."""
    size = full_series_nbytes(Timing(), 4)
    store = new_store(kind, max_series=30, max_state_bytes=3 * size, reserved_models=("ours",))

    folded = [store.append(some(name), NOW).folded for name in ("x", "y", "z")]

    assert [0, 0, 1] == folded
    assert 0 == store.append(some("ours"), NOW).folded


@every
def test_a_small_budget_folds_before_the_number_of_series_does(kind):
    """max_state_mib and max_series, whichever comes first."""
    store = new_store(kind, max_series=64, max_state_bytes=3 * full_series_nbytes(Timing(), 4))

    folded = [store.append(some(f"m{number}"), NOW).folded for number in range(5)]

    assert [0, 0, 0, 1, 1] == folded
    assert 5 == accepted(store)


@every
def test_baselines_kept_beside_the_series_take_of_the_budget(kind):
    """What is reserved is not given to series."""
    size = full_series_nbytes(Timing(), 4)
    store = new_store(kind, max_state_bytes=3 * size)

    store.reserve(2 * size)
    folded = [store.append(some(name), NOW).folded for name in ("x", "y")]
    store.reserve(0)

    assert [0, 1] == folded
    assert 0 == store.append(some("y"), NOW).folded


@every
def test_long_vectors_are_not_smuggled_in_by_a_series_that_began_without(kind):
    """A place was given for a series without vectors; those of 8,192 numbers that come later do not fit."""
    store = new_store(kind, max_state_bytes=3 * full_series_nbytes(Timing(), 4))
    store.append(events([NOW] * 3, key=key("x")), NOW)

    smuggled = store.append(some("x", 5, dimension=8192), NOW)
    honest = store.append(some("x", 5, dimension=4), NOW)

    assert (5, 0) == (smuggled.folded, honest.folded)
    assert 13 == accepted(store)
    assert 4 == store.find(key("x")).dimension


@every
def test_a_stray_long_vector_takes_no_room_for_ever(kind):
    """Once the vote has settled on short vectors, the budget is free for others again."""
    budget = full_series_nbytes(Timing(), 8192) + full_series_nbytes(Timing(), 4)
    store = new_store(kind, max_state_bytes=budget)
    store.append(some("x", 1, dimension=8192), NOW)
    before = [store.append(some(name), NOW).folded for name in ("y", "z")]

    store.append(some("x", 120), NOW)
    assert 4 == store.totals(NOW)[0].dimension
    after = store.append(some("z"), NOW).folded

    assert ([0, 1], 0) == (before, after)


def send(store, number):
    """Append 60 batches of seven events, to five series in turn."""
    for step in range(60):
        batch = some(f"m{(number + step) % 5}", 7, seed=number * 100 + step, now=NOW + step)
        assert 7 == store.append(batch, NOW + step).accepted


def read(store, done):
    """Read all there is, again and again."""
    while not done.is_set():
        assert all(totals.events >= totals.vectors for totals in store.totals(NOW + 30))
        for series in store.series():
            windows = series.windows(NOW + 30)
            assert windows["5m"].pane.events <= windows["1h"].pane.events
        store.counts()


@every
def test_appending_and_reading_at_once_loses_nothing(kind):
    """Four threads send, one reads totals and windows all the while; the sum at the end is exact."""
    store, done = new_store(kind, max_series=3), Event()

    with ThreadPoolExecutor(5) as threads:
        reading = threads.submit(read, store, done)
        sending = [threads.submit(send, store, number) for number in range(4)]
        try:
            for each in sending:
                each.result()
        finally:
            done.set()
        reading.result()

    assert 4 * 60 * 7 == accepted(store, NOW + 60)
    assert 3 == len(store.series())
