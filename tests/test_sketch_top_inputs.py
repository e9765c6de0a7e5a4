"""Top inputs: shares of single inputs, and keys for those without a name. What merges promise: the contract tests."""

import numpy as np
import pytest

from app.sketch import TopInputs, content_keys


def zipf(rng, n, exponent=1.0, vocabulary=100_000):
    cumulative = np.cumsum(np.arange(1, vocabulary + 1.0) ** -exponent)
    return np.searchsorted(cumulative, rng.random(n) * cumulative[-1]).astype(np.uint64) + np.uint64(1)


def test_a_flood_is_seen_through_panes_and_merges():
    """One query in ten among Zipf traffic, in thirty panes of a few batches: first, with its share less the error."""
    rng = np.random.default_rng(7)
    window = TopInputs()
    for _ in range(30):
        pane = TopInputs()
        for _ in range(4):
            keys = zipf(rng, 128)
            keys[rng.random(128) < 0.1] = 999_999
            pane.update(keys)
        window.merge(pane)
    keys, shares = window.shares()

    assert 30 * 4 * 128 == window.n
    assert 999_999 == keys[0]
    assert 0.1 - 1 / 33 <= shares[0] <= 0.105
    assert window.error / window.n <= 1 / 33
    assert (np.diff(shares) <= 0).all()


def test_events_without_a_key_do_not_count():
    """Neither in the number nor in the shares; nothing at all has no shares."""
    inputs = TopInputs()
    assert inputs.shares()[1].size == 0
    inputs.update(np.array([0, 0, 4], np.uint64))

    assert ([4], [1.0], 1) == (inputs.shares()[0].tolist(), inputs.shares()[1].tolist(), inputs.n)


def test_memory_does_not_grow():
    """Two arrays of at most 32 numbers."""
    inputs = TopInputs()
    for start in range(1, 10_000, 100):
        inputs.update(np.repeat(np.arange(start, start + 100, dtype=np.uint64), 2))

    assert inputs._keys.nbytes + inputs._counts.nbytes <= inputs.nbytes == 512


@pytest.mark.parametrize("dimension", [1, 2, 7, 768])
@pytest.mark.parametrize("storage", [np.float32, np.float16])
def test_equal_vectors_have_equal_keys_and_others_have_others(dimension, storage):
    """Wherever they stand in a batch; also of numbers that were stored in half precision."""
    rng = np.random.default_rng(7)
    rows = np.unique(rng.normal(size=(3000, dimension)).astype(storage), axis=0).astype(np.float32)
    keys = content_keys(rows)
    order = rng.permutation(len(rows))

    assert len(rows) == np.unique(keys).size
    assert (keys > 0).all()
    assert (keys[order] == content_keys(rows[order])).all()
    assert keys[-1:] == content_keys(rows[-1:])
    assert (keys[:9] == content_keys(np.asfortranarray(rows[:9]))).all()


def test_sparse_vectors_are_told_apart():
    """Twenty ones among 768 zeros, where a look at a few numbers would find zeros alone; of equal bits some collide."""
    rng = np.random.default_rng(7)
    rows = np.zeros((3000, 768), np.float32)
    rows[np.arange(3000)[:, None], rng.permuted(np.tile(np.arange(768), (3000, 1)), axis=1)[:, :20]] = 1
    _, counts = np.unique(content_keys(rows), return_counts=True)

    assert counts.max() <= 3
    assert counts.size >= 2850


def test_keys_are_those_of_yesterday():
    """Panes of a replica and of a baseline file name the same vectors alike."""
    assert [15900858437691191937] == content_keys(np.array([[0.5, -1.0, 3.25]], np.float32)).tolist()
