"""Same input: looked up by key, compared with digits to spare, and counted so that panes add up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.compare import compare
from app.drift.same_input import KnownInputs, SameInput, SameInputCounts

LARGEST = 2**64 - 1
keys_lists = st.lists(st.sampled_from([0, 1, 2, 3, 2**63, LARGEST]), max_size=12)


def keys_of(numbers):
    return np.array(numbers, np.uint64)


def plane(numbers):
    """Unit vectors, another direction for each number."""
    angles = np.array(numbers, np.float64) / 10
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


@pytest.mark.parametrize("storage", [np.float16, np.float32])
def test_same_input_sees_turned_vectors_and_not_stored_or_scaled_ones(storage):
    """float16, int8 and a lost normalisation leave the cosine; another model does not."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(60, 384)).astype(np.float32)
    known = KnownInputs.of(keys_of(range(1, 61)), rows)
    known = KnownInputs(known.keys, known.directions.astype(storage))
    keys = keys_of([*range(1, 31), *[0] * 30])
    step = np.abs(rows).max(axis=1, keepdims=True) / 127

    for stored in (rows.astype(np.float16).astype(np.float32), np.round(rows / step) * step, 7 * rows):
        found = known.check(keys, stored.astype(np.float32))
        assert (found.matches, found.changed) == (30, 0)
    turned = known.check(keys, rows + 0.1 * rng.normal(size=rows.shape).astype(np.float32))
    assert turned.changed_ratio == 1
    assert turned.median_cosine == pytest.approx(0.995, abs=0.002)


@pytest.mark.parametrize("dimension", [2, 8, 768, 4096])
def test_storage_is_told_from_a_change_of_numbers(dimension):
    """Both sides in float16 read 0.9999995 and more; a library's tiny shifts read what they are, below 0.99999."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(200, dimension))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    keys = np.arange(1, 201, dtype=np.uint64)
    known = KnownInputs(keys, rows.astype(np.float16))
    aside = rng.normal(size=rows.shape)
    aside -= (aside * rows).sum(axis=1, keepdims=True) * rows
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)

    _, same = known.match(keys, rows.astype(np.float16).astype(np.float32))
    assert (same >= 1 - 1e-15).all()
    _, exact = known.match(keys, (3 * rows).astype(np.float32))
    assert (exact >= 0.9999995).all()
    for cosine in (0.99999, 0.9999, 0.9991):
        shifted = cosine * rows + np.sqrt(1 - cosine**2) * aside
        _, found = known.match(keys, shifted.astype(np.float32))
        assert np.median(found) == pytest.approx(cosine, abs=2e-6)
        assert (np.abs(found - cosine) <= 1e-3 * np.sqrt(1 - cosine**2) + 5e-7).all()


def test_vectors_of_any_length_are_compared():
    """Their squares may leave float32 on either side."""
    known = KnownInputs.of(keys_of([1, 2, 3]), np.array([[3e38, 3e38], [1e-40, 0], [0, 1e25]], np.float32))
    _, cosines = known.match(keys_of([1, 2, 3]), np.array([[1e-40, 1e-40], [3e38, 0], [0, -1]], np.float32))

    assert cosines == pytest.approx([1, 1, -1], abs=1e-12)


@given(keys_lists, keys_lists)
def test_a_lookup_is_that_of_a_plain_loop(before, now):
    """Keys anywhere in 64 bits; each with its first vector, against the baseline's and against the window's own."""
    found = KnownInputs.of(keys_of(before), plane(range(len(before)))).check(keys_of(now), plane(range(len(now))))
    first, own, cosines, again = {}, {}, [], []
    for position, key in enumerate(before):
        first.setdefault(key, position)
    for position, key in enumerate(now):
        if key and key in first:
            cosines.append(np.cos((position - first[key]) / 10))
        if key and own.setdefault(key, position) != position:
            again.append(np.cos((position - own[key]) / 10))

    assert (len(cosines), len(again)) == (found.matches, found.repeats)
    assert (sum(c < 0.999 for c in cosines), len(again)) == (found.changed, found.inconsistent)
    assert found.median_cosine == pytest.approx(np.median(cosines) if cosines else 1, abs=1e-6)


def test_a_match_says_which_events_it_is_about():
    """Positions in the batch, in its order."""
    known = KnownInputs.of(keys_of([9, LARGEST]), plane([0, 1]))
    positions, cosines = known.match(keys_of([LARGEST, 0, 5, 9]), plane([1, 0, 0, 1]))

    assert [0, 3] == positions.tolist()
    assert cosines == pytest.approx([1, np.cos(0.1)], abs=1e-6)
    assert 2 == known.dimension


def test_no_known_input_is_no_statement():
    """Neither matches nor repeats, nor with a baseline that knows nothing."""
    for known in (KnownInputs.of(keys_of([1]), plane([0])), KnownInputs.of(keys_of([0]), plane([0]))):
        found = known.check(keys_of([0, 2]), plane([0, 1]))
        assert (found.matches, found.repeats, found.changed_ratio, found.inconsistent_ratio) == (0, 0, 0, 0)
        assert found.median_cosine == 1


def test_counts_of_panes_add_up_to_those_of_a_window():
    """With nothing as the neutral one; the median comes from elsewhere."""
    counts = SameInputCounts(10, 1, 4, 2) + SameInputCounts() + SameInputCounts(30, 5, 4, 0)

    assert counts == SameInputCounts(40, 6, 8, 2)
    window = SameInput.of(counts, 0.75)
    assert (window.changed_ratio, window.inconsistent_ratio, window.median_cosine) == (0.15, 0.25, 0.75)
    assert window.matches == 40


@pytest.mark.parametrize(
    "given_as",
    [list, np.array, lambda hashes: [each.encode() for each in hashes], lambda hashes: [int(each) for each in hashes]],
    ids=["str", "numpy", "bytes", "int"],
)
def test_hashes_of_any_kind_are_compared_by_what_they_are(given_as):
    """The baseline's as a list, the window's as another list or as an array; None and NaN are no hashes."""
    rng = np.random.default_rng(7)
    rows = rng.normal(1, 1, (300, 16)).astype(np.float32)
    names = [str(number) for number in range(300)]
    baseline = list(given_as(names))
    baseline[0], baseline[1] = None, float("nan")
    current = given_as(names[:100])
    effects = compare(rows, rows[:100], reference_hashes=baseline, current_hashes=current).effects

    assert (98, 0.0) == (effects.same_input_matches, effects.same_input_changed_ratio)
    assert effects.same_input_inconsistent_ratio is None
