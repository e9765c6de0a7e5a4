"""Panes: however events are cut into them and merged again, a window says the same."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.baseline import Budget
from app.baseline.calibrate import calibrate
from app.baseline.reference import freeze
from app.drift.same_input import SameInputCounts
from app.drift.sums import NOVELTY_LEVELS
from app.evaluate.look import of_pane
from app.model import SimilarityMetric, Timing
from app.series import FRAME_SIGNALS, Learning, Pane
from app.series.pane import LASTING_SIGNALS, SAME_INPUT_COSINE, Rows
from app.sketch.label_counts import MAX_VALUES, LabelCounts
from tests.builders import KEY
from tests.stage import Change, Queries

EVENTS = 150
"""So few that their sketches are exact."""
SIGNALS = ("norm", "top1_similarity", "margin", "similarity_mean")


class Stream:
    """Events with all that a pane takes in, and what they measure."""

    def __init__(self, frame, count, seed, change):
        queries = Queries(seed=seed)
        batch = queries.draw(np.zeros(count), change)
        rng = np.random.default_rng(seed)
        self.frame = frame
        self.vectors = batch.vectors.values.reshape(count, -1)
        self.inputs = batch.inputs
        self.signals = {name: rng.normal(0.6, 0.1, count) for name in SIGNALS}
        self.signals["norm"] = batch.norm
        self.measured = frame.measure(self.vectors)
        self.matches = rng.random(count) < 0.3
        self.cosines = np.where(rng.random(count) < 0.2, 0.5, 1.0)
        self.invalid = rng.random(count) < 0.1
        self.labels = [{"locale": "abc"[i % 3]} for i in range(count)]

    def pane(self, members):
        """The events at these positions, as one pane."""
        members = np.asarray(members, np.intp)
        pane = Pane()
        if members.size:
            known = members[self.matches[members]]
            changed = int((self.cosines[known] < 0.999).sum())
            pane.update(
                Rows(
                    members.size,
                    int(self.invalid[members].sum()),
                    {name: values[members] for name, values in self.signals.items()},
                    self.vectors[members],
                    self.inputs[members],
                    SameInputCounts(known.size, changed, members.size // 3, members.size // 9),
                    self.cosines[known],
                    [self.labels[i] for i in members],
                )
            )
            pane.add_measured(self.frame, self.vectors[members], self.measured.take(members))
        return pane


@pytest.fixture(scope="module")
def baseline():
    """A small baseline with a frame, and its limits for five minutes."""
    queries, rng = Queries(), np.random.default_rng(7)
    learning = Learning(Timing(), 0.0, rng)
    for number in range(40):
        batch = queries.draw(np.full(60, 300.0 * number))
        vectors = batch.vectors.values.reshape(60, -1)
        pane = Pane()
        same = SameInputCounts(), np.empty(0)
        signals = {"norm": batch.norm, "top1_similarity": rng.normal(0.6, 0.1, 60)}
        pane.update(Rows(60, 0, signals, vectors, batch.inputs, *same))
        learning.add_pane(30 * number, pane)
        learning.add_vectors(vectors, batch.timestamp)
    frozen = freeze(
        learning.material(),
        key=KEY,
        state="final",
        origin="learned",
        now=12000.0,
        similarity_metric=SimilarityMetric.COSINE,
    )
    return frozen, calibrate(frozen.content, Timing(), Budget(1.0, Timing().windows))["5m"]


@pytest.fixture(scope="module")
def stream(baseline):
    return Stream(baseline[0].content.frame, EVENTS, 9, Change(new_topic=0.1))


def merged(panes, order):
    """All panes as one, two and two in any order."""
    panes = list(panes)
    while len(panes) > 1:
        target = panes.pop(order.integers(len(panes)))
        panes[order.integers(len(panes))].merge(target)
    return panes[0]


def held(baseline, pane):
    """The pane as the statistics read it, and the score of each."""
    signals = {name: sketch.distribution() for name, sketch in pane.quantiles.items()}
    window = of_pane(pane, signals)
    return window, {each.statistic: each.value / each.limit for each in baseline[1].read(window)}


@settings(max_examples=60)
@given(data=st.data())
def test_cuts_and_merges_change_no_score(baseline, stream, data):
    """Any cut into panes, empty ones too, merged in any order: the same sums, counts, distributions and scores."""
    panes = data.draw(st.integers(1, 12))
    order = np.random.default_rng(data.draw(st.integers(0, 1000)))
    owner = order.integers(panes, size=EVENTS)

    whole = stream.pane(np.arange(EVENTS))
    parts = merged([stream.pane(np.flatnonzero(owner == number)) for number in range(panes)], order)

    assert (whole.events, whole.invalid) == (parts.events, parts.invalid)
    assert (whole.same_input.matches, whole.same_input.changed) == (parts.same_input.matches, parts.same_input.changed)
    assert whole.labels.counts == parts.labels.counts
    assert whole.vectors.n == parts.vectors.n
    np.testing.assert_allclose(whole.vectors.total, parts.vectors.total, rtol=1e-4, atol=1e-4)
    assert pytest.approx(whole.vectors.squares, rel=1e-6) == parts.vectors.squares
    for name in ("n", "depth", "depth_squares", "distance", "distance_squares"):
        assert pytest.approx(getattr(whole.frame, name), rel=1e-5) == getattr(parts.frame, name)
    assert whole.frame.below.tolist() == parts.frame.below.tolist()
    np.testing.assert_allclose(whole.frame.novel, parts.frame.novel, atol=1e-4)
    np.testing.assert_allclose(whole.frame.features, parts.frame.features, atol=1e-3)
    (expected, first), (found, second) = held(baseline, whole), held(baseline, parts)
    assert expected.norms.values.tolist() == found.norms.values.tolist()
    assert {"mean_shift", "novelty", "mahalanobis", "spread", "joint", "norm", "top1", "invalid"} == first.keys()
    assert first == pytest.approx(second, rel=1e-3, abs=1e-3)
    assert first["joint"] > 1


def test_what_is_merged_is_left_as_it_is(stream):
    """A window is made of panes that go on living."""
    first, second = stream.pane(np.arange(100)), stream.pane(np.arange(100, EVENTS))
    total, below, features = second.vectors.total.copy(), second.frame.below.copy(), second.frame.features.copy()

    window = Pane()
    window.merge(second)
    window.merge(first)
    window.shed(3)

    assert (50, 50, 50) == (second.events, second.vectors.n, second.frame.n)
    assert total.tolist() == second.vectors.total.tolist()
    assert below.tolist() == second.frame.below.tolist()
    assert features.tolist() == second.frame.features.tolist()
    assert 50 == second.quantiles["norm"].n
    assert second.labels is not None


def test_each_rung_lets_go_of_what_no_window_of_it_is_asked_for(stream):
    """An hour keeps all, a day no rows' signals, months the signals with limits alone; sums stay."""
    everything = {*SIGNALS, *FRAME_SIGNALS, SAME_INPUT_COSINE}
    kept = {}
    for rung in range(4):
        pane = stream.pane(np.arange(EVENTS))
        pane.shed(rung)
        kept[rung] = pane.quantiles.keys(), pane.frame.features.size > 0, pane.inputs is None, pane.labels is None
        assert EVENTS == pane.events == pane.vectors.n == pane.frame.n

    assert (everything, True, False, False) == kept[0] == kept[1]
    assert (everything - {*FRAME_SIGNALS}, False, False, False) == kept[2]
    assert (LASTING_SIGNALS, False, True, True) == kept[3]


def test_a_window_of_panes_with_and_without_features_has_none(stream):
    """A sum over some of the rows would be taken for that of all."""
    full, shed = stream.pane(np.arange(100)), stream.pane(np.arange(100, EVENTS))
    shed.shed(2)

    for first, second in ((full, shed), (shed, full)):
        window = Pane()
        window.merge(first)
        window.merge(second)
        assert (EVENTS, 0) == (window.frame.n, window.frame.features.size)


def test_another_frame_takes_nothing_but_what_was_measured_in_the_old_one(stream):
    """What needs no frame stays; repeats within the window are of no baseline."""
    pane = stream.pane(np.arange(EVENTS))
    before = pane.same_input

    pane.forget_frame()

    assert pane.frame is None
    assert set(SIGNALS) == pane.quantiles.keys()
    assert (0, 0, before.repeats, before.inconsistent) == (
        pane.same_input.matches,
        pane.same_input.changed,
        pane.same_input.repeats,
        pane.same_input.inconsistent,
    )
    assert EVENTS == pane.events == pane.vectors.n
    assert before.repeats > 0


def test_a_pane_without_vectors_has_no_sums(stream):
    """And merging it changes none: absent is not zero."""
    empty = Pane()
    nothing = np.empty((0, 16), np.float32), np.zeros(0, np.uint64), SameInputCounts(), np.empty(0)
    empty.update(Rows(3, 1, {"norm": np.empty(0)}, *nothing))
    full = stream.pane(np.arange(10))
    full.merge(empty)

    assert (3, 1, None, None, None) == (empty.events, empty.invalid, empty.vectors, empty.frame, empty.inputs)
    assert {} == empty.quantiles
    assert (13, 10, 10) == (full.events, full.vectors.n, full.frame.n)


def test_a_first_pane_keeps_sums_of_its_own(stream):
    """What a pane took over on its first merge is not the other's array."""
    source, target = stream.pane(np.arange(10)), Pane()
    target.merge(source)
    before = target.frame.below.copy(), target.frame.novel.copy(), target.vectors.total.copy()

    source.merge(stream.pane(np.arange(10, 60)))

    assert before[0].tolist() == target.frame.below.tolist()
    assert before[1].tolist() == target.frame.novel.tolist()
    assert before[2].tolist() == target.vectors.total.tolist()
    assert len(NOVELTY_LEVELS) == before[0].size


labels = st.lists(st.dictionaries(st.sampled_from("ab"), st.integers(0, 99).map(str)), max_size=120)


@given(labels, labels)
def test_labels_are_counted_exactly_up_to_32_values_each(first, second):
    """The first values keep their counts, the sum of a label is exact, and no label has more values than that."""
    one, two = LabelCounts(), LabelCounts()
    one.update(first)
    two.update(second)
    one.merge(two)

    exact = Counter(pair for each in first + second for pair in each.items())
    for label in "ab":
        values = {value for name, value in one.counts if name == label}
        assert len(values) <= MAX_VALUES
        assert sum(exact[pair] for pair in exact if pair[0] == label) == sum(
            count for (name, _), count in one.counts.items() if name == label
        )
    assert all(count <= exact[pair] for pair, count in one.counts.items() if pair[1] != "other")
