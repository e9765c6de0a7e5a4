"""Distinct keys: counts and overlaps within the stated error, merges that are the union's sketch, bounded memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sketch.distinct import DistinctKeys, K


def hashes(rng, n):
    return rng.integers(1, 2**64, size=n, dtype=np.uint64)


def sketch(*parts, k=K):
    made = DistinctKeys(k)
    for part in parts:
        made.update(part)
    return made


def state(made):
    return made._keys.tolist(), int(made._below)


@pytest.mark.parametrize("n", [0, 1, 900, K])
def test_up_to_k_keys_the_count_is_exact(n):
    """However often each comes, and in whatever batches; 0 is no key."""
    keys = hashes(np.random.default_rng(7), n)
    made = sketch(keys, np.repeat(keys, 3), np.zeros(9, np.uint64))

    assert (n, 0.0) == (made.count, made.relative_error)


@pytest.mark.parametrize("n", [2000, 50_000, 1_000_000])
def test_past_k_keys_the_count_is_within_its_error(n):
    """40 streams, or 8 of the longest: unbiased, and as far off as one standard error says."""
    rng = np.random.default_rng(7)
    runs = 8 if n > 100_000 else 40
    off = []
    for _ in range(runs):
        made = sketch(*np.array_split(hashes(rng, n), 10))
        off.append((made.count / n - 1) / made.relative_error)

    assert abs(np.mean(off)) < 3.5 / np.sqrt(runs)
    assert 0.5 < np.sqrt(np.mean(np.square(off))) < 1.5
    assert np.abs(off).max() < 4


def test_the_count_is_of_distinct_keys_not_of_events():
    """A stream like that of a search: few documents take most results."""
    rng = np.random.default_rng(7)
    documents = hashes(rng, 20_000)
    stream = documents[(20_000 * rng.random(200_000) ** 3).astype(int)]
    made = sketch(*np.array_split(stream, 100))

    assert pytest.approx(np.unique(stream).size, rel=4 * made.relative_error) == made.count


@pytest.mark.parametrize(("a", "b", "both"), [(50, 60, 20), (5000, 5000, 5000), (8000, 8000, 0), (20_000, 9000, 6000)])
def test_the_overlap_is_within_its_error(a, b, both):
    """The share of A that B has too: not of their union, and not the same the other way round."""
    rng = np.random.default_rng(7)
    for _ in range(10):
        keys = hashes(rng, a + b - both)
        one, other = sketch(keys[:a]), sketch(keys[a - both :])
        for mine, yours, p in [(one, other, both / a), (other, one, both / b)]:
            exact = max(a, b) <= K
            sampled = K * min(1.0, mine.count / yours.count) if not exact else 1
            error = 0.0 if exact else 4 * np.sqrt(p * (1 - p) / sampled)
            assert abs(mine.overlap(yours) - p) <= error + 1e-12


def test_an_overlap_that_nothing_is_known_of_is_none():
    """Without keys, or with so few that both would have kept that chance is all one would read."""
    rng = np.random.default_rng(7)
    large, small = hashes(rng, 200_000), hashes(rng, 300)

    assert DistinctKeys().overlap(sketch(small)) is None
    assert sketch(small).overlap(sketch(large)) is None
    assert 0.0 == sketch(small).overlap(DistinctKeys())


keys_of = st.builds(lambda seed, n: hashes(np.random.default_rng(seed), n), st.integers(0, 3), st.integers(0, 120))


@given(st.lists(keys_of, max_size=5), st.lists(keys_of, max_size=5))
def test_a_merge_is_the_sketch_of_the_union(first, second):
    """To the bit, whatever the order and the batches; and the other is left as it was."""
    one, other = sketch(*first, k=32), sketch(*second, k=32)
    before = state(other)
    one.merge(other)
    union = sketch(*second, *first, k=32)

    assert state(union) == state(one)
    assert before == state(other)
    one.update(hashes(np.random.default_rng(9), 50))
    assert before == state(other)


def test_a_merge_with_nothing_changes_nothing():
    """On either side."""
    made = sketch(hashes(np.random.default_rng(7), 3000))
    before = state(made)
    made.merge(DistinctKeys())
    received = DistinctKeys()
    received.merge(made)

    assert before == state(made) == state(received)


def test_memory_does_not_grow():
    """Under 1,000,000 distinct keys."""
    made = DistinctKeys()
    for batch in hashes(np.random.default_rng(7), 1_000_000).reshape(-1, 1000):
        made.update(batch)

    assert made._keys.base is None
    assert made._keys.nbytes == made.nbytes == 8192
