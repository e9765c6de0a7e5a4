"""Fixed random projections: what of vectors may be on disk where whole ones may not."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from app.cosine import cosines
from app.drift.same_input import KnownInputs
from app.frame import Frame
from app.projection import projected, projected_dimension


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_angles_are_kept():
    """Without bias, up to (1 - cosine^2) / 8 for 64 numbers."""
    rng = np.random.default_rng(7)
    one, other = unit(rng.normal(size=(4000, 384))), unit(rng.normal(size=(4000, 384)))
    near = unit(0.8 * one + 0.6 * other)
    exact = cosines(one, near)
    found = cosines(projected(one), projected(near))

    assert np.mean(found - exact) == pytest.approx(0, abs=0.003)
    assert np.std(found - exact) == pytest.approx((1 - 0.8**2) / 8, rel=0.1)


def test_the_projection_is_the_same_for_ever():
    """Or what was projected before an upgrade would compare with nothing."""
    signs = projected(np.eye(768, dtype=np.float32)) > 0

    assert "57590915a575f8c1" == sha256(np.packbits(signs).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 100, 768])
def test_no_vector_is_kept_whole_and_every_one_has_a_direction(dimension):
    """Also one whose sums are all 0, and those whose squares leave float32."""
    rows = np.concatenate([np.eye(dimension), -np.ones((1, dimension)), [[(-1.0) ** at for at in range(dimension)]]])
    found = projected(np.concatenate([rows, 1e38 * rows, 1e-38 * rows]).astype(np.float32))

    assert (3 * len(rows), projected_dimension(dimension)) == found.shape
    assert projected_dimension(dimension) == {1: 2, 2: 1, 3: 1, 4: 1, 100: 25, 768: 64}[dimension]
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(len(found)), rel=1e-5)
    assert found[: len(rows)] == pytest.approx(found[len(rows) : 2 * len(rows)], abs=1e-5)


def test_a_projected_frame_keeps_no_anchor_whole_and_is_else_the_same():
    """Whitening, components and features are those of the vectors; it comes back from a file as what it is."""
    rows = unit(np.random.default_rng(7).normal(size=(400, 64)) + 1).astype(np.float32)
    whole, kept = (Frame.fit(rows, projected=each).frame for each in (False, True))
    one, other = whole.measure(rows), kept.measure(rows)
    again = Frame.from_arrays(kept.to_arrays())

    assert (64, 16) == (whole.anchors.shape[1], kept.anchors.shape[1])
    assert (False, True, True) == (whole.projected, kept.projected, again.projected)
    assert one.distance.tolist() == other.distance.tolist()
    assert one.components.tolist() == other.components.tolist()
    assert other.novelty.tolist() == again.measure(rows).novelty.tolist()
    anchors = np.isclose(one.novelty, 1, atol=1e-3)
    assert anchors.any()
    assert np.isclose(other.novelty[anchors], 1, atol=1e-3).all()


def test_a_projection_is_told_from_a_vector_by_its_length():
    """As a frame does it: of no dimension may both have one."""
    assert not [each for each in range(1, 5000) if each == projected_dimension(each)]


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_what_a_projected_frame_knows_is_not_new_to_it(dimension):
    """Also vectors of one number, of which a projection cannot be shorter: their novelty read -1."""
    rows = 1 + np.random.default_rng(7).random((400, dimension), np.float32)
    frame = Frame.fit(rows, projected=True).frame

    assert frame.projected
    assert frame.measure(rows).novelty == pytest.approx(np.ones(400), abs=2e-3)


def test_known_inputs_are_known_by_their_projections():
    """The same vector is the same, another one is another; the length that is asked of is that of vectors."""
    rng = np.random.default_rng(7)
    rows, keys = rng.normal(size=(300, 64)).astype(np.float32), np.arange(1, 301, dtype=np.uint64)
    known = KnownInputs.of(keys, rows).projected()
    turned = rows + 0.1 * rng.normal(size=rows.shape).astype(np.float32)

    assert (64, 16) == (known.dimension, known.directions.shape[1])
    assert known is known.projected()
    assert 0 == known.check(keys, rows * 3).changed
    assert known.check(keys, turned).changed >= 295
