"""Blocks of a baseline as a few arrays: the same as they were, in far fewer objects, and not to be changed."""

import gc

import numpy as np
import pytest

from app.baseline.stacked import StackedBlocks, StackedSums
from app.distribution import Distribution
from app.drift.sums import NOVELTY_LEVELS, FrameSums, VectorSums
from app.series import Block

DAY_OF_BLOCKS = 288
DIMENSION = 8


def block(number):
    """One of five minutes; every seventh has no vectors, every fifth no scores."""
    rng = np.random.default_rng(number)
    signals, steps = [], []
    vectors = VectorSums.none()
    if number % 7:
        vectors = VectorSums(12, rng.normal(size=DIMENSION).astype(np.float32), float(rng.uniform(1, 2)))
        signals, steps = [("norm", 12)], [np.sort(rng.normal(1, 0.1, 12))]
    if number % 5:
        signals.append(("top1_similarity", 9))
        steps.append(np.sort(rng.normal(0.6, 0.1, 9)))
    quantiles = np.concatenate([np.empty(0), *steps]).astype(np.float32)
    return Block(300.0 * number, 14, 2, vectors, tuple(signals), quantiles)


def sums(number):
    """What the rows of one measured; none where it had no vectors."""
    if not number % 7:
        return FrameSums.none()
    rng = np.random.default_rng(number)
    below = rng.integers(0, 7, len(NOVELTY_LEVELS))
    novel = rng.normal(size=DIMENSION).astype(np.float32)
    return FrameSums(7, *rng.uniform(size=4).tolist(), below, novel, np.zeros(0, np.float32))


def told(each):
    """A block or sums as plain values."""
    if isinstance(each, Block):
        vectors = (each.vectors.n, each.vectors.total.tolist(), each.vectors.squares)
        return each.start, each.events, each.invalid, vectors, each.signals, each.quantiles.tolist()
    arrays = (each.below.tolist(), each.novel.tolist(), each.features.tolist())
    return each.n, each.depth, each.depth_squares, each.distance, each.distance_squares, arrays


KINDS = {"blocks": (StackedBlocks, block), "sums": (StackedSums, sums)}


def objects(root):
    """How many there are, of it and of all that it holds."""
    seen, waiting = {id(root): root}, [root]
    while waiting:
        each = waiting.pop()
        held = gc.get_referents(each) + ([each.base] if isinstance(each, np.ndarray) else [])
        fresh = {id(one): one for one in held if one is not None and not isinstance(one, type)}
        waiting += [one for name, one in fresh.items() if name not in seen]
        seen |= fresh
    return len(seen)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_what_it_was(kind):
    """To the last bit, in any order, the last one by a negative place too; several at once are a tuple."""
    stacked_as, made = KINDS[kind]
    before = [made(number) for number in range(20)]

    after = stacked_as.of(before)

    assert [told(each) for each in before] == [told(each) for each in after]
    assert 20 == len(after)
    assert told(before[-1]) == told(after[-1])
    assert [told(each) for each in before[3:5]] == [told(each) for each in after[3:5]]
    assert isinstance(after[3:5], tuple)
    assert after is stacked_as.of(after)
    with pytest.raises(IndexError):
        after[20]


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_of_them_is_a_few_objects(kind):
    """As a tuple of objects with arrays of their own it would be thousands, each with a header and a malloc."""
    stacked_as, made = KINDS[kind]
    day = [made(number) for number in range(DAY_OF_BLOCKS)]

    assert objects(stacked_as.of(day)) < 60 < 5 * DAY_OF_BLOCKS < objects(day)


def test_their_bytes_are_those_of_the_arrays():
    """Of what is large no more than one copy: sums in float32, and quantiles."""
    day = [block(number) for number in range(DAY_OF_BLOCKS)]
    large = 4 * DAY_OF_BLOCKS * DIMENSION + sum(each.quantiles.nbytes for each in day)

    assert large < StackedBlocks.of(day).nbytes < large + 100 * DAY_OF_BLOCKS


def test_who_adds_to_one_changes_no_baseline():
    """What is made of the arrays holds views of them."""
    blocks, measured = StackedBlocks.of([block(1), block(2)]), StackedSums.of([sums(1), sums(2)])

    with pytest.raises(ValueError, match="read-only"):
        blocks[0].vectors.merge(blocks[1].vectors)
    with pytest.raises(ValueError, match="read-only"):
        measured[0].merge(measured[1])


@pytest.mark.parametrize("name", ["counts", "squares", "totals", "signals", "steps"])
def test_arrays_of_another_number_of_blocks_are_refused(name):
    """When they are read, not when limits are learned."""
    arrays = dict(StackedBlocks.of([block(number) for number in range(4)]).arrays)
    arrays[name] = arrays[name][:3]

    with pytest.raises((ValueError, IndexError)):
        StackedBlocks(arrays)


@pytest.mark.parametrize("name", ["scalars", "below"])
def test_arrays_of_another_number_of_sums_are_refused(name):
    """Likewise."""
    arrays = dict(StackedSums.of([sums(number) for number in range(4)]).arrays)
    arrays[name] = arrays[name][:3]

    with pytest.raises((ValueError, IndexError)):
        StackedSums(arrays)


def test_distributions_of_a_block_are_those_it_had():
    """They are read of slices of one array."""
    before = [block(number) for number in range(8)]

    for first, second in zip(before, StackedBlocks.of(before), strict=True):
        for signal in ("norm", "top1_similarity"):
            one, two = first.distribution(signal), second.distribution(signal)
            assert (one is None) == (two is None)
            assert one is None or isinstance(one, Distribution)
            assert one is None or one.values.tolist() == two.values.tolist()
