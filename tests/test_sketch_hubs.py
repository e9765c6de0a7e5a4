"""Hubs, the few documents that take many results: their share from the sketch of top inputs, in panes and merged."""

import numpy as np
import pytest

from app.sketch import TopInputs

CAPACITY = 256
"""4 KiB a pane. Each of ten documents reads at most n / 257 too low, and far less where counts are uneven."""


def stream(rng, n, exponent, documents=20_000):
    weights = np.arange(1, documents + 1.0) ** -exponent
    chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(n))
    return rng.permutation(np.arange(1, documents + 1, dtype=np.uint64))[chosen]


@pytest.mark.parametrize("exponent", [0.4, 0.8, 1.1])
def test_the_share_of_the_ten_most_frequent_documents_is_within_the_stated_error(exponent):
    """An hour of panes, flat and steep: never above the truth, and at most ten times the error of one count below."""
    rng = np.random.default_rng(7)
    results = stream(rng, 200_000, exponent)
    hour = TopInputs(CAPACITY)
    for part in np.array_split(results, 12):
        pane = TopInputs(CAPACITY)
        for batch in np.array_split(part, 20):
            pane.update(batch)
        hour.merge(pane)

    _, counts = np.unique(results, return_counts=True)
    exact = np.sort(counts)[-10:].sum() / results.size
    read = hour.shares()[1][:10].sum()
    assert exact - 10 / (CAPACITY + 1) <= exact - 10 * hour.error / hour.n <= read <= exact + 1e-12


def test_one_document_in_every_result_list_is_seen():
    """A hub that appears: a tenth of all results, among flat traffic."""
    rng = np.random.default_rng(7)
    hour = TopInputs(CAPACITY)
    for _ in range(100):
        batch = stream(rng, 1000, 0.4)
        batch[::10] = 999_999
        hour.update(batch)

    keys, shares = hour.shares()
    assert 999_999 == keys[0]
    assert pytest.approx(0.1, abs=1 / (CAPACITY + 1)) == shares[0]
