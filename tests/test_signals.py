"""Signals are what their names say of each event, against plain Python; bounds are those promised for ever."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.signals import BUCKETED_SIGNALS, SIGNALS
from tests.builders import events

ORACLES = {
    "norm": lambda norm, scores: norm,
    "top1_similarity": lambda norm, scores: scores[0] if scores else math.nan,
    "similarity_mean": lambda norm, scores: math.fsum(scores) / len(scores) if scores else math.nan,
    "margin": lambda norm, scores: scores[0] - scores[1] if len(scores) > 1 else math.nan,
}
each_event = st.tuples(
    st.floats(0, 1e6) | st.just(math.nan), st.lists(st.floats(-1, 1), max_size=5).map(lambda x: sorted(x)[::-1])
)


def test_every_signal_has_an_oracle_here():
    """A new signal is tested on arrival."""
    assert ORACLES.keys() == {signal.name for signal in SIGNALS}


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
@given(st.lists(each_event, max_size=20))
def test_a_signal_is_the_same_as_worked_out_by_hand(signal, drawn):
    """One number an event, NaN where the event has none, whatever its neighbours lack."""
    batch = events(np.zeros(len(drawn)), norms=[norm for norm, _ in drawn], scores=[scores for _, scores in drawn])

    found = signal.extract(batch)

    assert pytest.approx([ORACLES[signal.name](*each) for each in drawn], nan_ok=True) == found.tolist()


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_the_scale_of_a_signal_is_a_signal(signal):
    """The name that says how large a signal's numbers are stands in the table."""
    assert signal.scale in {each.name for each in SIGNALS}


def test_the_histogram_of_results_counts_every_rank():
    """Each score of each event is a value of its own."""
    (results,) = [each for each in BUCKETED_SIGNALS if each.name == "result_similarity"]

    batch = events([0.0, 0.0, 0.0], scores=[[0.9, 0.8], None, [0.5]])

    assert [0.9, 0.8, 0.5] == results.extract(batch).tolist()


def test_histogram_bounds_are_fixed_for_ever():
    """Bounds as design says them: a histogram whose bounds change cannot be summed over time."""
    bounds = {each.name: each.bounds for each in BUCKETED_SIGNALS}
    similarity = (-1.0, -0.5, -0.2, 0.0, *(round(0.05 * step, 2) for step in range(1, 21)))

    assert similarity == bounds["top1_similarity"] == bounds["result_similarity"]
    assert (0.01, 100.0) == (bounds["norm"][0], bounds["norm"][-1])
    assert {0.9, 0.95, 0.97, 0.99, 1.01, 1.03, 1.05, 1.1} <= set(bounds["norm"])
    assert all(list(each) == sorted(set(each)) for each in bounds.values())
