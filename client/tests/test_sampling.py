"""Which events are in the sample."""

import random
import subprocess
import sys

import pytest
from embedding_drift_client.event import EventError
from embedding_drift_client.sampling import Sampler, position
from hypothesis import given
from hypothesis import strategies as st

rates = st.floats(min_value=0, max_value=1, exclude_min=True)
any_text = st.text(st.characters())


@given(any_text, rates, rates)
def test_a_lower_rate_is_a_subset_of_a_higher_one(query_id, one, other):
    """Whatever is taken at a rate is taken at every rate above it."""
    lower, higher = sorted((one, other))

    assert not Sampler(lower).takes(query_id) or Sampler(higher).takes(query_id)


@given(any_text)
def test_everything_is_taken_at_rate_one(query_id):
    """A rate of 1 leaves nothing out, with a query id or without."""
    assert Sampler(1.0).takes(query_id)
    assert Sampler(1.0).takes(None)


def test_the_position_is_the_same_in_another_process():
    """String hashes of Python differ from process to process; positions do not."""
    script = "from embedding_drift_client.sampling import position; print([position(f'q-{i}') for i in range(50)])"
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }

    assert {f"{[position(f'q-{i}') for i in range(50)]}\n".encode()} == seen


@pytest.mark.parametrize("name", ["{}", "q-{:06d}", "session-{}-1"])
def test_ids_that_count_up_are_sampled_evenly(name):
    """The number taken from each thousand in a row varies as by chance: variance over that of a binomial, 200 times."""
    sampler = Sampler(0.1)

    taken = [sum(sampler.takes(name.format(start + i)) for i in range(1000)) for start in range(100_000, 300_000, 1000)]

    mean = sum(taken) / 200
    assert 0.95 < mean / 100 < 1.05
    assert 0.7 < sum((n - mean) ** 2 for n in taken) / 200 / 90 < 1.4


def test_events_without_a_query_id_are_sampled_at_random_and_leave_the_callers_random_numbers_alone():
    """About a share of `rate` is taken; a sequence that the caller seeded goes on as if nothing had happened."""
    sampler = Sampler(0.25)
    random.seed(7)
    expected = random.random()
    random.seed(7)

    taken = sum(sampler.takes(None) for _ in range(10_000))

    assert 2200 < taken < 2800
    assert expected == random.random()


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate):
    """The error says what would be right."""
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        Sampler(rate)


def test_a_query_id_that_is_no_string_is_refused_without_showing_it():
    """1 and "1" would be sampled apart in two services, so only strings pass."""
    with pytest.raises(EventError, match="query_id: expected a string, not int"):
        Sampler(0.5).takes(123456)
